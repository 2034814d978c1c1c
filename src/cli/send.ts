/** `voucherbus send`: signs test webhooks and posts them at a rate, for trying a bridge out and for loading it. */

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { configOf } from '../app/environment.ts';
import type { Io } from '../app/io.ts';
import { signingKey } from '../config/sources.ts';
import { randomPublicationId, sampleWebhook } from '../voucherify/sample.ts';
import { signedHeaders } from '../voucherify/signature.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';

const usage = `voucherbus send [--url URL] [--count N] [--rate N] [--repeats PERCENT] [--type CAMPAIGN_TYPE | --no-campaign]
  --url         default http://127.0.0.1:8080/webhooks/<WEBHOOK_SOURCE>
  --count       how many to send, default 1
  --rate        a second, default 10
  --repeats     how many of a hundred repeat an earlier publication, default 0
  --type        campaign type; without it the four known types take turns
  --no-campaign vouchers that belong to no campaign
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
    const { publications, answers } = await sendAll(url, signingKey(url, config.webhook), parsed);
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    io.out(
      `sent ${parsed.count} webhooks (${publications} publications) to ${url} in ${seconds} s`,
    );
    for (const [answer, times] of answers) io.out(`  ${answer}: ${times}`);
    return [...answers.keys()].every((answer) => answer.startsWith('2')) ? 0 : 1;
  },
};

type Load = {
  readonly count: number;
  readonly rate: number;
  readonly repeatPercent: number;
  /** null: no campaign. undefined: the known types take turns. */
  readonly campaignType: string | null | undefined;
};

/** Each webhook at its time, whether the ones before were answered or not. */
async function sendAll(
  url: string,
  key: string,
  { count, rate, repeatPercent, campaignType }: Load,
) {
  const sent: string[] = [];
  const answers = new Map<string, number>();
  const posts: Promise<void>[] = [];
  const startedAt = performance.now();
  for (let i = 0; i < count; i += 1) {
    const isRepeat = sent.length > 0 && Math.random() * 100 < repeatPercent;
    const publicationId = isRepeat
      ? (sent[Math.floor(Math.random() * sent.length)] as string)
      : randomPublicationId();
    if (!isRepeat) sent.push(publicationId);
    const type = campaignType === undefined ? (campaignTypes[i % 4] as string) : campaignType;
    const body = JSON.stringify(sampleWebhook({ publicationId, campaignType: type }));
    posts.push(
      post(url, body, key).then((answer) => {
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }),
    );
    await sleep(Math.max(0, startedAt + ((i + 1) * 1_000) / rate - performance.now()));
  }
  await Promise.all(posts);
  return { publications: sent.length, answers };
}

function parse(args: readonly string[], io: Io) {
  return parseOrUsage(io, usage, () => {
    const { values } = parseArgs({ args: [...args], options });
    const [count, rate, repeatPercent] = [values.count, values.rate, values.repeats].map(Number);
    if (
      !(count && count > 0 && rate && rate > 0 && repeatPercent !== undefined && repeatPercent >= 0)
    ) {
      throw new Error(
        '--count, --rate and --repeats must be numbers above zero (--repeats may be zero)',
      );
    }
    const campaignType = values['no-campaign'] ? null : values.type;
    return { url: values.url, count, rate, repeatPercent, campaignType };
  });
}

/** The status, or why there was none. */
async function post(url: string, body: string, key: string): Promise<string> {
  try {
    const headers = signedHeaders(Buffer.from(body), key);
    const answer = await fetch(url, { method: 'POST', headers, body });
    await answer.arrayBuffer();
    return String(answer.status);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return `no answer (${cause instanceof Error ? cause.message : cause})`;
  }
}
