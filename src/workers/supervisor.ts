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
  type Snapshot,
  snapshotOf,
  textOf,
} from '../observability/aggregate-metrics.ts';
import type { Status } from '../observability/health.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { type Bind, SharedPort } from './connection-balancer.ts';
import type { Facts, Failure, FromWorker, Look, ToWorker } from './messages.ts';
import { leanArguments, leanEnvironment, type Tuning } from './node-flags.ts';
import { afterDeath } from './restart-policy.ts';

export type SupervisorOptions = {
  readonly count: number;
  /** For the worker's environment: which of the places it has, from 1, and the word of the one who had it before and died. */
  readonly environmentOf: (place: number, word: string | undefined) => NodeJS.ProcessEnv;
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
  readonly running: Promise<Facts>;
  /** Rejects when workers die faster than replacing them could help. */
  readonly ended: Promise<never>;
  readonly status: () => Promise<Status>;
  readonly metrics: () => Promise<string>;
  readonly start: () => void;
  /** SIGTERM to each, and their ends. */
  readonly stop: () => Promise<void>;
};

/** One of the workers' places: who has it now, and what is known of it. */
type Place = {
  readonly number: number;
  worker: Worker | undefined;
  startedAt: number;
  answeredAt: number;
  look: Look | undefined;
  failure: Failure | undefined;
  /** Of the worker for its heir; the heir's own comes in its place. */
  word: string | undefined;
  shortLives: number;
  /** It has said that it runs, and so hears `stop`. */
  isRunning: boolean;
  running: PromiseWithResolvers<Facts>;
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
  const asked = new Map<number, () => void>();
  let asks = 0;
  let isStopping = false;
  let hasAnyRun = false;
  let past: Snapshot = [];
  const places = Array.from({ length: count }, (_, i) => aPlace(i + 1));
  const sharedPort = bind && new SharedPort(bind);

  const heard = (place: Place, worker: Worker, message: FromWorker) => {
    place.answeredAt = performance.now();
    switch (message.kind) {
      case 'look':
        place.look = message.look;
        return asked.get(message.ask)?.();
      case 'running':
        hasAnyRun = true;
        place.isRunning = true;
        return place.running.resolve(message.facts);
      case 'will':
        place.word = message.text;
        return;
      case 'failed':
        place.failure = message.failure;
        return;
      default:
        sharedPort?.heard(worker, message).catch(ended.reject);
    }
  };

  cluster.setupPrimary({ execArgv: [...leanArguments(tuning), ...process.execArgv] });
  const fill = (place: Place) => {
    const worker = cluster.fork({
      ...leanEnvironment(),
      ...environmentOf(place.number, place.word),
    });
    const now = performance.now();
    Object.assign(place, { worker, startedAt: now, answeredAt: now, failure: undefined });
    place.isRunning = false;
    worker.on('message', (message: FromWorker) => heard(place, worker, message));
    worker.on('exit', (code, signal) => void died(place, code, signal));
    log.debug({ worker: place.number, workerPid: worker.process.pid }, 'a worker was started');
  };

  const died = async (place: Place, code: number | null, signal: string | null) => {
    const { look, failure, number, worker } = place;
    place.worker = undefined;
    place.look = undefined;
    if (worker) void sharedPort?.lost(worker);
    if (look) past = await countedIn([past, look.metrics]);
    if (isStopping) return;
    metrics.workerDeaths.inc();
    const consequence = afterDeath({
      hasAnyRun,
      isByItself: signal === null,
      livedMs: performance.now() - place.startedAt,
      shortLivesBefore: place.shortLives,
    });
    const how = { worker: number, workerPid: worker?.process.pid, code, signal };
    if (consequence.kind === 'give-up') {
      ended.reject(lastWords(number, failure, code, signal));
      return;
    }
    place.shortLives = consequence.shortLives;
    const { waitMs } = consequence;
    log.error({ ...how, reason: failure?.text, waitMs }, 'a worker has died and is replaced');
    await sleep(waitMs);
    if (!isStopping) fill(place);
  };

  /** Their newest answers; of those that do not answer in time, their last. */
  const ask = async () => {
    asks += 1;
    const number = asks;
    const alive = places.filter(({ worker }) => worker?.isConnected());
    const all = Promise.withResolvers<void>();
    let missing = alive.length;
    asked.set(number, () => {
      missing -= 1;
      if (missing === 0) all.resolve();
    });
    const question: ToWorker = { kind: 'ask', ask: number };
    // A worker that dies just now is seen by its end.
    for (const { worker } of alive) worker?.send(question, () => undefined);
    if (missing > 0) await Promise.race([all.promise, sleep(answerWithinMs)]);
    asked.delete(number);
  };

  const watch = async () => {
    await ask();
    for (const { worker, answeredAt, number } of places) {
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
      for (const place of places) fill(place);
      watching = setInterval(() => void watch(), askEveryMs);
    },
    running: Promise.all(places.map(({ running }) => running.promise)).then(
      ([facts]) => facts ?? {},
    ),
    ended: ended.promise,
    status: async () => {
      await ask();
      return statusOf(places, readyWith, isStopping);
    },
    metrics: async () => {
      await ask();
      const looks = places.flatMap(({ look }) => (look ? [look.metrics] : []));
      return textOf([await snapshotOf(metrics), ...looks, past]);
    },
    stop: async () => {
      isStopping = true;
      clearInterval(watching);
      await Promise.all(places.map((place) => end(place, killAfterMs)));
      sharedPort?.close();
    },
  };
}

function aPlace(number: number): Place {
  return {
    number,
    worker: undefined,
    startedAt: 0,
    answeredAt: 0,
    look: undefined,
    failure: undefined,
    word: undefined,
    shortLives: 0,
    isRunning: false,
    running: Promise.withResolvers(),
  };
}

async function end({ worker, isRunning }: Place, killAfterMs: number): Promise<void> {
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
  places: readonly Place[],
  readyWith: SupervisorOptions['readyWith'],
  isStopping: boolean,
): Status {
  const isReady = ({ worker, look, answeredAt }: Place) =>
    worker !== undefined &&
    look?.status.isReady === true &&
    performance.now() - answeredAt < askEveryMs + 2 * answerWithinMs;
  const parts = places.flatMap((place): [string, string][] => {
    const name = (part: string) => `worker ${place.number}${part}`;
    if (place.worker === undefined) return [[name(''), 'has died, is replaced']];
    if (place.look === undefined) return [[name(''), 'starting']];
    const silentS = Math.round((performance.now() - place.answeredAt) / 1_000);
    const silence: [string, string][] =
      silentS > 1 ? [[name(''), `has not answered for ${silentS} s`]] : [];
    const own = Object.entries(place.look.status.parts);
    return [...silence, ...own.map(([part, text]): [string, string] => [name(`: ${part}`), text])];
  });
  const enough = readyWith === 'one' ? places.some(isReady) : places.every(isReady);
  return { isReady: enough && !isStopping, parts: Object.fromEntries(parts) };
}

/** As the worker itself would have been shown, had it been alone. */
function lastWords(
  number: number,
  failure: Failure | undefined,
  code: number | null,
  signal: string | null,
): AppError {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const text = failure?.text ?? `worker ${number} has died again and again, last with ${how}`;
  return new AppError(failure?.code ?? 'ASSUMPTION_BROKEN', 'fatal', text);
}
