/** What other routes would do with the events that are on raw. */

import { createDecoder } from '../avro/decoder.ts';
import type { PublicationSucceeded, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { enrich } from '../enrichment/enrich.ts';
import { rangeOf } from '../kafka/log-reader.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { Routes } from '../routing/routes.ts';
import type { Deployment } from '../topics/deployment.ts';
import { readPublication } from '../voucherify/publication.ts';
import { readWebhook } from '../voucherify/webhook.ts';

type Change = {
  /** Topics, or `(parked)`. */
  readonly before: string;
  readonly after: string;
  readonly count: number;
  /** Publication ids. */
  readonly examples: readonly string[];
};

export type Comparison = {
  readonly events: number;
  readonly unchanged: number;
  readonly changes: readonly Change[];
};

const examplesShown = 3;
type Counted = { before: string; after: string; count: number; examples: string[] };

export function compare(
  events: readonly PublicationSucceeded[],
  inForce: Routes,
  candidate: Routes,
): Comparison {
  const changes = new Map<string, Counted>();
  let unchanged = 0;
  for (const event of events) {
    const [before, after] = [shown(event, inForce), shown(event, candidate)];
    if (before === after) {
      unchanged += 1;
      continue;
    }
    const key = `${before}\n${after}`;
    const change: Counted = changes.get(key) ?? { before, after, count: 0, examples: [] };
    change.count += 1;
    if (change.examples.length < examplesShown) change.examples.push(event.publicationId);
    changes.set(key, change);
  }
  const sorted = [...changes.values()].sort((a, b) => b.count - a.count);
  return { events: events.length, unchanged, changes: sorted };
}

function shown(event: PublicationSucceeded, routes: Routes): string {
  const destinations = routes.destinationsOf(event).map(({ topic, key, isExploded }) => {
    const manner = `${key === 'publication' ? '' : ` by ${key}`}${isExploded ? ' per voucher' : ''}`;
    return `${topic}${manner}`;
  });
  return destinations.join(', ') || '(parked)';
}

/** The events of webhooks; what is none, or broken, is left out. */
export function eventsOf(bodies: readonly { readonly body: Buffer; readonly source: string }[]) {
  return bodies.flatMap(({ body, source }): PublicationSucceeded[] => {
    const webhook = readWebhook(body);
    const publication = webhook.kind === 'publication' ? readPublication(webhook) : undefined;
    if (publication?.kind !== 'publication') return [];
    const event = enrich(publication, { source, receivedAtMs: 0, processedAtMs: 0 }, []);
    return 'kind' in event ? [] : [event];
  });
}

/** About the last so many records of raw, as many from each partition. */
export async function lastOnRaw(
  { reader, registry, catalog, partitions }: Deployment,
  count: number,
): Promise<readonly { readonly body: Buffer; readonly source: string }[]> {
  const records: ReadRecord[] = [];
  const perPartition = Math.ceil(count / partitions);
  for (let partition = 0; partition < partitions; partition += 1) {
    const range = await rangeOf(reader, catalog.raw, partition, 'start', 'high-watermark');
    const from = Math.max(range.from, range.to - perPartition);
    await reader.read({ ...range, from, visit: (record) => records.push(record) });
  }
  const decoder = createDecoder<RawWebhook>(schemas.RawWebhook.type, registry);
  await decoder.prepare(records.map(({ value }) => value));
  return records.flatMap(({ value }) => {
    const raw = decoder.decode(value);
    return 'kind' in raw ? [] : [{ body: raw.body, source: raw.source }];
  });
}
