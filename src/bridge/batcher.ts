/**
 * Collects webhooks into produce requests, adaptively: with nothing in flight a webhook goes at once, else it waits for the request in flight
 * to be answered. So a quiet bridge adds no delay and a busy one fills its requests, without a timer to tune.
 */

import { AppError } from '../errors.ts';
import type { KeyedRecord, Stored } from '../kafka/writer.ts';

type Waiting = {
  readonly record: KeyedRecord;
  readonly bytes: number;
  readonly resolve: (stored: Stored) => void;
  readonly reject: (error: unknown) => void;
  readonly isAbandoned: () => boolean;
};

type Limits = { readonly maxRecords: number; readonly maxBytes: number };
type Write = (records: readonly KeyedRecord[]) => Promise<readonly Stored[]>;

export class Batcher {
  readonly #write: Write;
  readonly #limits: Limits;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;

  constructor(write: Write, limits: Limits) {
    this.#write = write;
    this.#limits = limits;
  }

  /**
   * Answers where the record was stored, once every in-sync replica has it.
   * @param isAbandoned true once nobody waits for the answer any more: a record that is still queued then is not written
   */
  add(record: KeyedRecord, isAbandoned: () => boolean): Promise<Stored> {
    return new Promise((resolve, reject) => {
      const bytes = record.value?.length ?? 0;
      this.#waiting.push({ record, bytes, resolve, reject, isAbandoned });
      this.#flushing ??= this.#flush();
    });
  }

  /** Settles when everything added so far has been answered. */
  async drain(): Promise<void> {
    while (this.#flushing) await this.#flushing;
  }

  async #flush(): Promise<void> {
    // Requests that arrived in the same turn of the event loop go together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#take();
      if (batch.length === 0) continue;
      try {
        const stored = await this.#write(batch.map(({ record }) => record));
        batch.forEach(({ resolve }, i) => {
          resolve(stored[i] as Stored);
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#flushing = undefined;
  }

  #take(): readonly Waiting[] {
    const { maxRecords, maxBytes } = this.#limits;
    let count = 0;
    for (let bytes = 0; count < Math.min(maxRecords, this.#waiting.length); count += 1) {
      bytes += this.#waiting[count]?.bytes ?? 0;
      if (count > 0 && bytes > maxBytes) break;
    }
    return this.#waiting.splice(0, count).filter(({ isAbandoned, reject }) => {
      if (!isAbandoned()) return true;
      reject(new AppError('BROKER_UNAVAILABLE', 'retriable', 'abandoned before it was written'));
      return false;
    });
  }
}
