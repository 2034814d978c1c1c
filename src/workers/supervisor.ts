/**
 * One service, several processes: as many workers as there are cores, each a member of the group or a listener on the same port (node:cluster).
 * The supervisor does none of the work. It replaces a worker that has died or does not answer any more, shows all of them as one, and ends them.
 */

import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../errors.ts';
import {
  countedIn,
  type MetricsSnapshot,
  snapshotOf,
  textOf,
} from '../observability/aggregate-metrics.ts';
import type { Status } from '../observability/health.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { type Bind, ConnectionBalancer } from './connection-balancer.ts';
import type { Failure, FromWorker, ServiceFacts, ToWorker, WorkerReport } from './messages.ts';
import { nodeFlags, type Tuning, workerEnvironment } from './node-flags.ts';
import { restartPolicy } from './restart-policy.ts';

export type SupervisorOptions = {
  readonly count: number;
  /** For the worker's environment: which of the places it has, from 1, and the word of the one who had it before and died. */
  readonly environmentOf: (slot: number, lastWill: string | undefined) => NodeJS.ProcessEnv;
  /** Whether the service is ready when one of them is, or only when all are. */
  readonly readyWith: 'one' | 'all';
  readonly tuning: Tuning;
  /** A worker that has not ended by then, after it was told to stop, is killed. */
  readonly killAfterMs: number;
  /** Where the workers take connections. */
  readonly bind: Bind | undefined;
  readonly log: Log;
  /** Of the supervisor itself. */
  readonly metrics: Metrics;
};

export type Supervisor = {
  /** Settles when every place has once had a worker that runs; the facts are those of the first. */
  readonly running: Promise<ServiceFacts>;
  /** Rejects when workers die faster than replacing them could help. */
  readonly ended: Promise<never>;
  readonly status: () => Promise<Status>;
  readonly metrics: () => Promise<string>;
  readonly start: () => void;
  /** SIGTERM to each, and their ends. */
  readonly stop: () => Promise<void>;
};

/** One of the workers' places: who has it now, and what is known of it. */
type Slot = {
  readonly number: number;
  worker: Worker | undefined;
  startedAt: number;
  answeredAt: number;
  report: WorkerReport | undefined;
  failure: Failure | undefined;
  /** Of the worker for its heir; the heir's own comes in its place. */
  lastWill: string | undefined;
  shortLives: number;
  /** It has said that it runs, and so hears `stop`. */
  isRunning: boolean;
  running: PromiseWithResolvers<ServiceFacts>;
};

const askEveryMs = 5_000;

/** Whoever asks for metrics or readiness waits no longer for a worker that is busy: what it said last is shown. */
const answerWithinMs = 1_000;

/** An event loop that has not turned for so long is hung. (Kubernetes' defaults give a process as long: three probes, 10 s apart.) */
const hungAfterMs = 30_000;

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { count, environmentOf, readyWith, tuning, killAfterMs, bind, log, metrics } = options;
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const pendingQueries = new Map<number, () => void>();
  let queries = 0;
  let isStopping = false;
  let hasAnyRun = false;
  let past: MetricsSnapshot = [];
  const slots = Array.from({ length: count }, (_, i) => createSlot(i + 1));
  const balancer = bind && new ConnectionBalancer(bind);

  const onMessage = (slot: Slot, worker: Worker, message: FromWorker) => {
    slot.answeredAt = performance.now();
    switch (message.kind) {
      case 'report':
        slot.report = message.report;
        return pendingQueries.get(message.query)?.();
      case 'running':
        hasAnyRun = true;
        slot.isRunning = true;
        return slot.running.resolve(message.facts);
      case 'last-will':
        slot.lastWill = message.text;
        return;
      case 'failed':
        slot.failure = message.failure;
        return;
      default:
        balancer?.onMessage(worker, message).catch(ended.reject);
    }
  };

  cluster.setupPrimary({ execArgv: [...nodeFlags(tuning), ...process.execArgv] });
  const fill = (slot: Slot) => {
    const worker = cluster.fork({
      ...workerEnvironment(),
      ...environmentOf(slot.number, slot.lastWill),
    });
    const now = performance.now();
    Object.assign(slot, { worker, startedAt: now, answeredAt: now, failure: undefined });
    slot.isRunning = false;
    worker.on('message', (message: FromWorker) => onMessage(slot, worker, message));
    worker.on('exit', (code, signal) => void onExit(slot, code, signal));
    log.debug({ worker: slot.number, workerPid: worker.process.pid }, 'a worker was started');
  };

  const onExit = async (slot: Slot, code: number | null, signal: string | null) => {
    const { report, failure, number, worker } = slot;
    slot.worker = undefined;
    slot.report = undefined;
    if (worker) void balancer?.onExit(worker);
    if (report) past = await countedIn([past, report.metrics]);
    if (isStopping) return;
    metrics.workerDeaths.inc();
    const consequence = restartPolicy({
      hasAnyRun,
      isByItself: signal === null,
      livedMs: performance.now() - slot.startedAt,
      shortLivesBefore: slot.shortLives,
    });
    const how = { worker: number, workerPid: worker?.process.pid, code, signal };
    if (consequence.kind === 'give-up') {
      ended.reject(failureOf(number, failure, code, signal));
      return;
    }
    slot.shortLives = consequence.shortLives;
    const { waitMs } = consequence;
    log.error({ ...how, reason: failure?.text, waitMs }, 'a worker has died and is replaced');
    await sleep(waitMs);
    if (!isStopping) fill(slot);
  };

  /** Their newest answers; of those that do not answer in time, their last. */
  const query = async () => {
    queries += 1;
    const number = queries;
    const alive = slots.filter(({ worker }) => worker?.isConnected());
    const all = Promise.withResolvers<void>();
    let missing = alive.length;
    pendingQueries.set(number, () => {
      missing -= 1;
      if (missing === 0) all.resolve();
    });
    const question: ToWorker = { kind: 'query', query: number };
    // A worker that dies just now is seen by its end.
    for (const { worker } of alive) worker?.send(question, () => undefined);
    if (missing > 0) await Promise.race([all.promise, sleep(answerWithinMs)]);
    pendingQueries.delete(number);
  };

  const watch = async () => {
    await query();
    for (const { worker, answeredAt, number } of slots) {
      const silentMs = Math.round(performance.now() - answeredAt);
      if (worker === undefined || silentMs < hungAfterMs) continue;
      const facts = { worker: number, workerPid: worker.process.pid, silentMs };
      log.error(facts, 'a worker does not answer any more and is killed');
      worker.process.kill('SIGKILL');
    }
  };
  let watching: NodeJS.Timeout | undefined;

  return {
    start: () => {
      for (const slot of slots) fill(slot);
      watching = setInterval(() => void watch(), askEveryMs);
    },
    running: Promise.all(slots.map(({ running }) => running.promise)).then(
      ([facts]) => facts ?? {},
    ),
    ended: ended.promise,
    status: async () => {
      await query();
      return statusOf(slots, readyWith, isStopping);
    },
    metrics: async () => {
      await query();
      const looks = slots.flatMap(({ report }) => (report ? [report.metrics] : []));
      return textOf([await snapshotOf(metrics), ...looks, past]);
    },
    stop: async () => {
      isStopping = true;
      clearInterval(watching);
      await Promise.all(slots.map((slot) => end(slot, killAfterMs)));
      balancer?.close();
    },
  };
}

function createSlot(number: number): Slot {
  return {
    number,
    worker: undefined,
    startedAt: 0,
    answeredAt: 0,
    report: undefined,
    failure: undefined,
    lastWill: undefined,
    shortLives: 0,
    isRunning: false,
    running: Promise.withResolvers(),
  };
}

async function end({ worker, isRunning }: Slot, killAfterMs: number): Promise<void> {
  if (worker === undefined) return;
  const exited = once(worker, 'exit');
  const message: ToWorker = { kind: 'stop' };
  // A worker that dies just now is seen by its end.
  worker.send(message, () => undefined);
  // While it starts nothing hears the message, and the signal ends it; once it listens, it ignores the signal.
  if (!isRunning) worker.process.kill('SIGTERM');
  const timer = setTimeout(() => worker.process.kill('SIGKILL'), killAfterMs);
  await exited.finally(() => clearTimeout(timer));
}

/** Each part by the worker's number. */
function statusOf(
  slots: readonly Slot[],
  readyWith: SupervisorOptions['readyWith'],
  isStopping: boolean,
): Status {
  const isReady = ({ worker, report, answeredAt }: Slot) =>
    worker !== undefined &&
    report?.status.isReady === true &&
    performance.now() - answeredAt < askEveryMs + 2 * answerWithinMs;
  const parts = slots.flatMap((slot): [string, string][] => {
    const name = (part: string) => `worker ${slot.number}${part}`;
    if (slot.worker === undefined) return [[name(''), 'has died, is replaced']];
    if (slot.report === undefined) return [[name(''), 'starting']];
    const silentS = Math.round((performance.now() - slot.answeredAt) / 1_000);
    const silence: [string, string][] =
      silentS > 1 ? [[name(''), `has not answered for ${silentS} s`]] : [];
    const own = Object.entries(slot.report.status.parts);
    return [...silence, ...own.map(([part, text]): [string, string] => [name(`: ${part}`), text])];
  });
  const enough = readyWith === 'one' ? slots.some(isReady) : slots.every(isReady);
  return { isReady: enough && !isStopping, parts: Object.fromEntries(parts) };
}

/** As the worker itself would have been shown, had it been alone. */
function failureOf(
  number: number,
  failure: Failure | undefined,
  code: number | null,
  signal: string | null,
): AppError {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const text = failure?.text ?? `worker ${number} has died again and again, last with ${how}`;
  return new AppError(failure?.code ?? 'ASSUMPTION_BROKEN', 'stop', text);
}
