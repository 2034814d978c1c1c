/** `voucherbus demo`: the whole flow on a given broker and registry, shown. `make demo` gets the broker first. */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectRegistry } from '../codec/registry.ts';
import { readConfig } from '../config/read.ts';
import { AppError } from '../errors.ts';
import { connectAdmin } from '../kafka/admin.ts';
import { type Client, createClient } from '../kafka/client.ts';
import { createReader } from '../kafka/reader.ts';
import { createLog } from '../observability/log.ts';
import { type Catalog, createCatalog } from '../topics/catalog.ts';
import { sign, signatureHeader } from '../voucherify/signature.ts';
import { readWebhook } from '../voucherify/webhook.ts';
import { type Child, type Environment, startChild } from './child.ts';
import type { Command, Io } from './command.ts';
import { type Case, demoCases } from './demo-cases.ts';
import { createFollow, type Fate, type Follow } from './follow.ts';

const secret = 'demo-secret';

export const command: Command = {
  summary: 'shows the whole flow: one bridge, two processors, eleven webhooks',
  usage: 'voucherbus demo   (KEEP=1 keeps everything up until Ctrl-C)',
  run: async (_, io) => {
    const prefix = `demo-${randomBytes(3).toString('hex')}`;
    const env: Environment = {
      ...process.env,
      TOPIC_PREFIX: prefix,
      CONSUMER_GROUP: prefix,
      PARTITIONS: '6',
      WEBHOOK_SECRETS: `demo:${secret}`,
      BRIDGE_HOST: '127.0.0.1',
      BRIDGE_PORT: process.env['BRIDGE_PORT'] ?? '0',
      ADMIN_HOST: '127.0.0.1',
      ADMIN_PORT: '0',
    };
    const config = readConfig(['kafka', 'registry', 'topics'], { env, readFile: io.readFile });
    const catalog = createCatalog(config.topics);
    const log = createLog('silent', 'demo');
    const client = createClient(config.kafka, log);
    await using services = new AsyncDisposableStack();
    // Last of all: on a cluster of somebody's own nothing of the demo stays but its subjects.
    services.defer(() => removeTopics(client, catalog));
    const { bridge, processors } = await startAll(env, io, services);
    const reader = createReader(client);
    services.defer(reader.close);
    const registry = connectRegistry(config.registry);
    const follow = createFollow(reader, registry, catalog);
    const shown = await playCases(bridge.url, follow, io);
    io.out('');
    for (const line of tableOf(shown)) io.out(line);
    const gift = shown.find(({ fate }) => fate?.event?.campaign?.type === 'GIFT_VOUCHERS');
    io.out(`\nThe output event of "${gift?.name}", decoded from Avro:\n`);
    io.out(JSON.stringify(gift?.fate?.event, null, 2));
    if (process.env['KEEP']) await keepUp(bridge, processors, config, prefix, io);
    else io.err('\nstopping the bridge and the processors');
    return shown.every(({ isRight }) => isRight) ? 0 : 1;
  },
};

async function removeTopics(client: Client, { topics }: Catalog): Promise<void> {
  const admin = await connectAdmin(client);
  const existing = await admin.describe(topics.map(({ name }) => name));
  if (existing.size > 0) await admin.remove([...existing.keys()]);
  await admin.close();
}

type Service = { readonly child: Child; readonly adminUrl: string };

async function startAll(env: Environment, io: Io, services: AsyncDisposableStack) {
  io.err('· topics and schemas');
  const setup = startChild(['setup'], env);
  if ((await setup.exited) !== 0) {
    throw new AppError('ASSUMPTION_BROKEN', 'fatal', `setup failed:\n${setup.output()}`);
  }
  io.err('· one bridge, two processors');
  const [bridge, ...processors] = await Promise.all([
    startService('bridge', 'the bridge is ready', env, services),
    startService('processor', 'the processor is running', env, services),
    startService('processor', 'the processor is running', env, services),
  ]);
  const { port, path } = await bridge.child.said('the bridge is ready');
  await Promise.all(processors.map(({ adminUrl }) => isReady(adminUrl)));
  return { bridge: { ...bridge, url: `http://127.0.0.1:${port}${path}` }, processors };
}

async function startService(
  name: string,
  readyMessage: string,
  env: Environment,
  services: AsyncDisposableStack,
): Promise<Service> {
  const child = services.use(startChild([name], env));
  const { adminPort } = await child.said(readyMessage);
  return { child, adminUrl: `http://127.0.0.1:${adminPort}` };
}

async function isReady(adminUrl: string): Promise<void> {
  for (let left = 300; left > 0; left -= 1) {
    if ((await fetch(`${adminUrl}/readyz`)).ok) return;
    await sleep(100);
  }
  throw new Error(`${adminUrl}/readyz is not ready after 30 s`);
}

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
  const signature = sign(body, expected === 'refused' ? 'not the secret' : secret);
  const headers = { 'content-type': 'application/json', [signatureHeader]: signature };
  const answer = await fetch(url, { method: 'POST', headers, body });
  const place = (await answer.json()) as { partition: number; offset: number };
  const { status } = answer;
  if (status !== 202) {
    const isRight = status === 401 && expected === 'refused';
    return { name, status, raw: '', fate: undefined, decision: 'refused', isRight };
  }
  const fate = await follow(place, readWebhook(body).envelope.publicationId);
  const label = fate.label.split('.publications.').at(-1);
  const decision = `${fate.outcome.toLowerCase().replace('_', '-')} ${label}`.trim();
  const needsOutput = fate.outcome === 'FORWARDED' || fate.outcome === 'DEAD_LETTERED';
  const isRight = decision === expected && needsOutput === (fate.output !== undefined);
  return { name, status, raw: `${place.partition} / ${place.offset}`, fate, decision, isRight };
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
  bridge: Service & { readonly url: string },
  processors: readonly Service[],
  config: { kafka: { brokers: readonly string[] }; registry: { url: string } },
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
  WEBHOOK_SECRETS=demo:${secret} node src/main.ts send --url ${bridge.url} --count 100 --rate 50`);
  await new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
}
