/**
 * Runs one service in several processes (node:cluster): as many workers as there are cores, each a
 * member of the group or a listener on the same port. The supervisor does none of the work. It
 * replaces a worker that has died or hangs, shows all of them as one, and stops them.
 */

import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { settledWithin } from '../concurrency/timeout.ts';
import { AppError } from '../errors.ts';
import {
  countersOf,
  type MetricsSnapshot,
  renderMetrics,
  snapshotOf,
} from '../observability/aggregate-metrics.ts';
import type { Status } from '../observability/health.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { type RefusalReport, refusalsTogether } from '../observability/refusals.ts';
import { type Bind, ConnectionBalancer } from './connection-balancer.ts';
import type { Failure, FromWorker, ServiceFacts, ToWorker, WorkerReport } from './messages.ts';
import { nodeFlags, type Tuning, workerEnvironment } from './node-flags.ts';
import { restartPolicy } from './restart-policy.ts';

export type SupervisorOptions = {
  readonly count: number;
  /**
   * Returns the worker's environment, for its slot (from 1) and the last will of its predecessor in
   * the slot.
   */
  readonly environmentOf: (slot: number, lastWill: string | undefined) => NodeJS.ProcessEnv;
  /** Whether the service is ready if one worker is, or only if all are. */
  readonly readyWith: 'one' | 'all';
  readonly tuning: Tuning;
  /** A worker is killed if it has not ended this long after it was told to stop. */
  readonly killAfterMs: number;
  /** Binds the port whose connections the workers share. */
  readonly bind: Bind | undefined;
  readonly log: Log;
  /** The supervisor's own metrics. */
  readonly metrics: Metrics;
};

/** One of the workers' slots: its current worker, and what is known about it. */
type Slot = {
  readonly number: number;
  worker: Worker | undefined;
  startedAtMs: number;
  respondedAtMs: number;
  report: WorkerReport | undefined;
  failure: Failure | undefined;
  /** The last will of the current worker, or of its predecessor until it leaves its own. */
  lastWill: string | undefined;
  shortLives: number;
  /** Whether the worker has said that it runs, and so receives `stop`. */
  isRunning: boolean;
  running: PromiseWithResolvers<ServiceFacts>;
};

const pollEveryMs = 5_000;

/** A query for metrics or readiness waits no longer for a busy worker; its last report is shown. */
const responseTimeoutMs = 1_000;

/**
 * An event loop that has not turned for this long hangs. (Kubernetes' defaults allow as much: three
 * probes, 10 s apart.)
 */
const hangsAfterMs = 30_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: readonly Slot[];
  readonly #balancer: ConnectionBalancer | undefined;
  readonly #ended = Promise.withResolvers<never>();
  readonly #pendingQueries = new Map<number, () => void>();
  #queries = 0;
  #isStopping = false;
  #hasAnyRun = false;
  /**
   * Counters of workers that have ended: without them sums would shrink, and look like a restart.
   */
  #past: MetricsSnapshot = [];
  #polling: NodeJS.Timeout | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.count }, (_, i) => createSlot(i + 1));
    this.#balancer = options.bind && new ConnectionBalancer(options.bind);
    this.#ended.promise.catch(() => undefined);
    cluster.setupPrimary({ execArgv: [...nodeFlags(options.tuning), ...process.execArgv] });
  }

  /** Settles when every slot has had a running worker, with the facts of the first one. */
  get running(): Promise<ServiceFacts> {
    const all = this.#slots.map(({ running }) => running.promise);
    return Promise.all(all).then(([facts]) => facts ?? {});
  }

  /** Rejects when workers die faster than replacing them could help. */
  get ended(): Promise<never> {
    return this.#ended.promise;
  }

  start(): void {
    for (const slot of this.#slots) this.#fill(slot);
    this.#polling = setInterval(() => void this.#poll(), pollEveryMs);
  }

  async status(): Promise<Status> {
    await this.#query();
    return statusOf(this.#slots, this.#options.readyWith, this.#isStopping);
  }

  /**
   * Returns the sum of all processes' metrics in Prometheus' text format.
   * @param showStatus sets the supervisor's own gauges; the workers are asked once for both
   */
  async metrics(showStatus: (status: Status) => void): Promise<string> {
    showStatus(await this.status());
    const reports = this.#slots.flatMap(({ report }) => (report ? [report.metrics] : []));
    return renderMetrics([await snapshotOf(this.#options.metrics), ...reports, this.#past]);
  }

  /** Returns what the workers refused lately; without those that have ended. */
  async refusals(): Promise<RefusalReport> {
    await this.#query();
    return refusalsTogether(this.#slots.flatMap(({ report }) => (report ? [report.refusals] : [])));
  }

  /** Tells each worker to stop, and waits until it has ended. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    clearInterval(this.#polling);
    await Promise.all(this.#slots.map((slot) => end(slot, this.#options.killAfterMs)));
    this.#balancer?.close();
  }

  #fill(slot: Slot): void {
    const { environmentOf, log } = this.#options;
    const env = { ...workerEnvironment(), ...environmentOf(slot.number, slot.lastWill) };
    const worker = cluster.fork(env);
    const now = performance.now();
    Object.assign(slot, { worker, startedAtMs: now, respondedAtMs: now, failure: undefined });
    slot.isRunning = false;
    worker.on('message', (message: FromWorker) => this.#onMessage(slot, worker, message));
    worker.on('exit', (code, signal) => void this.#onExit(slot, code, signal));
    log.debug({ worker: slot.number, workerPid: worker.process.pid }, 'a worker was started');
  }

  #onMessage(slot: Slot, worker: Worker, message: FromWorker): void {
    slot.respondedAtMs = performance.now();
    switch (message.kind) {
      case 'report':
        slot.report = message.report;
        this.#pendingQueries.get(message.query)?.();
        return;
      case 'running':
        this.#hasAnyRun = true;
        slot.isRunning = true;
        slot.running.resolve(message.facts);
        return;
      case 'last-will':
        slot.lastWill = message.text;
        return;
      case 'failed':
        slot.failure = message.failure;
        return;
      case 'takes-connections':
      case 'takes-no-connections':
      case 'has-connections':
        this.#balancer?.onMessage(worker, message).catch(this.#ended.reject);
    }
  }

  async #onExit(slot: Slot, code: number | null, signal: string | null): Promise<void> {
    const { report, failure, number, worker } = slot;
    slot.worker = undefined;
    slot.report = undefined;
    if (worker) void this.#balancer?.onExit(worker);
    if (report) this.#past = await countersOf([this.#past, report.metrics]);
    if (this.#isStopping) return;
    const { log, metrics } = this.#options;
    metrics.workerDeaths.inc();
    const restart = restartPolicy({
      hasAnyRun: this.#hasAnyRun,
      isByItself: signal === null,
      livedMs: performance.now() - slot.startedAtMs,
      shortLivesBefore: slot.shortLives,
    });
    if (restart.kind === 'give-up') {
      this.#ended.reject(errorOf(number, failure, code, signal));
      return;
    }
    const { waitMs, shortLives } = restart;
    slot.shortLives = shortLives;
    const facts = { worker: number, workerPid: worker?.process.pid, code, signal, waitMs };
    log.error({ ...facts, reason: failure?.text }, 'a worker has died and is replaced');
    await sleep(waitMs);
    if (!this.#isStopping) this.#fill(slot);
  }

  /** Gets a report from each worker. A worker that does not respond in time keeps its last one. */
  async #query(): Promise<void> {
    this.#queries += 1;
    const query = this.#queries;
    const alive = this.#slots.filter(({ worker }) => worker?.isConnected());
    const all = Promise.withResolvers<void>();
    let missing = alive.length;
    this.#pendingQueries.set(query, () => {
      missing -= 1;
      if (missing === 0) all.resolve();
    });
    for (const { worker } of alive) send(worker, { kind: 'query', query });
    if (missing > 0) await settledWithin(all.promise, responseTimeoutMs);
    this.#pendingQueries.delete(query);
  }

  /** Kills workers that hang. */
  async #poll(): Promise<void> {
    await this.#query();
    for (const { worker, respondedAtMs, number } of this.#slots) {
      const silentMs = Math.round(performance.now() - respondedAtMs);
      if (worker === undefined || silentMs < hangsAfterMs) continue;
      const facts = { worker: number, workerPid: worker.process.pid, silentMs };
      this.#options.log.error(facts, 'a worker does not respond any more and is killed');
      worker.process.kill('SIGKILL');
    }
  }
}

function createSlot(number: number): Slot {
  return {
    number,
    worker: undefined,
    startedAtMs: 0,
    respondedAtMs: 0,
    report: undefined,
    failure: undefined,
    lastWill: undefined,
    shortLives: 0,
    isRunning: false,
    running: Promise.withResolvers(),
  };
}

/** Sends a message. The death of a worker at this moment is noticed by its 'exit'. */
function send(worker: Worker | undefined, message: ToWorker): void {
  worker?.send(message, () => undefined);
}

async function end({ worker, isRunning }: Slot, killAfterMs: number): Promise<void> {
  if (worker === undefined) return;
  const exited = once(worker, 'exit');
  send(worker, { kind: 'stop' });
  // A worker that is still starting does not listen for the message, and the signal ends it. One
  // that listens ignores the signal.
  if (!isRunning) worker.process.kill('SIGTERM');
  const result = await settledWithin(exited, killAfterMs);
  if (result.kind === 'settled') return;
  worker.process.kill('SIGKILL');
  await exited;
}

/** Returns the parts of all workers, each with the worker's number. */
function statusOf(
  slots: readonly Slot[],
  readyWith: SupervisorOptions['readyWith'],
  isStopping: boolean,
): Status {
  const isReady = ({ worker, report, respondedAtMs }: Slot) =>
    worker !== undefined &&
    report?.status.isReady === true &&
    performance.now() - respondedAtMs < pollEveryMs + 2 * responseTimeoutMs;
  const enough = readyWith === 'one' ? slots.some(isReady) : slots.every(isReady);
  return {
    isReady: enough && !isStopping,
    parts: Object.fromEntries(slots.flatMap(partsOf)),
  };
}

function partsOf({ number, worker, report, respondedAtMs }: Slot): readonly [string, string][] {
  const name = `worker ${number}`;
  if (worker === undefined) return [[name, 'has died, is being replaced']];
  if (report === undefined) return [[name, 'starting']];
  const silentSeconds = Math.round((performance.now() - respondedAtMs) / 1_000);
  const silence: [string, string][] =
    silentSeconds > 1 ? [[name, `has not responded for ${silentSeconds} s`]] : [];
  const own = Object.entries(report.status.parts);
  return [...silence, ...own.map(([part, text]): [string, string] => [`${name}: ${part}`, text])];
}

/** Returns the error that the worker would have shown if it had been alone. */
function errorOf(
  number: number,
  failure: Failure | undefined,
  code: number | null,
  signal: string | null,
): AppError {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const text =
    failure?.text ?? `worker ${number} has died several times in a row, last with ${how}`;
  return new AppError(failure?.code ?? 'ASSUMPTION_BROKEN', 'stop', text);
}
