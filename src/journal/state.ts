/**
 * The state of one partition: its position, its stream time, and the ids it has forwarded. It
 * changes only by applying a journal record: after a commit the one just written, in a restore
 * those that are read. So a replay of the journal gives the state.
 */

import type { DeploymentIdentity, JournalRecord, Outcome } from '../avro/records.ts';
import { noIdentity } from './deployment-identity.ts';
import { Window } from './window.ts';

/** The outcomes that count as seen. A dead letter does not: corrected and sent again, it passes. */
const remembered: ReadonlySet<Outcome> = new Set(['FORWARDED', 'REDRIVEN']);

export class PartitionState {
  readonly #window: Window;
  #position: number;
  #streamTimeMs = 0;
  #lastTimestamp = -1;
  #identity: Buffer = noIdentity;
  #deployment: DeploymentIdentity | undefined;
  #deploymentAtMs = Number.NEGATIVE_INFINITY;

  /**
   * @param coveredFromMs ids forwarded before this time may be missing; undefined if none is
   * missing
   */
  constructor(position: number, windowMs: number, coveredFromMs: number | undefined) {
    this.#position = position;
    this.#window = new Window(windowMs, coveredFromMs);
  }

  /** Raw offset from which the next batch starts. */
  get position(): number {
    return this.#position;
  }

  /** Latest arrival time of any applied record, in milliseconds since 1970. */
  get streamTimeMs(): number {
    return this.#streamTimeMs;
  }

  /** Kafka's timestamp of the raw record before the position; -1 if not known. */
  get lastTimestamp(): number {
    return this.#lastTimestamp;
  }

  /** The identity in the last journal record. */
  get identity(): Buffer {
    return this.#identity;
  }

  /** The deployment to which the position belongs; undefined if the journal does not say. */
  get deployment(): DeploymentIdentity | undefined {
    return this.#deployment;
  }

  /** When the journal last recorded it, in milliseconds since 1970. */
  get deploymentAtMs(): number {
    return this.#deploymentAtMs;
  }

  get size(): number {
    return this.#window.size;
  }

  /** Bytes that the ids take. */
  get bytes(): number {
    return this.#window.bytes;
  }

  hasSeen(digest: Buffer): boolean {
    return this.#window.has(digest);
  }

  isOlderThanWindow(createdAtMs: number, streamTimeMs: number): boolean {
    return this.#window.isOlder(createdAtMs, streamTimeMs);
  }

  apply(batch: JournalRecord): void {
    this.#streamTimeMs = Math.max(this.#streamTimeMs, batch.receivedUntil);
    const seen = batch.entries.filter(({ outcome }) => remembered.has(outcome));
    this.#window.add(
      seen.map(({ digest }) => digest),
      this.#streamTimeMs,
    );
    this.#window.forget(this.#streamTimeMs);
    this.#position = batch.to;
    this.#lastTimestamp = batch.lastTimestamp;
    this.#identity = batch.identity;
    if (batch.deployment) {
      this.#deployment = batch.deployment;
      this.#deploymentAtMs = batch.processedAt;
    }
  }
}
