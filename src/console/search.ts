/** Finds events for the pages: an index of all webhooks, kept while the console runs. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { LetterSummary } from '../inspect/dead-letters.ts';
import { type Coverage, EventIndex, type FoundWebhook } from '../inspect/event-index.ts';
import { buildTrace, type Trace } from '../inspect/trace.ts';
import { byReading } from '../inspect/trace-lookup.ts';
import { LogReader } from '../kafka/log-reader.ts';
import type { Reads } from './reads.ts';

export type Found = { readonly webhooks: readonly FoundWebhook[]; readonly coverage: Coverage };

type ShownLetter = { readonly letter: LetterSummary; readonly body: string };

/** Many webhooks may name an id, such as a customer's. */
export const foundAtMost = 50;
const beginAgainAfterMs = 5_000;

const notBegun: Coverage = { read: 0, total: 0, isBuilt: false, fromMs: undefined };

export class Search {
  readonly #reads: Reads;
  readonly #maxIndexBytes: number;
  readonly #stopping = new AbortController();
  #index: EventIndex | undefined;

  constructor(reads: Reads, maxIndexBytes: number) {
    this.#reads = reads;
    this.#maxIndexBytes = maxIndexBytes;
  }

  /** Keeps the index until `stop`. */
  async run(onFailure: (error: unknown) => void): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await this.#follow(onFailure).catch(onFailure);
      await sleep(beginAgainAfterMs, undefined, { signal }).catch(() => undefined);
    }
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Returns the newest webhooks that name an id, and what was searched. @throws AppError */
  async find(id: string): Promise<Found> {
    const webhooks = (await this.#index?.find(id, foundAtMost)) ?? [];
    return { webhooks, coverage: this.#index?.coverage() ?? notBegun };
  }

  /**
   * Returns the dead letters, of one reason or of all. Until the index has read them, the topic is
   * read.
   * @throws AppError
   */
  async letters(reason: string | undefined): Promise<readonly LetterSummary[]> {
    const all = (await this.#index?.letters()) ?? (await this.#reads.letters(undefined));
    return reason === undefined ? all : all.filter((letter) => letter.reason === reason);
  }

  /** Returns one letter and its masked body; undefined if there is none. @throws AppError */
  async letter(partition: number, offset: number): Promise<ShownLetter | undefined> {
    const letter = await this.#index?.letterAt({ partition, offset });
    // Not among the newest, or not read yet.
    if (letter === undefined) return this.#reads.letter(partition, offset);
    return { letter, body: await this.#reads.body(letter.record) };
  }

  /** @throws AppError */
  trace(key: string): Promise<Trace> {
    const index = this.#index?.isComplete ? this.#index : undefined;
    return this.#reads.with((one) => buildTrace(one, key, index ?? byReading(one)));
  }

  #follow(onFailure: (error: unknown) => void): Promise<void> {
    return this.#reads.with(async (deployment) => {
      const follower = new LogReader(deployment.client);
      this.#index = new EventIndex(deployment, follower, this.#maxIndexBytes);
      await this.#index.follow(this.#stopping.signal, onFailure).finally(() => follower.close());
    });
  }
}
