/** Posts webhooks with known ids to a bridge, and keeps the history of what was acknowledged. */

import type { Catalog } from '../topics/catalog.ts';
import { sampleWebhook } from '../voucherify/sample.ts';
import type { Expected, History, Sent } from './history.ts';
import { type Posting, postAtRate, postWebhook, type RateOptions } from './post-webhooks.ts';

export type LoadOptions = Omit<RateOptions, 'post'> & {
  readonly url: string;
  /** The webhook secret. */
  readonly key: string;
  readonly topics: Catalog['publications'];
  /** Publication ids are `pub_<run>_<n>`, so that two runs on the same topics do not collide. */
  readonly run: string;
  /**
   * Per cent of webhooks that repeat an earlier publication: any of them, so some are far apart.
   */
  readonly repeatPercent: number;
  /** Per cent of publications whose webhooks are not sent; default 0. */
  readonly withheldPercent?: number;
  readonly random: () => number;
};

export type Load = Posting & {
  /** The bodies of the webhooks that were not sent. Grows while the load runs. */
  readonly withheld: readonly Buffer[];
  /** Grows while the load runs. */
  readonly history: History;
};

export function startLoad(options: LoadOptions): Load {
  const { url, key, topics, run, repeatPercent, withheldPercent = 0, random } = options;
  const history = new Map<string, Sent>();
  const withheld: Buffer[] = [];
  const nextNumber = () => {
    const isRepeat = history.size > 0 && random() * 100 < repeatPercent;
    return isRepeat ? Math.floor(random() * history.size) : history.size;
  };
  const post = async () => {
    const number = nextNumber();
    const id = `pub_${run}_${number}`;
    const { body, expected } = webhook(id, number, topics);
    const isWithheld = expected.kind === 'forwarded' && number % 100 < withheldPercent;
    const known = history.get(id);
    const sent = known ?? { expected, isWithheld, acknowledged: [], spooled: 0, refused: 0 };
    history.set(id, sent);
    if (isWithheld) {
      if (known === undefined) withheld.push(body);
      return;
    }
    const result = await postWebhook(url, body, key);
    if (result.kind === 'no-response' || result.status !== 202) sent.refused += 1;
    else {
      const { status, partition, offset } = result.body as Accepted;
      if (status === 'spooled') sent.spooled += 1;
      else sent.acknowledged.push({ partition, offset });
    }
  };
  return { history, withheld, ...postAtRate({ ...options, post }) };
}

type Accepted = { readonly status: string; readonly partition: number; readonly offset: number };

const campaignTypes = [
  ['DISCOUNT_COUPONS', 'discount-coupons'],
  ['GIFT_VOUCHERS', 'gift-vouchers'],
  ['LOYALTY_PROGRAM', 'loyalty-program'],
  ['REFERRAL_PROGRAM', 'referral-program'],
  [null, 'no-campaign'],
  ['LUCKY_DRAW', 'other'],
] as const;

/**
 * Returns the webhook of a number, always the same. Of a hundred, one cannot be read and one is
 * another event.
 */
function webhook(
  publicationId: string,
  number: number,
  topics: LoadOptions['topics'],
): { readonly body: Buffer; readonly expected: Expected } {
  const [campaignType, topic] = campaignTypes[number % campaignTypes.length] ?? campaignTypes[0];
  const whole = sampleWebhook({ publicationId, campaignType });
  const bodyOf = (value: object) => Buffer.from(JSON.stringify(value));
  switch (number % 100) {
    case 98: {
      const withoutVouchers = { ...whole, data: { ...(whole['data'] as object), vouchers: [] } };
      const expected: Expected = { kind: 'dead-lettered', reason: 'invalid-publication' };
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
