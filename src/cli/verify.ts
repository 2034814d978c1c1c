/**
 * `voucherbus verify`: posts known webhooks through a deployment, reads everything it wrote, and
 * checks that each came out exactly once.
 */

import { randomBytes, randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startChild } from '../app/child-process.ts';
import { connectDeployment } from '../app/connect-deployment.ts';
import { configOf, version } from '../app/environment.ts';
import { type EphemeralDeployment, openEphemeralDeployment } from '../app/ephemeral-deployment.ts';
import type { Io } from '../app/io.ts';
import { interruption } from '../app/shutdown.ts';
import { Throttle } from '../concurrency/throttle.ts';
import { signingKey } from '../config/sources.ts';
import { AppError } from '../errors.ts';
import { Admin } from '../kafka/admin.ts';
import { createClient } from '../kafka/client.ts';
import { createLog } from '../observability/log.ts';
import type { Deployment } from '../topics/deployment.ts';
import {
  type Certificate,
  kafkaLoginOf,
  registryLoginOf,
  renderCertificate,
  supportOf,
} from '../verify/certificate.ts';
import { check, type Verdict } from '../verify/checker.ts';
import { seeded } from '../verify/history.ts';
import { type Load, type LoadOptions, startLoad } from '../verify/load.ts';
import { postWebhook } from '../verify/post-webhooks.ts';
import { renderVerdict } from '../verify/report.ts';
import { type StartOffsets, settled, startOffsetsOf, takeSnapshot } from '../verify/snapshot.ts';
import { startVendorApi } from '../verify/vendor-api.ts';
import type { Command } from './command.ts';
import { parseNumber, parseOrUsage } from './options.ts';

const usage = `voucherbus verify [--count N] [--rate N] [--repeats PERCENT] [--kills N] [--processors N] [--withhold PERCENT] [--seed N] [--json] [--report PATH]
       voucherbus verify --url URL [--count N] [--rate N] [--repeats PERCENT] [--seed N] [--json] [--report PATH]
  Without --url: on topics of its own (prefix verify-…) on the cluster of KAFKA_BROKERS, with a bridge and processors of its own; all of it is removed again.
  With --url: through that bridge and the processors of TOPIC_PREFIX and CONSUMER_GROUP, for example a staging system. Needs its WEBHOOK_SECRETS.
  --count       number of webhooks, default 5000
  --rate        webhooks per second, default 500
  --repeats     per cent that repeat an earlier publication, default 10
  --kills       how often a random processor is killed meanwhile (SIGKILL) and another one started, default 3
  --processors  default 2
  --withhold    per cent of publications whose webhooks are not sent: \`reconcile\` must bring them from a stand-in for Voucherify's API, and some come late
  --seed        repeats the same run, except for the machine's own timing
  --json        the verdict as JSON, with the id and offset of every violation
  --report      writes PATH.md and PATH.json: what this cluster supports and how it did, without names and addresses
Exit code 0: exactly once. 1: not, or it could not be determined.`;

const options = {
  url: { type: 'string' },
  count: { type: 'string', default: '5000' },
  rate: { type: 'string', default: '500' },
  repeats: { type: 'string', default: '10' },
  kills: { type: 'string', default: '3' },
  processors: { type: 'string', default: '2' },
  withhold: { type: 'string', default: '0' },
  seed: { type: 'string' },
  json: { type: 'boolean', default: false },
  report: { type: 'string' },
} as const;

export const command: Command = {
  summary: 'proves on your own cluster that each webhook comes out exactly once',
  usage,
  run: async (args, io) => {
    const parsed = parse(args, io);
    if (!parsed) return 2;
    const startedAt = performance.now();
    io.err(`· seed ${parsed.seed}`);
    const verdict = await (parsed.url === undefined
      ? onOwnTopics(parsed, io)
      : throughRunning(parsed.url, parsed, io));
    if (parsed.json) io.out(JSON.stringify({ seed: parsed.seed, ...verdict }, null, 2));
    else for (const line of ['', ...renderVerdict(verdict)]) io.out(line);
    if (parsed.report !== undefined) {
      await writeCertificate(parsed.report, verdict, startedAt, io);
    }
    return verdict.isExact ? 0 : 1;
  },
};

async function writeCertificate(
  path: string,
  { isExact, counts, invariants }: Verdict,
  startedAt: number,
  io: Io,
): Promise<void> {
  const config = configOf(['kafka', 'registry'], io);
  const admin = await Admin.connect(createClient(config.kafka, createLog('silent', 'verify')));
  try {
    const facts = await admin.facts();
    const certificate: Certificate = {
      voucherbus: version,
      node: process.version,
      at: new Date().toISOString(),
      seconds: Math.round((performance.now() - startedAt) / 1_000),
      brokers: await admin.brokerCount(),
      kafkaLogin: kafkaLoginOf(config.kafka),
      registryLogin: registryLoginOf(config.registry),
      features: facts.features,
      supports: supportOf(facts),
      counts,
      isExact,
      invariants: invariants.map(({ invariant, violations }) => ({
        invariant,
        violations: violations.length,
      })),
    };
    await writeFile(`${path}.md`, renderCertificate(certificate));
    await writeFile(`${path}.json`, `${JSON.stringify(certificate, null, 2)}\n`);
    io.err(`· wrote ${path}.md and ${path}.json`);
  } finally {
    await admin.close();
  }
}

type ParsedArguments = NonNullable<ReturnType<typeof parse>>;

function parse(args: readonly string[], io: Io) {
  return parseOrUsage(io, usage, () => {
    const { values } = parseArgs({ args: [...args], options });
    const { seed } = values;
    return {
      url: values.url,
      json: values.json,
      report: values.report,
      count: parseNumber('count', values.count, 1),
      perSecond: parseNumber('rate', values.rate, 1),
      repeatPercent: parseNumber('repeats', values.repeats, 0),
      kills: parseNumber('kills', values.kills, 0),
      processors: parseNumber('processors', values.processors, 1),
      withheldPercent: parseNumber('withhold', values.withhold, 0),
      seed: seed === undefined ? randomInt(2 ** 31) : parseNumber('seed', seed, 0),
    };
  });
}

const concurrency = 20;
const settleTimeoutMs = 120_000;
const progressEveryMs = 2_000;

async function onOwnTopics(parsed: ParsedArguments, io: Io): Promise<Verdict> {
  const id = randomBytes(3).toString('hex');
  const secret = randomBytes(16).toString('hex');
  const { processors } = parsed;
  const prefix = `verify-${id}`;
  const settings = parsed.withheldPercent > 0 ? { RECONCILE: 'true' } : {};
  const options = { prefix, secret, processors, settings };
  const interrupted = interruption();
  await using deployment = await openEphemeralDeployment(options, io);
  // The deployment is removed also when the command is ended.
  return await Promise.race([verifyOn(deployment, parsed, id, secret, io), interrupted]);
}

async function verifyOn(
  deployment: EphemeralDeployment,
  parsed: ParsedArguments,
  id: string,
  secret: string,
  io: Io,
): Promise<Verdict> {
  const { kills, seed } = parsed;
  let isKillingDone = kills === 0;
  const load = startLoad({
    ...loadOptions(parsed, deployment.bridge.url, secret, id, deployment),
    isEnough: () => isKillingDone,
  });
  const killing = killRepeatedly(deployment, kills, seeded(seed + 1), io).finally(() => {
    isKillingDone = true;
  });
  await Promise.all([withProgress(load, parsed.count, io), killing]);
  if (parsed.withheldPercent > 0) await closeGap(load, deployment, secret, io);
  return await verdictOf(load, deployment, new Map(), true, io);
}

/** One in so many of the withheld webhooks comes late, after its backfill. */
const oneLateIn = 5;

/** @throws AppError ASSUMPTION_BROKEN if reconcile finds a gap that it cannot close */
async function closeGap(
  { withheld }: Load,
  { env, bridge }: EphemeralDeployment,
  secret: string,
  io: Io,
): Promise<void> {
  await using vendor = await startVendorApi(withheld);
  const api = { VOUCHERIFY_API_URL: vendor.url, VOUCHERIFY_APP_ID: 'verify' };
  const args = ['reconcile', '--since', '1d', '--overlap', '0s', '--execute'];
  const reconcile = startChild(args, { ...env, ...api, VOUCHERIFY_APP_TOKEN: 'verify' });
  io.err(`· reconciling ${withheld.length} publications whose webhooks were withheld`);
  if ((await reconcile.exited) !== 0) {
    const text = `reconcile did not close the gap:\n${reconcile.output()}`;
    throw new AppError('ASSUMPTION_BROKEN', 'stop', text);
  }
  const late = withheld.filter((_, index) => index % oneLateIn === 0);
  for (const body of late) await postWebhook(bridge.url, body, secret);
}

/**
 * Others may send through the same bridge: only what begins now is read, and only our ids must be
 * known.
 */
async function throughRunning(url: string, parsed: ParsedArguments, io: Io): Promise<Verdict> {
  const config = configOf(['kafka', 'registry', 'topics', 'webhook', 'processor'], io);
  await using deployment = await connectDeployment(config);
  const startOffsets = await startOffsetsOf(deployment);
  const run = randomBytes(3).toString('hex');
  const key = signingKey(url, config.webhook);
  const load = startLoad(loadOptions(parsed, url, key, run, deployment));
  await withProgress(load, parsed.count, io);
  return await verdictOf(load, deployment, startOffsets, false, io);
}

function loadOptions(
  { count, perSecond, repeatPercent, withheldPercent, seed }: ParsedArguments,
  url: string,
  key: string,
  run: string,
  { catalog }: Deployment,
): LoadOptions {
  const topics = catalog.publications;
  const random = seeded(seed);
  const shares = { repeatPercent, withheldPercent };
  return { url, key, topics, run, count, concurrency, perSecond, ...shares, random };
}

async function killRepeatedly(
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

/** Reports the progress of the load until it is done. */
async function withProgress(load: Load, count: number, io: Io): Promise<void> {
  const report = () => io.err(`· sent ${load.begun()} (at least ${count})`);
  const timer = setInterval(report, progressEveryMs);
  await load.done.finally(() => clearInterval(timer));
  io.err(`· sent ${load.begun()}, waiting until they are processed`);
}

async function verdictOf(
  load: Load,
  deployment: Deployment,
  startOffsets: StartOffsets,
  areTopicsOurs: boolean,
  io: Io,
): Promise<Verdict> {
  const throttle = new Throttle(progressEveryMs, { isFirstDue: false });
  await settled(deployment, settleTimeoutMs, ({ unprocessed, openPartitions }) => {
    if (!throttle.isDue()) return;
    io.err(`· ${unprocessed} raw records left, transactions open on ${openPartitions} partitions`);
  });
  io.err('· reading every output, dead letter and journal record');
  const snapshot = await takeSnapshot(deployment, startOffsets);
  const verdict = check(load.history, snapshot, areTopicsOurs);
  if (verdict.counts['acknowledged'] === 0) {
    const text = `the bridge acknowledged none of ${load.begun()} webhooks: expected 202. Is its address right, and the secret?`;
    throw new AppError('BRIDGE_REFUSED', 'stop', text);
  }
  return verdict;
}
