/** `voucherbus reference`: maintains the company's own data on campaigns. */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import {
  type ConnectedDeployment,
  connectFromEnvironment,
  expectOptionalTopic,
  expectSchemaId,
} from '../app/connect-deployment.ts';
import type { Io } from '../app/io.ts';
import { audited, operatorName } from '../app/operator.ts';
import { createEncoder } from '../avro/encoder.ts';
import type { CampaignReference } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import type { CampaignReferences } from '../enrichment/reference.ts';
import { type Row, rowsOf } from '../inspect/reference-file.ts';
import { readReferences } from '../inspect/references.ts';
import { expectStored, type KeyedRecord, Writer } from '../kafka/writer.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';

const usage = `voucherbus reference list [--json]
       voucherbus reference put FILE.csv|FILE.json [--by NAME]
       voucherbus reference remove CAMPAIGN_ID...
  FILE  a CSV with a column campaignId, or a JSON array of objects with one; every other column is an attribute
  put   writes those that are new or different; others stay unchanged
  --by  the operator's name; default the system's user`;

const options = {
  by: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

export const command: Command = {
  summary: "list | put | remove: the company's own data on campaigns",
  usage,
  run: async (args, io) => {
    const parsed = parse(args, io);
    if (!parsed) return 2;
    await using deployment = await connectFromEnvironment(io);
    const topic = await expectOptionalTopic(deployment, 'reference', 'CAMPAIGN_REFERENCE');
    const references = await readReferences(deployment, topic);
    switch (parsed.verb) {
      case 'list':
        list(references, parsed.isJson, io);
        return 0;
      case 'put': {
        const changed = parsed.rows.filter((row) => isChanged(row, references));
        const campaigns = changed.map(({ campaignId }) => campaignId);
        const facts = () => ({ by: parsed.by, topic, campaigns });
        await audited('reference-data.put', facts, () =>
          put(deployment, topic, changed, parsed.by),
        );
        io.out(`${changed.length} written, ${parsed.rows.length - changed.length} unchanged`);
        return 0;
      }
      case 'remove': {
        // Compaction removes the key of a record without a value.
        const removed = parsed.ids.map((key) => ({ key, value: null }));
        const facts = () => ({ by: parsed.by, topic, campaigns: parsed.ids });
        await audited('reference-data.remove', facts, () => write(deployment, topic, removed));
        io.out(`${parsed.ids.length} removed`);
        return 0;
      }
    }
  },
};

function parse(args: readonly string[], io: Io) {
  return parseOrUsage(io, usage, () => {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [verb, ...rest] = positionals;
    const by = values.by ?? operatorName();
    if (verb === 'list' && rest.length === 0) return { verb, isJson: values.json } as const;
    if (verb === 'remove' && rest.length > 0) return { verb, ids: rest, by } as const;
    const [file] = rest;
    if (verb === 'put' && file !== undefined && rest.length === 1) {
      const rows = rowsOf(readFileSync(file, 'utf8'), file.endsWith('.json'));
      return { verb, rows, by } as const;
    }
    throw new Error('expected list, put FILE, or remove CAMPAIGN_ID');
  });
}

async function put(
  deployment: ConnectedDeployment,
  topic: string,
  rows: readonly Row[],
  updatedBy: string,
): Promise<void> {
  if (rows.length === 0) return;
  const id = await expectSchemaId(deployment, topic, 'CampaignReference');
  const encode = createEncoder<CampaignReference>(schemas.CampaignReference.type, id);
  const updatedAt = Date.now();
  const records = rows.map(({ campaignId, attributes }) => {
    const value = encode({ campaignId, attributes, updatedAt, updatedBy });
    return { key: campaignId, value };
  });
  await write(deployment, topic, records);
}

const writeTimeoutMs = 30_000;

async function write(
  { client }: ConnectedDeployment,
  topic: string,
  records: readonly KeyedRecord[],
): Promise<void> {
  const writer = await Writer.open(client, topic);
  try {
    expectStored(await writer.write(records, writeTimeoutMs));
  } finally {
    await writer.close();
  }
}

function isChanged({ campaignId, attributes }: Row, references: CampaignReferences): boolean {
  const known = references.of(campaignId)?.attributes;
  const sorted = (map: Readonly<Record<string, string>>) =>
    JSON.stringify(Object.entries(map).sort());
  return known === undefined || sorted(known) !== sorted(attributes);
}

function list({ entries }: CampaignReferences, isJson: boolean, io: Io): void {
  const rows = [...entries.values()].map(({ reference, version }) => ({ ...reference, version }));
  rows.sort((a, b) => (a.campaignId < b.campaignId ? -1 : 1));
  if (isJson) {
    io.out(JSON.stringify(rows, null, 2));
    return;
  }
  for (const { campaignId, attributes, version, updatedAt, updatedBy } of rows) {
    const texts = Object.entries(attributes).map(([name, value]) => `${name}=${value}`);
    const at = new Date(updatedAt).toISOString();
    io.out(`${campaignId}  ${texts.join(', ')}  (${version}, ${at}, ${updatedBy})`);
  }
  if (rows.length === 0) io.out('no reference data yet: voucherbus reference put FILE.csv');
}
