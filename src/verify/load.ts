/** Posts signed webhooks with known ids to a bridge, as Voucherify would, and keeps the history of what was acknowledged. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Catalog } from '../topics/catalog.ts';
import { sampleWebhook } from '../voucherify/sample.ts';
import { signedHeaders } from '../voucherify/signature.ts';
import type { Fate, History, Sent } from './history.ts';

export type LoadOptions = {
  readonly url: string;
  /** The webhook secret. */
  readonly key: string;
  readonly topics: Catalog['publications'];
  /** Publication ids are `pub_<run>_<n>`: two runs on the same topics do not meet. */
  readonly run: string;
  /** At least so many webhooks … */
  readonly count: number;
  /** … and more until this says so. */
  readonly isEnough?: () => boolean;
  /** How many are under way at once. */
  readonly concurrency: number;
  /** Webhooks a second at most; undefined: as fast as the answers come. */
  readonly perSecond?: number | undefined;
  /** How many of a hundred repeat an earlier publication: any, so some are far apart. */
  readonly repeatPercent: number;
  readonly random: () => number;
};

export type Load = {
  /** Grows while the drive runs. */
  readonly history: History;
  /** How many webhooks were begun so far. */
  readonly begun: () => number;
  /** Settles when all are answered or given up. */
  readonly done: Promise<void>;
};

/** The bridge answers within 8 s; the vendor gives up after 10. */
const giveUpAfterMs = 10_000;

export function startLoad(load: LoadOptions): Load {
  const { count, isEnough = () => true, concurrency, perSecond, repeatPercent, random } = load;
  const history = new Map<string, Sent>();
  const startedAt = performance.now();
  let begun = 0;
  const nextNumber = () => {
    const isRepeat = history.size > 0 && random() * 100 < repeatPercent;
    return isRepeat ? Math.floor(random() * history.size) : history.size;
  };
  const send = async () => {
    while (begun < count || !isEnough()) {
      const dueAt = perSecond === undefined ? 0 : startedAt + (begun * 1_000) / perSecond;
      begun += 1;
      if (dueAt > performance.now()) await sleep(dueAt - performance.now());
      const number = nextNumber();
      const id = `pub_${load.run}_${number}`;
      const { body, expected } = webhook(id, number, load.topics);
      const sent = history.get(id) ?? { expected, acknowledged: [], spooled: 0, refused: 0 };
      history.set(id, sent);
      const position = await post(load, body);
      if (position === 'spooled') sent.spooled += 1;
      else if (position) sent.acknowledged.push(position);
      else sent.refused += 1;
    }
  };
  const done = Promise.all(Array.from({ length: concurrency }, send)).then(() => undefined);
  return { history, begun: () => begun, done };
}

const campaignTypes = [
  ['DISCOUNT_COUPONS', 'discount-coupons'],
  ['GIFT_VOUCHERS', 'gift-vouchers'],
  ['LOYALTY_PROGRAM', 'loyalty-program'],
  ['REFERRAL_PROGRAM', 'referral-program'],
  [null, 'no-campaign'],
  ['LUCKY_DRAW', 'other'],
] as const;

/** The same number is the same webhook. Of a hundred, one can not be understood and one is no publication. */
function webhook(
  publicationId: string,
  number: number,
  topics: LoadOptions['topics'],
): { readonly body: Buffer; readonly expected: Fate } {
  const [campaignType, topic] = campaignTypes[number % campaignTypes.length] ?? campaignTypes[0];
  const whole = sampleWebhook({ publicationId, campaignType });
  const bodyOf = (value: object) => Buffer.from(JSON.stringify(value));
  switch (number % 100) {
    case 98: {
      const withoutVouchers = { ...whole, data: { ...(whole['data'] as object), vouchers: [] } };
      const expected: Fate = { kind: 'dead-lettered', reason: 'invalid-publication' };
      return { body: bodyOf(withoutVouchers), expected };
    }
    case 99:
      return {
        body: bodyOf({ ...whole, type: 'voucher.published' }),
        expected: { kind: 'ignored' },
      };
    default:
      return { body: bodyOf(whole), expected: { kind: 'forwarded', topic: topics[topic] } };
  }
}

type AcceptedResponse = {
  readonly status: unknown;
  readonly partition: number;
  readonly offset: number;
};

/** Where the bridge stored it; undefined where it did not say that it keeps it. */
async function post({ url, key }: LoadOptions, body: Buffer) {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: signedHeaders(body, key),
      body,
      signal: AbortSignal.timeout(giveUpAfterMs),
    });
    const { status, partition, offset } = (await answer.json()) as AcceptedResponse;
    if (answer.status !== 202) return undefined;
    return status === 'spooled' ? status : { partition, offset };
  } catch {
    return undefined;
  }
}
