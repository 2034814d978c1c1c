/** Where verified webhooks go: to Kafka while it answers within its budget, else to the spool, from which they follow in order. */

import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../errors.ts';
import { isNotStored, type NotStored, type Stored } from '../kafka/writer.ts';
import type { ReceivedWebhook } from './raw-record.ts';
import { type Again, type Spool, type SpoolState, webhooksPerSend } from './spool/spool.ts';

/** Writes the webhooks to Kafka and returns the result of each, in order. @throws AppError */
export type Write = (
  webhooks: readonly ReceivedWebhook[],
  timeoutMs: number,
) => Promise<readonly (Stored | NotStored)[]>;

export type Kept = Stored | 'spooled';

export type WebhookStore = {
  /** Called one after the other. Settles when each is on Kafka, on the disk, or neither. @throws AppError, where none is kept */
  readonly keep: (webhooks: readonly ReceivedWebhook[]) => Promise<readonly (Kept | NotStored)[]>;
  /** Undefined without a spool. */
  readonly spoolState: () => SpoolState | undefined;
  readonly close: () => Promise<void>;
};

export function keepOnKafka(write: Write, timeoutMs: number): WebhookStore {
  return {
    keep: (webhooks) => write(webhooks, timeoutMs),
    spoolState: () => undefined,
    close: async () => {},
  };
}

export type SpoolingOptions = {
  /** How long Kafka may take before the spool does. */
  readonly budgetMs: number;
  /** What Kafka or the spool could not do, and what is done instead. */
  readonly onTrouble: (error: unknown, consequence: string) => void;
};

/** Between two attempts to reach Kafka while webhooks wait in the spool. */
const tryAgainMs = 500;

/** What is in the spool when it closes stays there for the next bridge. */
export function keepWithSpool(
  write: Write,
  spool: Spool,
  { budgetMs, onTrouble }: SpoolingOptions,
): WebhookStore {
  const stop = new AbortController();
  let draining: Promise<void> | undefined;
  /** Keeps the webhooks that Kafka did not store, so that none of them blocks those behind it. */
  const keepRest = async (
    webhooks: readonly ReceivedWebhook[],
    results: readonly (Stored | NotStored)[],
    later: Again,
  ) => {
    const of = (kind: NotStored['kind']) =>
      webhooks.filter((_, i) => {
        const result = results[i];
        return result !== undefined && isNotStored(result) && result.kind === kind;
      });
    const [refused, unavailable] = [of('refused'), of('unavailable')];
    if (refused.length > 0) {
      const path = await spool.setAside(refused);
      const reason = results.find(isNotStored)?.reason;
      const text = `Kafka refuses ${refused.length} webhooks for good (${reason}): they are kept in ${path}. When the cause is gone, give it the ending .segment and start the bridge again`;
      onTrouble(new AppError('KAFKA_REFUSED', 'stop', text), 'webhooks are set aside');
    }
    if (unavailable.length > 0) await later(unavailable);
  };
  const send = async (webhooks: readonly ReceivedWebhook[], again: Again) => {
    for (let i = 0; i < webhooks.length; i += webhooksPerSend) {
      const some = webhooks.slice(i, i + webhooksPerSend);
      const results = await inTime(write(some, budgetMs), budgetMs);
      await keepRest(some, results, again);
      // Only partitions without a leader are left: they will not have one sooner for being asked at once.
      if (results.every(isNotStored)) {
        await sleep(tryAgainMs, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    }
  };
  const drainAll = async () => {
    while (!spool.isEmpty && !stop.signal.aborted) {
      try {
        await spool.drainOldest(send);
      } catch (error) {
        onTrouble(error, 'the spool is tried again');
        await sleep(tryAgainMs, undefined, { signal: stop.signal }).catch(() => undefined);
      }
    }
  };
  const drain = () => {
    if (spool.isEmpty || stop.signal.aborted) return;
    draining ??= drainAll().finally(() => {
      draining = undefined;
      drain(); // what came in between
    });
  };
  drain();
  return {
    keep: async (webhooks) => {
      let refusal: unknown;
      try {
        // Where some wait already, these go behind them: they are to arrive in order, and Kafka is away anyway.
        if (await spool.appendBehindOthers(webhooks)) return webhooks.map(() => 'spooled');
      } catch (error) {
        refusal = error;
        onTrouble(error, 'Kafka is asked, although others wait in the spool');
      }
      try {
        const results = await inTime(write(webhooks, budgetMs), budgetMs);
        if (!results.some(isNotStored)) return results;
        await keepRest(webhooks, results, (rest) => spool.append(rest));
        drain();
        return results.map((one): Kept => (isNotStored(one) ? 'spooled' : one));
      } catch (error) {
        if (refusal !== undefined) throw refusal;
        onTrouble(error, 'webhooks are kept in the spool');
      }
      await spool.append(webhooks);
      drain();
      return webhooks.map(() => 'spooled');
    },
    spoolState: () => spool.state,
    close: async () => {
      stop.abort();
      await draining;
      await spool.close();
    },
  };
}

/** Kafka's client may go on trying behind our back: then the webhook is on raw twice, and the processor drops the repeat. */
async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  work.catch(() => undefined);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const text = `Kafka did not answer within ${ms} ms (SPOOL_AFTER)`;
    late.reject(new AppError('BROKER_UNAVAILABLE', 'retry', text));
  }, ms);
  return await Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}
