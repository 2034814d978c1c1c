/** `voucherbus verify`: drives known webhooks through a deployment, reads everything it wrote, and judges whether each came exactly once. */

import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectDeployment } from '../app/connect-deployment.ts';
import { configOf } from '../app/environment.ts';
import { type EphemeralDeployment, openEphemeralDeployment } from '../app/ephemeral-deployment.ts';
import type { Io } from '../app/io.ts';
import { signingKey } from '../config/sources.ts';
import { AppError } from '../errors.ts';
import type { Deployment } from '../topics/deployment.ts';
import { check, type Verdict } from '../verify/checker.ts';
import { seeded } from '../verify/history.ts';
import { type Load, type LoadOptions, startLoad } from '../verify/load.ts';
import { reportOf } from '../verify/report.ts';
import { settled, startOffsetsOf, takeSnapshot } from '../verify/snapshot.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';

const usage = `voucherbus verify [--count N] [--rate N] [--repeats PERCENT] [--kills N] [--processors N] [--seed N] [--json]
       voucherbus verify --url URL [--count N] [--rate N] [--repeats PERCENT] [--seed N] [--json]
  Without --url: on topics of its own (prefix verify-…) on the cluster of KAFKA_BROKERS, with a bridge and processors of its own; all is removed again.
  With --url: through that bridge and the processors of TOPIC_PREFIX and CONSUMER_GROUP, for example a staging system. Its WEBHOOK_SECRETS are needed.
  --count       how many webhooks, default 5000
  --rate        a second, default 500
  --repeats     how many of a hundred repeat an earlier publication, default 10
  --kills       how often a random processor is killed meanwhile (SIGKILL) and another started, default 3
  --processors  default 2
  --seed        brings the same run back (but for the machine's own timing)
  --json        the verdict as JSON, with every guilty id and offset
Exit code 0: exactly once. 1: not, or it could not be told.`;

const options = {
  url: { type: 'string' },
  count: { type: 'string', default: '5000' },
  rate: { type: 'string', default: '500' },
  repeats: { type: 'string', default: '10' },
  kills: { type: 'string', default: '3' },
  processors: { type: 'string', default: '2' },
  seed: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

export const command: Command = {
  summary: 'proves on your own cluster that each webhook comes out exactly once',
  usage,
  run: async (args, io) => {
    const parsed = parse(args, io);
    if (!parsed) return 2;
    io.err(`· seed ${parsed.seed}`);
    const verdict = await (parsed.url === undefined
      ? onOwnTopics(parsed, io)
      : throughRunning(parsed.url, parsed, io));
    if (parsed.json) io.out(JSON.stringify({ seed: parsed.seed, ...verdict }, null, 2));
    else for (const line of ['', ...reportOf(verdict)]) io.out(line);
    return verdict.isExact ? 0 : 1;
  },
};

type ParsedArguments = NonNullable<ReturnType<typeof parse>>;

function parse(args: readonly string[], io: Io) {
  return parseOrUsage(io, usage, () => {
    const { values } = parseArgs({ args: [...args], options });
    const number = (name: string, text: string, least: number) => {
      const value = Number(text);
      if (!(value >= least))
        throw new Error(`--${name} is "${text}": expected a number from ${least} on`);
      return value;
    };
    return {
      url: values.url,
      json: values.json,
      count: number('count', values.count, 1),
      perSecond: number('rate', values.rate, 1),
      repeatPercent: number('repeats', values.repeats, 0),
      kills: number('kills', values.kills, 0),
      processors: number('processors', values.processors, 1),
      seed: values.seed === undefined ? randomInt(2 ** 31) : number('seed', values.seed, 0),
    };
  });
}

const atOnce = 20;
const settleTimeoutMs = 120_000;
const tellEveryMs = 2_000;

async function onOwnTopics(parsed: ParsedArguments, io: Io): Promise<Verdict> {
  const id = randomBytes(3).toString('hex');
  const secret = randomBytes(16).toString('hex');
  const { processors, kills, seed } = parsed;
  await using ephemeral = await openEphemeralDeployment(
    { prefix: `verify-${id}`, secret, processors },
    io,
  );
  const { catalog, reader, admin, registry } = ephemeral;
  const group = `verify-${id}`;
  const partitions = catalog.topics[0]?.partitions ?? 0;
  const deployment: Deployment = { reader, admin, registry, catalog, group, partitions };
  const isKilled = { enough: kills === 0 };
  const load = loadOf(parsed, ephemeral.bridge.url, secret, id, deployment);
  const running = startLoad({ ...load, isEnough: () => isKilled.enough });
  const killing = killAgainAndAgain(ephemeral, kills, seeded(seed + 1), io).finally(() => {
    isKilled.enough = true;
  });
  await Promise.all([told(running, parsed.count, io), killing]);
  return await verdictOf(running, deployment, new Map(), true, io);
}

/** Others may send through it too: only what begins after now is looked at, and only our ids must be known. */
async function throughRunning(url: string, parsed: ParsedArguments, io: Io): Promise<Verdict> {
  const config = configOf(['kafka', 'registry', 'topics', 'webhook', 'processor'], io);
  await using deployment = await connectDeployment(config);
  const startOffsets = await startOffsetsOf(deployment);
  const run = randomBytes(3).toString('hex');
  const running = startLoad(loadOf(parsed, url, signingKey(url, config.webhook), run, deployment));
  await told(running, parsed.count, io);
  return await verdictOf(running, deployment, startOffsets, false, io);
}

function loadOf(
  parsed: ParsedArguments,
  url: string,
  key: string,
  run: string,
  { catalog }: Deployment,
): LoadOptions {
  const { count, perSecond, repeatPercent, seed } = parsed;
  const topics = catalog.publications;
  const random = seeded(seed);
  return { url, key, topics, run, count, concurrency: atOnce, perSecond, repeatPercent, random };
}

async function killAgainAndAgain(
  { processors, startProcessor }: EphemeralDeployment,
  kills: number,
  random: () => number,
  io: Io,
): Promise<void> {
  for (let i = 1; i <= kills; i += 1) {
    await sleep(500 + random() * 1_500);
    const index = Math.floor(random() * processors.length);
    const victim = processors[index];
    io.err(`· kill ${i} of ${kills}: processor ${victim?.child.pid}`);
    victim?.child.kill('SIGKILL');
    await victim?.child.exited;
    processors[index] = await startProcessor();
  }
}

/** Says how far the drive is, until it is done. */
async function told(running: Load, count: number, io: Io): Promise<void> {
  const timer = setInterval(
    () => io.err(`· sent ${running.begun()} (at least ${count})`),
    tellEveryMs,
  );
  await running.done.finally(() => clearInterval(timer));
  io.err(`· sent ${running.begun()}, waiting until they are processed`);
}

async function verdictOf(
  running: Load,
  deployment: Deployment,
  startOffsets: ReadonlyMap<string, number>,
  areTopicsOurs: boolean,
  io: Io,
): Promise<Verdict> {
  let toldAt = performance.now();
  await settled(deployment, settleTimeoutMs, ({ unprocessed, openPartitions }) => {
    if (performance.now() - toldAt < tellEveryMs) return;
    toldAt = performance.now();
    io.err(`· ${unprocessed} raw records to go, transactions open on ${openPartitions} partitions`);
  });
  io.err('· reading every output, dead letter and journal record');
  const verdict = check(
    running.history,
    await takeSnapshot(deployment, startOffsets),
    areTopicsOurs,
  );
  if (verdict.counts['acknowledged'] === 0) {
    const text = `the bridge acknowledged none of ${running.begun()} webhooks: expected 202. Is its address right, and the secret?`;
    throw new AppError('BRIDGE_REFUSED', 'stop', text);
  }
  return verdict;
}
