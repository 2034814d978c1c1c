/** `voucherbus dead-letters`: what was parked and why, and how it gets through after all. */

import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { connectDeployment } from '../app/connect-deployment.ts';
import { configOf } from '../app/environment.ts';
import type { Io } from '../app/io.ts';
import { createDecoder } from '../avro/decoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { type Filter, type Letter, visitLetters } from '../inspect/dead-letters.ts';
import { maskedBody, maskText } from '../inspect/mask.ts';
import { redrive, type Triage, triageOf } from '../inspect/redrive.ts';
import { formatPosition } from '../kafka/record-position.ts';
import { openWriter } from '../kafka/writer.ts';
import type { Deployment } from '../topics/deployment.ts';
import { parseAge, since } from './age.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';
import { progressOn } from './progress.ts';

const usage = `voucherbus dead-letters list    [FILTERS] [--json]
       voucherbus dead-letters show    PARTITION@OFFSET [--unmask] [--json]
       voucherbus dead-letters redrive [FILTERS] [--execute] [--allow-stale] [--force] [--max-attempts N] [--by NAME]
  FILTERS         --reason R, --source-topic T, --since AGE, --until AGE (such as 2h, 3d), --partition N, --offsets FROM-TO, --id PUBLICATION
  list            counts by reason, with an example of each
  show            one letter: why it died, where in its data, its headers and its body
  --unmask        shows personal data too
  redrive         sends the original bytes back to raw. Without --execute it only says how many it would send
  --allow-stale   also those older than DEDUP_WINDOW: you answer for their not being repeats, and the journal says so
  --max-attempts  a letter that died so often is left, default 5; --force sends it all the same
  --by            who does it, for the journal; default the system's user`;

const options = {
  reason: { type: 'string' },
  'source-topic': { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  partition: { type: 'string' },
  offsets: { type: 'string' },
  id: { type: 'string' },
  execute: { type: 'boolean', default: false },
  'allow-stale': { type: 'boolean', default: false },
  force: { type: 'boolean', default: false },
  'max-attempts': { type: 'string', default: '5' },
  by: { type: 'string' },
  unmask: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

export const command: Command = {
  summary: 'lists, shows and sends back what was parked',
  usage,
  run: async (args, io) => {
    const parsed = parse(args, io);
    if (!parsed) return 2;
    await using deployment = await connectDeployment(
      configOf(['kafka', 'registry', 'topics', 'processor'], io),
    );
    switch (parsed.verb) {
      case 'list':
        return list(deployment, parsed, io);
      case 'show':
        return show(deployment, parsed, io);
      case 'redrive':
        return sendBack(deployment, parsed, io);
    }
  },
};

type ParsedArguments = NonNullable<ReturnType<typeof parse>>;

function parse(args: readonly string[], io: Io) {
  return parseOrUsage(io, usage, () => {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [verb, position, ...rest] = positionals;
    if (verb !== 'list' && verb !== 'show' && verb !== 'redrive') {
      throw new Error('expected list, show or redrive');
    }
    if (rest.length > 0 || (verb !== 'show' && position !== undefined)) {
      throw new Error(`did not expect "${rest[0] ?? position}"`);
    }
    const offsets = values.offsets === undefined ? undefined : rangeOf(values.offsets);
    const filter: Filter = {
      reason: values.reason,
      sourceTopic: values['source-topic'],
      sinceMs: since(values.since),
      untilMs:
        values.until === undefined ? Number.POSITIVE_INFINITY : Date.now() - parseAge(values.until),
      partition: values.partition === undefined ? undefined : wholeOf(values.partition),
      offsets,
      key: values.id,
    };
    const at = verb === 'show' ? positionOf(position) : filter;
    return {
      verb,
      filter: { ...filter, ...at },
      isJson: values.json,
      isUnmasked: values.unmask,
      isExecuted: values.execute,
      rules: {
        by: values.by ?? userInfo().username,
        isStaleAllowed: values['allow-stale'],
        maxAttempts: values.force ? undefined : wholeOf(values['max-attempts']),
      },
    } as const;
  });
}

function wholeOf(text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`"${text}": expected a whole number`);
  return Number(text);
}

function rangeOf(text: string) {
  const [, from, to] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  if (from === undefined || to === undefined) {
    throw new Error(`--offsets is "${text}": expected FROM-TO, such as 100-200`);
  }
  return { from: Number(from), to: Number(to) };
}

function positionOf(text = '') {
  const [, partition, offset] = /^(?:.*\/)?(\d+)@(\d+)$/.exec(text) ?? [];
  if (partition === undefined || offset === undefined) {
    throw new Error(`"${text}": expected PARTITION@OFFSET, such as 3@41`);
  }
  return {
    partition: Number(partition),
    offsets: { from: Number(offset), to: Number(offset) },
  };
}

type Group = {
  reason: string;
  open: number;
  redriven: number;
  oldest: string;
  newest: string;
  example: string;
};

async function list(
  deployment: Deployment,
  { filter, isJson }: ParsedArguments,
  io: Io,
): Promise<number> {
  const groups = new Map<string, Group>();
  await visitLetters(
    deployment,
    filter,
    progressOn(io),
    ({ reason, failedAtMs, position, isRedriven }) => {
      const at = new Date(failedAtMs).toISOString();
      const example = `${position.partition}@${position.offset}`;
      const group = groups.get(reason) ?? {
        ...{ reason, open: 0, redriven: 0, oldest: at, newest: at, example },
      };
      groups.set(reason, group);
      if (isRedriven) group.redriven += 1;
      else {
        group.open += 1;
        // An open one serves better as an example.
        if (group.open === 1) group.example = example;
      }
      if (at < group.oldest) group.oldest = at;
      if (at > group.newest) group.newest = at;
    },
  );
  const rows = [...groups.values()].sort((a, b) => b.open - a.open);
  if (isJson) io.out(JSON.stringify(rows, null, 2));
  else if (rows.length === 0) io.out('no dead letters');
  else {
    const line = (cells: readonly (string | number)[]) =>
      cells.map((cell, i) => String(cell).padEnd([22, 8, 9, 25, 25, 0][i] ?? 0)).join(' ');
    io.out(line(['reason', 'open', 'redriven', 'oldest', 'newest', 'example']));
    for (const row of rows) io.out(line(Object.values(row)));
    io.out(`\nlook at one: voucherbus dead-letters show ${rows[0]?.example}`);
  }
  return 0;
}

async function show(
  deployment: Deployment,
  { filter, isJson, isUnmasked }: ParsedArguments,
  io: Io,
): Promise<number> {
  const found: Letter[] = [];
  await visitLetters(deployment, filter, progressOn(io), (letter) => found.push(letter));
  const [letter] = found;
  if (!letter) {
    io.err(`there is no dead letter at ${filter.partition}@${filter.offsets?.from}`);
    return 1;
  }
  const { record, failedAtMs, redrive: earlier, ...facts } = letter;
  const decoder = createDecoder<RawWebhook>(schemas.RawWebhook.type, deployment.registry);
  await decoder.prepare([record.value]);
  const raw = decoder.decode(record.value);
  const bodyOf = ({ body }: RawWebhook) => (isUnmasked ? body.toString() : maskedBody(body));
  const body = 'kind' in raw ? `(${raw.message})` : bodyOf(raw);
  const shown = (text: string) => (isUnmasked ? text : maskText(text));
  const headers = Object.fromEntries(
    record.headers.map(([name, value]) => [name, shown(String(value))]),
  );
  if (isJson) {
    const failedAt = new Date(failedAtMs).toISOString();
    io.out(JSON.stringify({ ...facts, failedAt, earlier, headers, body }, null, 2));
    return 0;
  }
  const lines = [
    ['letter', `${formatPosition(letter.position)}${letter.isRedriven ? ', sent back since' : ''}`],
    ['reason', `${letter.reason}, at ${letter.path} (stage ${letter.stage})`],
    ['message', letter.message],
    ['origin', `${formatPosition(letter.origin)}, failed at ${new Date(failedAtMs).toISOString()}`],
    ['key', shown(letter.key ?? '(none)')],
    [
      'sent back',
      earlier ? `attempt ${earlier.attempt}, by ${earlier.by}` : 'never before it died',
    ],
    ...Object.entries(headers)
      .filter(([name]) => !name.startsWith('__streams.') && !name.startsWith('voucherbus.'))
      .map(([name, value]) => [`header ${name}`, value]),
  ];
  for (const [name, value] of lines) io.out(`${name?.padEnd(24)} ${value}`);
  io.out(`\nbody${isUnmasked ? '' : ', personal data masked (--unmask shows it)'}:\n${body}`);
  return 0;
}

const why: Readonly<Record<Triage, string>> = {
  send: 'to send back',
  'sent-before': 'sent back before: left',
  'needs-allow-stale': 'older than DEDUP_WINDOW: left, --allow-stale sends them',
  'too-many-attempts': 'died too often (--max-attempts): left, --force sends them',
};

async function sendBack(
  deployment: Deployment & { readonly client: Parameters<typeof openWriter>[0] },
  { filter, rules, isExecuted }: ParsedArguments,
  io: Io,
): Promise<number> {
  const letters: Letter[] = [];
  const counts = new Map<Triage, number>([['send', 0]]);
  const progress = progressOn(io);
  await visitLetters(deployment, filter, progress, (letter) => {
    const triage = triageOf(letter, rules);
    counts.set(triage, (counts.get(triage) ?? 0) + 1);
    if (triage === 'send') letters.push(letter);
  });
  for (const [triage, count] of counts) io.out(`${count} ${why[triage]}`);
  if (!isExecuted) {
    io.out('\nnothing was sent: this was a dry run, --execute sends them');
    return 0;
  }
  const writer = await openWriter(deployment.client, deployment.catalog.raw);
  try {
    await redrive(letters, writer, rules, (sent) => progress(`${sent} of ${letters.length} sent`));
  } finally {
    await writer.close();
  }
  io.out(
    `\nsent ${letters.length} to ${deployment.catalog.raw}; each passes once, however often it is sent`,
  );
  return 0;
}
