/**
 * What a processor knows of one partition: where it stands, how far time has come, and which ids it has forwarded. It changes only by applying
 * a batch of the journal: after a commit with the batch just written, in a restore with those read. So replaying the journal is the state.
 */

import type { DeploymentIdentity, JournalRecord, Outcome } from '../avro/records.ts';
import { noIdentity } from './deployment-identity.ts';
import { Window } from './window.ts';

/** A dead letter does not count as seen: mended and sent again, it passes. */
const remembered: ReadonlySet<Outcome> = new Set(['FORWARDED', 'REDRIVEN']);

export class PartitionState {
  readonly #window: Window;
  #position: number;
  #streamTimeMs = 0;
  #lastTimestamp = -1;
  #identity: Buffer = noIdentity;
  #deployment: DeploymentIdentity | undefined;
  #deploymentAtMs = Number.NEGATIVE_INFINITY;

  /** @param coveredFromMs ids forwarded before this may be missing from the journal that this starts from; undefined: none is */
  constructor(position: number, windowMs: number, coveredFromMs: number | undefined) {
    this.#position = position;
    this.#window = new Window(windowMs, coveredFromMs);
  }

  /** Raw offset from which the next batch starts. */
  get position(): number {
    return this.#position;
  }

  /** Latest arrival time of any applied batch, in milliseconds since 1970. */
  get streamTimeMs(): number {
    return this.#streamTimeMs;
  }

  /** Kafka's timestamp of the raw record before the position; -1 where it is not known. */
  get lastTimestamp(): number {
    return this.#lastTimestamp;
  }

  /** The identity in the last batch. */
  get identity(): Buffer {
    return this.#identity;
  }

  /** The deployment to which the position belongs; undefined where the journal does not say. */
  get deployment(): DeploymentIdentity | undefined {
    return this.#deployment;
  }

  /** When the journal said so last, in milliseconds since 1970. */
  get deploymentAtMs(): number {
    return this.#deploymentAtMs;
  }

  get size(): number {
    return this.#window.size;
  }

  /** Memory of the ids. */
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
