/**
 * `voucherbus demo`: shows the whole flow on a given broker and registry. `make demo` starts the
 * broker first.
 */

import { randomBytes } from 'node:crypto';
import { isEnvironmentSet } from '../app/environment.ts';
import { type EphemeralDeployment, openEphemeralDeployment } from '../app/ephemeral-deployment.ts';
import type { Io } from '../app/io.ts';
import type { PublicationSucceeded } from '../avro/records.ts';
import { poll } from '../concurrency/retry.ts';
import { buildTrace, type Decision } from '../inspect/trace.ts';
import { byReading } from '../inspect/trace-lookup.ts';
import type { RecordPosition } from '../kafka/record-position.ts';
import { postWebhook } from '../verify/post-webhooks.ts';
import { sign, signatureHeader } from '../voucherify/signature.ts';
import type { Command } from './command.ts';
import { type DemoWebhook, demoWebhooks } from './demo-webhooks.ts';

const secret = 'demo-secret';

export const command: Command = {
  summary: 'shows the whole flow: one bridge, two processors, eleven webhooks',
  usage: 'voucherbus demo   (KEEP=1 keeps everything running until Ctrl-C)',
  run: async (_, io) => {
    const prefix = `demo-${randomBytes(3).toString('hex')}`;
    await using deployment = await openEphemeralDeployment({ prefix, secret, processors: 2 }, io);
    const shown: Shown[] = [];
    const webhooks = demoWebhooks();
    for (const [i, webhook] of webhooks.entries()) {
      io.err(`· webhook ${i + 1} of ${webhooks.length}: ${webhook.name}`);
      shown.push(await play(webhook, deployment));
    }
    io.out('');
    for (const line of tableOf(shown)) io.out(line);
    const gift = shown.find(({ event }) => event?.campaign?.type === 'GIFT_VOUCHERS');
    io.out(`\nThe output event of "${gift?.name}", decoded from Avro:\n`);
    io.out(JSON.stringify(gift?.event, null, 2));
    if (isEnvironmentSet('KEEP')) await keepRunning(deployment, prefix, io);
    else io.err('\nstopping the bridge and the processors');
    return shown.every(({ isExpected }) => isExpected) ? 0 : 1;
  },
};

type Shown = {
  readonly name: string;
  readonly status: number;
  readonly raw: string;
  readonly decision: string;
  readonly isExpected: boolean;
  readonly output: RecordPosition | undefined;
  readonly event: PublicationSucceeded | undefined;
};

async function play(
  { name, body: text, expected }: DemoWebhook,
  deployment: EphemeralDeployment,
): Promise<Shown> {
  const key = expected === 'refused' ? 'not the secret' : secret;
  const result = await postWebhook(deployment.bridge.url, Buffer.from(text), key);
  const status = result.kind === 'responded' ? result.status : 0;
  if (result.kind === 'no-response' || status !== 202) {
    const isExpected = status === 401 && expected === 'refused';
    const decision = 'refused';
    return { name, status, raw: '', decision, isExpected, output: undefined, event: undefined };
  }
  const { partition, offset } = result.body as RecordPosition;
  const traced = await traceOf(deployment, partition, offset);
  const { outcome, label = '', positions } = traced.decision;
  const shortLabel = label.split('.publications.').at(-1);
  const decision = `${outcome.toLowerCase().replace('_', '-')} ${shortLabel}`.trim();
  const [output] = positions;
  const isExpected = decision === expected && needsOutput(outcome) === (output !== undefined);
  const raw = `${partition} / ${offset}`;
  return { name, status, raw, decision, isExpected, output, event: traced.event };
}

const decisionTimeoutMs = 60_000;

/** Waits until the decision on a raw record, and what it wrote, can be seen. */
async function traceOf(deployment: EphemeralDeployment, partition: number, offset: number) {
  const position = { topic: deployment.catalog.raw, partition, offset };
  const record = await deployment.reader.recordAt(position);
  const key = record?.key?.toString() ?? '';
  const query = async () => {
    const { arrivals, events } = await buildTrace(deployment, key, byReading(deployment));
    const decision = arrivals.find((one) => one.position.offset === offset)?.decision;
    if (!decision || (needsOutput(decision.outcome) && decision.positions.length === 0)) {
      return undefined;
    }
    const isForwarded = decision.outcome === 'FORWARDED';
    return { decision, event: isForwarded ? events[0]?.event : undefined };
  };
  return poll(query, {
    everyMs: 100,
    timeoutMs: decisionTimeoutMs,
    timeoutError: () => new Error(`no decision on ${key} after ${decisionTimeoutMs} ms`),
  });
}

function needsOutput(outcome: Decision['outcome']): boolean {
  return outcome === 'FORWARDED' || outcome === 'DEAD_LETTERED';
}

function tableOf(shown: readonly Shown[]): readonly string[] {
  const rows = shown.map(({ name, status, raw, output, decision, isExpected }, i) => [
    String(i + 1),
    name,
    String(status),
    raw,
    isExpected ? decision : `UNEXPECTED: ${decision}`,
    output ? `${output.topic} ${output.partition} / ${output.offset}` : '',
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

/** Waits for Ctrl-C. */
async function keepRunning(
  { bridge, processors, config }: EphemeralDeployment,
  prefix: string,
  io: Io,
): Promise<void> {
  const body = '{"type":"publication.succeeded","data":{"publication":{"id":"pub_mine"}}}';
  const signature = sign(Buffer.from(body), secret);
  io.out(`
Running until Ctrl-C:
  bridge      ${bridge.url}   admin ${bridge.adminUrl}/metrics
  processors  ${processors.map(({ adminUrl }) => `${adminUrl}/metrics`).join('   ')}
  Kafka       ${config.kafka.brokers.join(',')}   topics ${prefix}.*
  registry    ${config.registry.url}
Post one that is signed but has no vouchers (it ends on ${prefix}.webhooks.dlq):
  curl -i ${bridge.url} -H 'content-type: application/json' -H '${signatureHeader}: ${signature}' -d '${body}'
or a hundred good ones:
  WEBHOOK_SECRETS=ephemeral:${secret} node src/main.ts send --url ${bridge.url} --count 100 --rate 50`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}
