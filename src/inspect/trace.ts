/**
 * Builds the trace of one raw key, for most events a publication id: when it was received, what was
 * decided each time, and what was written. The journal leads to everything else. The digest finds
 * the decisions, a decision's raw offset finds the webhook, and its time finds the output.
 */

import { Decoder } from '../avro/decoder.ts';
import type { Origin, Outcome, PublicationSucceeded, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { type Redrive, redriveOf } from '../dead-letters/redrive.ts';
import { partitionOf } from '../kafka/protocol/murmur2.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { RecordPosition } from '../kafka/record-position.ts';
import { readTraceHeaders, traceIdOf } from '../observability/tracing.ts';
import { reconcileRunHeader } from '../topics/backfill-headers.ts';
import type { Deployment } from '../topics/deployment.ts';
import { findKeys } from './find-keys.ts';
import { committedAtMs, existingTopics, findOutputs } from './find-outputs.ts';
import { byReading, type OnProgress, type TraceLookup } from './trace-lookup.ts';

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
  /**
   * When consumers could read the outputs or the dead letter, by the broker's clock; undefined if
   * nothing was written, or it is not kept.
   */
  readonly visibleAtMs: number | undefined;
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
 * Returns the traces of what an id names: a publication id directly; otherwise another id, which is
 * only inside of the webhooks (find-keys.ts).
 * @param sinceMs raw is searched from this time
 * @throws AppError
 */
export async function findTraces(
  deployment: Deployment,
  id: string,
  sinceMs: number,
  onProgress: OnProgress,
): Promise<{ readonly found: readonly Trace[]; readonly direct: Trace }> {
  const lookup = byReading(deployment, onProgress);
  const direct = await buildTrace(deployment, id, lookup);
  if (direct.arrivals.length > 0) return { found: [direct], direct };
  const found: Trace[] = [];
  for (const key of await findKeys(deployment, id, sinceMs, onProgress)) {
    found.push(await buildTrace(deployment, key, lookup));
  }
  return { found, direct };
}

/** Returns a trace without arrivals if nothing was ever received under the key. @throws AppError */
export async function buildTrace(
  deployment: Deployment,
  key: string,
  lookup: TraceLookup,
): Promise<Trace> {
  const { reader, catalog, partitions } = deployment;
  const partition = partitionOf(key, partitions);
  const decisions = await lookup.decisionsOf(key);
  const raw = await reader.rangeOf(catalog.raw, partition, 'start', 'high-watermark');
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, deployment.registry);
  const positionOf = (offset: number) => ({ topic: catalog.raw, partition, offset });
  const receiptAt = async (offset: number) => {
    if (offset < raw.from || offset >= raw.to) return undefined;
    const record = await reader.recordAt(positionOf(offset));
    return record && receiptOf(record, decoder);
  };
  const forwarded = decisions.entries.find(({ outcome }) => outcome === 'FORWARDED')?.offset;
  const existing = await existingTopics(deployment, decisions.entries);
  const decided = await Promise.all(
    decisions.entries.map(async (entry) => {
      const { offset, outcome, atMs, routesVersion, label } = entry;
      const [receipt, { positions, events }] = await Promise.all([
        receiptAt(offset),
        findOutputs(deployment, key, partition, entry, existing),
      ]);
      const duplicateOf = outcome === 'DUPLICATE' ? forwarded : undefined;
      const [written] = positions;
      const visibleAtMs = written && (await committedAtMs(deployment, written));
      const facts = { outcome, atMs, routesVersion, label, duplicateOf };
      const decision = { ...facts, visibleAtMs, positions };
      const arrival: Arrival = { position: positionOf(offset), receipt, decision };
      return { arrival, events };
    }),
  );
  const position = Math.max(raw.from, decisions.position ?? raw.from);
  const waiting = await Promise.all(
    (await lookup.waitingOf(key, position)).map(async (record): Promise<Arrival> => {
      const receipt = await receiptOf(record, decoder);
      return { position: positionOf(record.offset), receipt, decision: undefined };
    }),
  );
  return {
    key,
    arrivals: [...decided.map(({ arrival }) => arrival), ...waiting],
    events: decided.flatMap(({ events }) => events),
    journalFromMs: decisions.fromMs,
    lag: Math.max(0, raw.to - position),
  };
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
