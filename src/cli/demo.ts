/** `voucherbus demo`: the whole flow on a given broker and registry, shown. `make demo` gets the broker first. */

import { randomBytes } from 'node:crypto';
import { isEnvironmentSet } from '../app/environment.ts';
import { type EphemeralDeployment, openEphemeralDeployment } from '../app/ephemeral-deployment.ts';
import { createFollow, type Fate, type Follow } from '../app/follow.ts';
import type { Io } from '../app/io.ts';
import { sign, signatureHeader, signedHeaders } from '../voucherify/signature.ts';
import { readWebhook } from '../voucherify/webhook.ts';
import type { Command } from './command.ts';
import { type Case, demoCases } from './demo-webhooks.ts';

const secret = 'demo-secret';

export const command: Command = {
  summary: 'shows the whole flow: one bridge, two processors, eleven webhooks',
  usage: 'voucherbus demo   (KEEP=1 keeps everything up until Ctrl-C)',
  run: async (_, io) => {
    const prefix = `demo-${randomBytes(3).toString('hex')}`;
    await using ephemeral = await openEphemeralDeployment({ prefix, secret, processors: 2 }, io);
    const follow = createFollow(ephemeral.reader, ephemeral.registry, ephemeral.catalog);
    const shown = await playCases(ephemeral.bridge.url, follow, io);
    io.out('');
    for (const line of tableOf(shown)) io.out(line);
    const gift = shown.find(({ fate }) => fate?.event?.campaign?.type === 'GIFT_VOUCHERS');
    io.out(`\nThe output event of "${gift?.name}", decoded from Avro:\n`);
    io.out(JSON.stringify(gift?.fate?.event, null, 2));
    if (isEnvironmentSet('KEEP')) await keepUp(ephemeral, prefix, io);
    else io.err('\nstopping the bridge and the processors');
    return shown.every(({ isRight }) => isRight) ? 0 : 1;
  },
};

type Shown = {
  readonly name: string;
  readonly status: number;
  readonly raw: string;
  readonly fate: Fate | undefined;
  readonly decision: string;
  readonly isRight: boolean;
};

async function playCases(url: string, follow: Follow, io: Io): Promise<readonly Shown[]> {
  const shown: Shown[] = [];
  const cases = demoCases();
  for (const [i, one] of cases.entries()) {
    io.err(`· webhook ${i + 1} of ${cases.length}: ${one.name}`);
    shown.push(await play(one, url, follow));
  }
  return shown;
}

async function play(
  { name, body: text, expected }: Case,
  url: string,
  follow: Follow,
): Promise<Shown> {
  const body = Buffer.from(text);
  const headers = signedHeaders(body, expected === 'refused' ? 'not the secret' : secret);
  const answer = await fetch(url, { method: 'POST', headers, body });
  const position = (await answer.json()) as { partition: number; offset: number };
  const { status } = answer;
  if (status !== 202) {
    const isRight = status === 401 && expected === 'refused';
    return { name, status, raw: '', fate: undefined, decision: 'refused', isRight };
  }
  const fate = await follow(position, readWebhook(body).envelope.publicationId);
  const label = fate.label.split('.publications.').at(-1);
  const decision = `${fate.outcome.toLowerCase().replace('_', '-')} ${label}`.trim();
  const needsOutput = fate.outcome === 'FORWARDED' || fate.outcome === 'DEAD_LETTERED';
  const isRight = decision === expected && needsOutput === (fate.output !== undefined);
  return {
    name,
    status,
    raw: `${position.partition} / ${position.offset}`,
    fate,
    decision,
    isRight,
  };
}

function tableOf(shown: readonly Shown[]): readonly string[] {
  const rows = shown.map(({ name, status, raw, fate, decision, isRight }, i) => [
    String(i + 1),
    name,
    String(status),
    raw,
    isRight ? decision : `UNEXPECTED: ${decision}`,
    fate?.output ? `${fate.output.topic} ${fate.output.partition} / ${fate.output.offset}` : '',
  ]);
  const head = ['#', 'webhook', 'HTTP', 'raw p / offset', 'decision', 'output topic, p / offset'];
  const widths = head.map((title, c) =>
    Math.max(title.length, ...rows.map((row) => (row[c] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, c) => cell.padEnd(widths[c] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '─'.repeat(width))), ...rows.map(line)];
}

/** Until Ctrl-C. */
async function keepUp(
  { bridge, processors, config }: EphemeralDeployment,
  prefix: string,
  io: Io,
): Promise<void> {
  const body = '{"type":"publication.succeeded","data":{"publication":{"id":"pub_mine"}}}';
  const signature = sign(Buffer.from(body), secret);
  io.out(`
Kept up until Ctrl-C:
  bridge      ${bridge.url}   admin ${bridge.adminUrl}/metrics
  processors  ${processors.map(({ adminUrl }) => `${adminUrl}/metrics`).join('   ')}
  Kafka       ${config.kafka.brokers.join(',')}   topics ${prefix}.*
  registry    ${config.registry.url}

Try one that is signed but has no vouchers (it ends on ${prefix}.webhooks.dlq):
  curl -i ${bridge.url} -H 'content-type: application/json' -H '${signatureHeader}: ${signature}' -d '${body}'
or a hundred good ones:
  WEBHOOK_SECRETS=stage:${secret} node src/main.ts send --url ${bridge.url} --count 100 --rate 50`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}
