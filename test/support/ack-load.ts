/**
 * Posts webhooks without end and remembers each body that a bridge has acknowledged: all of these
 * must be on raw in the end.
 */

import { Decoder } from '../../src/avro/decoder.ts';
import type { RawWebhook } from '../../src/avro/records.ts';
import { schemas } from '../../src/avro/schemas.ts';
import { postAtRate } from '../../src/verify/post-webhooks.ts';
import { aBody } from './builders.ts';
import { decodedValue } from './decoded-value.ts';
import { type Deployment, until } from './deployment.ts';
import { post } from './webhooks.ts';

export type Load = {
  /** The bodies answered 2xx. */
  readonly acknowledged: ReadonlySet<string>;
  /** How many of each status; 0 counts those without a response. */
  readonly statuses: ReadonlyMap<number, number>;
  /** The longest time that any answer took. */
  readonly slowestMs: () => number;
  /** Settles when the last one is answered. */
  readonly stop: () => Promise<void>;
};

/** @param urls of bridges; each in turn */
export function startLoad(
  urls: readonly string[],
  concurrency: number,
  bodyOf = (number: number) => aBody({ publicationId: `pub_${number}` }).toString(),
): Load {
  const acknowledged = new Set<string>();
  const statuses = new Map<number, number>();
  let slowestMs = 0;
  let isStopped = false;
  const sendOne = async (index: number) => {
    const url = urls[index % urls.length] as string;
    const body = bodyOf(index);
    const startedAt = performance.now();
    const status = await post(url, body).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status !== 0) slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    if (status >= 200 && status < 300) acknowledged.add(body);
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    // A dead bridge refuses at once: that is no reason to spin.
    if (status !== 202) await new Promise((resolve) => setTimeout(resolve, 50));
  };
  const isEnough = () => isStopped;
  const posting = postAtRate({ count: 0, isEnough, concurrency, post: sendOne });
  return {
    acknowledged,
    statuses,
    slowestMs: () => slowestMs,
    stop: async () => {
      isStopped = true;
      await posting.done;
    },
  };
}

/**
 * Waits until every acknowledged body stands on raw, byte for byte.
 * @throws Error, after a minute, with how many do not
 */
export async function allOnRaw(
  { acknowledged }: Load,
  { readAll, catalog, registry }: Deployment,
): Promise<void> {
  let missing = 0;
  await until(
    async () => {
      const records = await readAll(catalog.raw);
      const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, registry);
      await decoder.prepare(records.map(({ value }) => value));
      const stored = new Set(
        records.map(({ value }) => decodedValue(decoder.decode(value)).body.toString()),
      );
      missing = [...acknowledged].filter((body) => !stored.has(body)).length;
      return missing === 0;
    },
    () => `${missing} of ${acknowledged.size} acknowledged bodies are not on raw`,
  );
}
