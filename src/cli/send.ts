/**
 * `voucherbus send`: signs test webhooks and posts them at a rate, to try a bridge or to load it.
 */

import { parseArgs } from 'node:util';
import { configOf } from '../app/environment.ts';
import type { Io } from '../app/io.ts';
import { signingKey } from '../config/sources.ts';
import { postAtRate, postWebhook } from '../verify/post-webhooks.ts';
import { randomPublicationId, sampleWebhook } from '../voucherify/sample.ts';
import type { Command } from './command.ts';
import { parseNumber, parseOrUsage } from './options.ts';

const usage = `voucherbus send [--url URL] [--count N] [--rate N] [--repeats PERCENT] [--type CAMPAIGN_TYPE | --no-campaign]
  --url         default http://127.0.0.1:8080/webhooks/<WEBHOOK_SOURCE>
  --count       webhooks to send, default 1
  --rate        webhooks per second, default 10
  --repeats     per cent that repeat an earlier publication, default 0
  --type        campaign type; default: the four known types in turns
  --no-campaign vouchers without a campaign
The first of the source's WEBHOOK_SECRETS signs.`;

const options = {
  url: { type: 'string' },
  count: { type: 'string', default: '1' },
  rate: { type: 'string', default: '10' },
  repeats: { type: 'string', default: '0' },
  type: { type: 'string' },
  'no-campaign': { type: 'boolean', default: false },
} as const;

const campaignTypes = ['DISCOUNT_COUPONS', 'GIFT_VOUCHERS', 'LOYALTY_PROGRAM', 'REFERRAL_PROGRAM'];

export const command: Command = {
  summary: 'signs test webhooks and posts them at a given rate',
  usage,
  run: async (args, io) => {
    const config = configOf(['webhook'], io);
    const parsed = parse(args, io);
    if (!parsed) return 2;
    const url = parsed.url ?? `http://127.0.0.1:8080/webhooks/${config.webhook.source}`;
    const startedAt = performance.now();
    const { publications, results } = await sendAll(url, signingKey(url, config.webhook), parsed);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    io.out(
      `sent ${parsed.count} webhooks (${publications} publications) to ${url} in ${seconds} s`,
    );
    for (const [result, times] of results) io.out(`  ${result}: ${times}`);
    return [...results.keys()].every((result) => result.startsWith('2')) ? 0 : 1;
  },
};

type SendOptions = {
  readonly count: number;
  readonly perSecond: number;
  readonly repeatPercent: number;
  /** null: no campaign. undefined: the known types in turns. */
  readonly campaignType: string | null | undefined;
};

async function sendAll(url: string, key: string, options: SendOptions) {
  const { count, perSecond, repeatPercent, campaignType } = options;
  const sent: string[] = [];
  const results = new Map<string, number>();
  const nextId = () => {
    const isRepeat = sent.length > 0 && Math.random() * 100 < repeatPercent;
    if (isRepeat) return sent[Math.floor(Math.random() * sent.length)] as string;
    const id = randomPublicationId();
    sent.push(id);
    return id;
  };
  const post = async (index: number) => {
    const type = campaignType === undefined ? (campaignTypes[index % 4] as string) : campaignType;
    const webhook = sampleWebhook({ publicationId: nextId(), campaignType: type });
    const result = await postWebhook(url, Buffer.from(JSON.stringify(webhook)), key);
    const shown =
      result.kind === 'responded' ? String(result.status) : `no response (${result.reason})`;
    results.set(shown, (results.get(shown) ?? 0) + 1);
  };
  // Each webhook is sent at its time, whether or not earlier ones have a response.
  await postAtRate({ count, perSecond, concurrency: Number.POSITIVE_INFINITY, post }).done;
  return { publications: sent.length, results };
}

function parse(args: readonly string[], io: Io) {
  return parseOrUsage(io, usage, () => {
    const { values } = parseArgs({ args: [...args], options });
    return {
      url: values.url,
      count: parseNumber('count', values.count, 1),
      perSecond: parseNumber('rate', values.rate, 1),
      repeatPercent: parseNumber('repeats', values.repeats, 0),
      campaignType: values['no-campaign'] ? null : values.type,
    };
  });
}
