/** Compares what two sets of routes do with the events on raw. */

import { Decoder } from '../avro/decoder.ts';
import type { PublicationSucceeded, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { enrich } from '../enrichment/enrich.ts';
import type { Routes } from '../routing/routes.ts';
import type { Deployment } from '../topics/deployment.ts';
import { publicationOf } from '../voucherify/publication.ts';

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

const maxExamples = 3;

type CountedChange = { before: string; after: string; count: number; examples: string[] };

export function compare(
  events: readonly PublicationSucceeded[],
  inForce: Routes,
  candidate: Routes,
): Comparison {
  const changes = new Map<string, CountedChange>();
  let unchanged = 0;
  for (const event of events) {
    const [before, after] = [shown(event, inForce), shown(event, candidate)];
    if (before === after) {
      unchanged += 1;
      continue;
    }
    const key = `${before}\n${after}`;
    const change: CountedChange = changes.get(key) ?? { before, after, count: 0, examples: [] };
    change.count += 1;
    if (change.examples.length < maxExamples) change.examples.push(event.publicationId);
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

type Body = { readonly body: Buffer; readonly source: string };

const arrival = { receivedAtMs: 0, processedAtMs: 0, origin: 'WEBHOOK', asOfMs: null } as const;

/** Returns how many of the events each route takes, by its name, and how many none takes. */
export function sharesOf(events: readonly PublicationSucceeded[], routes: Routes) {
  const counts = new Map<string, number>();
  let parked = 0;
  for (const event of events) {
    const names = new Set(routes.destinationsOf(event).map(({ route }) => route));
    if (names.size === 0) parked += 1;
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return { counts, parked };
}

/** Returns the events of webhooks. Skips webhooks that are broken, or of another event type. */
export function eventsOf(bodies: readonly Body[]): readonly PublicationSucceeded[] {
  return bodies.flatMap(({ body, source }) => {
    const publication = publicationOf(body);
    if (publication === undefined) return [];
    const enriched = enrich(publication, { ...arrival, source }, []);
    return enriched.kind === 'event' ? [enriched.event] : [];
  });
}

/**
 * Returns about the last `count` webhooks of raw, the same number from each partition.
 * @throws AppError
 */
export async function lastOnRaw(
  { reader, registry, catalog, partitions }: Deployment,
  count: number,
): Promise<readonly Body[]> {
  const perPartition = Math.ceil(count / partitions);
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, registry);
  const bodies: Body[] = [];
  for (let partition = 0; partition < partitions; partition += 1) {
    const range = await reader.rangeOf(catalog.raw, partition, 'start', 'high-watermark');
    const from = Math.max(range.from, range.to - perPartition);
    for await (const { result } of decoder.decodeEach(reader.records({ ...range, from }))) {
      if (result.kind === 'decoded') {
        bodies.push({ body: result.value.body, source: result.value.source });
      }
    }
  }
  return bodies;
}
