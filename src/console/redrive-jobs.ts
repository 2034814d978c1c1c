/**
 * Redrives as jobs: an operator starts one, it sends piece by piece, and can be cancelled. Jobs end
 * with the console; letters that were sent are not sent again by the next one.
 */

import { randomBytes } from 'node:crypto';
import { messageOf } from '../errors.ts';
import type { Letter, LetterSummary } from '../inspect/dead-letters.ts';
import { type RedriveRules, redrive, type Triage, triageOf } from '../inspect/redrive.ts';
import type { Writer } from '../kafka/writer.ts';
import { audit } from '../observability/audit.ts';
import type { Log } from '../observability/log.ts';

export type Job = {
  readonly id: string;
  /** Undefined: every reason. */
  readonly reason: string | undefined;
  readonly by: string;
  readonly startedAtMs: number;
  readonly total: number;
  readonly sent: number;
  readonly state: 'running' | 'done' | 'cancelled' | 'failed';
  /** Why it failed. */
  readonly problem: string | undefined;
};

type Running = { job: Job; readonly cancelling: AbortController; ended: Promise<void> };

export type OpenWriter = () => Promise<Writer>;

const maxAttempts = 5;
const maxJobs = 100;
/** Cancelling waits for the end of a piece. */
const pieceSize = 200;

/** Returns the letters by what a redrive would do with them. */
export function triaged<L extends LetterSummary>(
  letters: readonly L[],
): ReadonlyMap<Triage, readonly L[]> {
  return Map.groupBy(letters, (letter) => triageOf(letter, rulesOf('')));
}

const rulesOf = (by: string): RedriveRules => ({ by, isStaleAllowed: false, maxAttempts });

export class RedriveJobs {
  readonly #openWriter: OpenWriter;
  readonly #log: Log;
  readonly #jobs = new Map<string, Running>();

  constructor(openWriter: OpenWriter, log: Log) {
    this.#openWriter = openWriter;
    this.#log = log;
  }

  /** Returns the jobs of this process, the newest first. */
  all(): readonly Job[] {
    return [...this.#jobs.values()].map(({ job }) => job).reverse();
  }

  find(id: string): Job | undefined {
    return this.#jobs.get(id)?.job;
  }

  /** Starts a job that sends those letters which may be sent. Returns its id. */
  start(letters: readonly Letter[], reason: string | undefined, by: string): string {
    const chosen = triaged(letters).get('send') ?? [];
    const id = randomBytes(6).toString('hex');
    const about = { id, reason, by, startedAtMs: Date.now(), total: chosen.length };
    const job: Job = { ...about, sent: 0, state: 'running', problem: undefined };
    const running: Running = { job, cancelling: new AbortController(), ended: Promise.resolve() };
    const [oldest] = this.#jobs.keys();
    if (this.#jobs.size >= maxJobs && oldest) this.#jobs.delete(oldest);
    this.#jobs.set(id, running);
    running.ended = this.#run(running, chosen);
    return id;
  }

  /** Ends a job after its current piece. */
  cancel(id: string): void {
    this.#jobs.get(id)?.cancelling.abort();
  }

  /** Cancels all of them, and waits for the ends of their pieces. */
  async close(): Promise<void> {
    for (const { cancelling } of this.#jobs.values()) cancelling.abort();
    await Promise.all([...this.#jobs.values()].map(({ ended }) => ended));
  }

  async #run(running: Running, letters: readonly Letter[]): Promise<void> {
    const update = (change: Partial<Job>) => {
      running.job = { ...running.job, ...change };
    };
    try {
      await this.#send(running, letters, update);
      const isCancelled = running.job.sent < letters.length;
      update({ state: isCancelled ? 'cancelled' : 'done' });
    } catch (error) {
      update({ state: 'failed', problem: messageOf(error) });
      this.#log.error({ err: error, job: running.job.id }, 'a redrive failed');
    }
    const { by, sent, state: outcome } = running.job;
    audit(this.#log, 'dead-letters.redrive', { by, selected: letters.length, sent, outcome });
  }

  async #send(
    { job, cancelling }: Running,
    letters: readonly Letter[],
    update: (change: Partial<Job>) => void,
  ): Promise<void> {
    const writer = await this.#openWriter();
    try {
      for (let from = 0; from < letters.length; from += pieceSize) {
        if (cancelling.signal.aborted) return;
        const piece = letters.slice(from, from + pieceSize);
        await redrive(piece, writer, rulesOf(job.by), () => {});
        update({ sent: from + piece.length });
      }
    } finally {
      await writer.close();
    }
  }
}
