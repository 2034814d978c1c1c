/**
 * Builds the trace of one raw key, for most events a publication id: when it was received, what was
 * decided each time, and what was written. The journal leads to everything else. The digest finds
 * the decisions, a decision's raw offset finds the webhook, and its time finds the output.
 */

import { Decoder } from '../avro/decoder.ts';
import type { Origin, Outcome, PublicationSucceeded, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { type Redrive, redriveOf } from '../dead-letters/redrive.ts';
import { digestOf } from '../digest.ts';
import { partitionOf } from '../kafka/protocol/murmur2.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { RecordPosition } from '../kafka/record-position.ts';
import { readTraceHeaders, traceIdOf } from '../observability/tracing.ts';
import { reconcileRunHeader } from '../topics/backfill-headers.ts';
import type { Deployment } from '../topics/deployment.ts';
import { findKeys } from './find-keys.ts';
import { existingTopics, findOutputs } from './find-outputs.ts';
import { findEntries, type OnProgress } from './journal-entries.ts';

export type Receipt = {
  readonly receivedAtMs: number;
  readonly source: string;
  readonly secretName: string;
  readonly eventType: string | null;
  readonly eventId: string | null;
  readonly origin: Origin;
  /** The reconcile run that wrote a backfill. */
  readonly reconcileRun: string | undefined;
  /** Set if an operator redrove it from the dead letters. */
  readonly redrive: Redrive | undefined;
  /** OpenTelemetry's trace id, if the webhook came with one or the bridge began a trace. */
  readonly traceId: string | undefined;
};

export type Decision = {
  readonly outcome: Outcome;
  /** When the processor decided. */
  readonly atMs: number;
  readonly routesVersion: string;
  /** Output topics, the reason of a dead letter, or the type of an ignored event. */
  readonly label: string | undefined;
  /** Raw offset of the arrival that was forwarded. */
  readonly duplicateOf: number | undefined;
  /** Positions of the outputs or of the dead letter; fewer if retention has deleted some. */
  readonly positions: readonly RecordPosition[];
};

export type Arrival = {
  /** Position on raw. */
  readonly position: RecordPosition;
  /** Undefined if raw's retention has deleted it. */
  readonly receipt: Receipt | undefined;
  /** Undefined if no processor has read it yet. */
  readonly decision: Decision | undefined;
};

export type Trace = {
  readonly key: string;
  readonly arrivals: readonly Arrival[];
  readonly events: readonly (RecordPosition & { readonly event: PublicationSucceeded })[];
  /** The journal holds nothing from before this time. */
  readonly journalFromMs: number | undefined;
  /** Raw records of the partition that no processor has read yet. */
  readonly lag: number;
};

/**
 * Returns the traces of what an id names: a publication id directly; otherwise an event id or a
 * voucher code, which are only inside of the webhooks.
 * @param sinceMs raw is searched from this time
 * @throws AppError
 */
export async function findTraces(
  deployment: Deployment,
  id: string,
  sinceMs: number,
  onProgress: OnProgress,
): Promise<{ readonly found: readonly Trace[]; readonly direct: Trace }> {
  const direct = await buildTrace(deployment, id, onProgress);
  if (direct.arrivals.length > 0) return { found: [direct], direct };
  const found: Trace[] = [];
  for (const key of await findKeys(deployment, id, sinceMs, onProgress)) {
    found.push(await buildTrace(deployment, key, onProgress));
  }
  return { found, direct };
}

/** Returns a trace without arrivals if nothing was ever received under the key. @throws AppError */
export async function buildTrace(
  deployment: Deployment,
  key: string,
  onProgress: OnProgress,
): Promise<Trace> {
  const { reader, catalog, partitions } = deployment;
  const partition = partitionOf(key, partitions);
  const journal = await findEntries(deployment, partition, digestOf(key), onProgress);
  const raw = await reader.rangeOf(catalog.raw, partition, 'start', 'high-watermark');
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, deployment.registry);
  const positionOf = (offset: number) => ({ topic: catalog.raw, partition, offset });
  const receiptAt = async (offset: number) => {
    if (offset < raw.from || offset >= raw.to) return undefined;
    const record = await reader.recordAt(positionOf(offset));
    return record && receiptOf(record, decoder);
  };
  const arrivals: Arrival[] = [];
  const events: Trace['events'][number][] = [];
  const forwarded = journal.entries.find(({ outcome }) => outcome === 'FORWARDED')?.offset;
  const existing = await existingTopics(deployment, journal.entries);
  for (const entry of journal.entries) {
    const found = await findOutputs(deployment, key, partition, entry, existing);
    events.push(...found.events);
    const { offset, outcome, atMs, routesVersion, label } = entry;
    const duplicateOf = outcome === 'DUPLICATE' ? forwarded : undefined;
    const { positions } = found;
    arrivals.push({
      position: positionOf(offset),
      receipt: await receiptAt(offset),
      decision: { outcome, atMs, routesVersion, label, duplicateOf, positions },
    });
  }
  const position = Math.max(raw.from, journal.position ?? raw.from);
  for await (const record of reader.records({ ...raw, from: position })) {
    if (record.key?.toString() !== key) continue;
    const receipt = await receiptOf(record, decoder);
    arrivals.push({ position: positionOf(record.offset), receipt, decision: undefined });
  }
  const lag = Math.max(0, raw.to - position);
  return { key, arrivals, events, journalFromMs: journal.fromMs, lag };
}

async function receiptOf(
  record: ReadRecord,
  decoder: Decoder<RawWebhook>,
): Promise<Receipt | undefined> {
  const result = await decoder.decodeOne(record.value);
  if (result.kind === 'undecodable') return undefined;
  const { receivedAt, ...receipt } = result.value;
  const redrive = redriveOf((name) => record.header(name));
  const trace = readTraceHeaders((name) => record.header(name));
  const traceId = trace && traceIdOf(trace);
  const { source, secretName, eventType, eventId, origin } = receipt;
  const reconcileRun = record.header(reconcileRunHeader);
  return {
    receivedAtMs: receivedAt,
    source,
    secretName,
    eventType,
    eventId,
    origin,
    reconcileRun,
    redrive,
    traceId,
  };
}
