/**
 * The bridges, processors and reconcile services of the deployment, by their admin ports: asked
 * every second for readiness and metrics.
 */

import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.ts';
import { textOf } from '../http.ts';
import { type RefusalReport, refusalsTogether } from '../observability/refusals.ts';
import { type Sample, samplesOf } from './metrics-text.ts';

export type MemberSample = Sample & {
  /** The increase per second over the last seconds; 0 unless it is a counter. */
  readonly rate: number;
  /** The increase over the last minutes; 0 unless it is a counter. */
  readonly recent: number;
};

export type Member = {
  readonly address: string;
  /** bridge, processor or reconcile; undefined until it has responded once. */
  readonly service: string | undefined;
  readonly isReady: boolean;
  /** /readyz by part; empty while it cannot be reached. */
  readonly parts: Readonly<Record<string, string>>;
  /** Why it cannot be reached; undefined while it can. */
  readonly problem: string | undefined;
  readonly samples: readonly MemberSample[];
  readonly atMs: number;
};

const everyMs = 1_000;
const timeoutMs = 3_000;
/** A member answers all requests within a second from one result, so shorter rates would jump. */
const rateWindowMs = 5_000;
/** As the alert rules look back. One response in so often is kept for it. */
const recentWindowMs = 5 * 60_000;
const keptEveryMs = 10_000;
const maxMetricsBytes = 4 * 1024 * 1024;
/** A member that its name no longer leads to, such as a replaced pod, is shown for this long. */
const forgottenAfterMs = 15_000;

export class Members {
  readonly #addresses: readonly string[];
  readonly #members = new Map<string, Member>();
  /** By address: the counters of earlier responses, the oldest first. */
  readonly #past = new Map<string, readonly Counters[]>();
  readonly #stopping = new AbortController();

  /** @param addresses host:port; a name with several addresses stands for all of them */
  constructor(addresses: readonly string[]) {
    this.#addresses = addresses;
    void this.#run();
  }

  /** Returns the members as they last responded, sorted by service and address. */
  current(): readonly Member[] {
    return [...this.#members.values()].sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
  }

  /** Asks the bridges what they refused lately. */
  async refusals(): Promise<RefusalReport> {
    const bridges = this.current().filter(({ service }) => service === 'bridge');
    const reports = bridges.map(async ({ address }) => {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(`http://${address}/refusals`, { signal });
      // A bridge of an earlier version has no such path.
      if (!response.ok) throw new Error(`/refusals responded with ${response.status}`);
      return JSON.parse(await textOf(response, maxMetricsBytes)) as RefusalReport;
    });
    // A bridge that cannot be reached is a problem on the first page.
    const settled = await Promise.allSettled(reports);
    return refusalsTogether(
      settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])),
    );
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const startedAt = performance.now();
      const addresses = (await Promise.all(this.#addresses.map(resolved))).flat();
      await Promise.all(addresses.map((address) => this.#ask(address)));
      for (const [address, { atMs }] of this.#members) {
        const isListed = addresses.includes(address);
        if (isListed || Date.now() - atMs <= forgottenAfterMs) continue;
        this.#members.delete(address);
        this.#past.delete(address);
      }
      const restMs = Math.max(0, everyMs - (performance.now() - startedAt));
      await sleep(restMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #ask(address: string): Promise<void> {
    const before = this.#members.get(address);
    const atMs = Date.now();
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const [ready, metrics] = await Promise.all(
        ['readyz', 'metrics'].map((path) => fetch(`http://${address}/${path}`, { signal })),
      );
      if (!ready || !metrics?.ok) throw new Error(`/metrics responded with ${metrics?.status}`);
      const { parts = {} } = JSON.parse(await textOf(ready, maxMetricsBytes)) as Partial<Member>;
      const read = samplesOf(await textOf(metrics, maxMetricsBytes));
      const service = read.find(({ name }) => name === 'ready')?.labels['service'];
      const counters = countersOf(read, atMs);
      const past = kept(this.#past.get(address) ?? [], atMs);
      const samples = read.map((sample) => withIncreases(sample, counters, past));
      const problem = undefined;
      const isReady = ready.ok;
      this.#members.set(address, { address, service, isReady, parts, problem, samples, atMs });
      this.#past.set(address, [...past, counters]);
    } catch (error) {
      const known = before ?? { address, service: undefined, samples: [], atMs };
      const samples = known.samples.map((sample) => ({ ...sample, rate: 0, recent: 0 }));
      const gone = { isReady: false, parts: {}, samples, problem: messageOf(error) };
      this.#members.set(address, { ...known, ...gone });
    }
  }
}

const nameOf = ({ service = '', address }: Member) => `${service} ${address}`;

async function resolved(address: string): Promise<readonly string[]> {
  const [, host = '', port] = /^(.+):(\d+)$/.exec(address) ?? [];
  try {
    const found = await lookup(host.replace(/^\[|\]$/g, ''), { all: true, family: 4 });
    return found.map((one) => `${one.address}:${port}`);
  } catch {
    // The request will say what is wrong with the name.
    return [address];
  }
}

type Counters = { readonly atMs: number; readonly values: ReadonlyMap<string, number> };

const counterName = ({ name, labels }: Sample) => `${name} ${JSON.stringify(labels)}`;

function countersOf(samples: readonly Sample[], atMs: number): Counters {
  const counters = samples.filter(({ name }) => name.endsWith('_total'));
  return { atMs, values: new Map(counters.map((one) => [counterName(one), one.value])) };
}

/** Returns the responses that are needed: all of the last seconds, some of the last minutes. */
function kept(past: readonly Counters[], nowMs: number): readonly Counters[] {
  let lastKeptMs = Number.NEGATIVE_INFINITY;
  return past.filter(({ atMs }) => {
    if (atMs < nowMs - recentWindowMs) return false;
    if (atMs <= nowMs - rateWindowMs && atMs < lastKeptMs + keptEveryMs) return false;
    lastKeptMs = atMs;
    return true;
  });
}

/** Increases are 0 without an earlier response, and after a restart. */
function withIncreases(
  sample: Sample,
  { atMs, values }: Counters,
  past: readonly Counters[],
): MemberSample {
  const name = counterName(sample);
  const value = values.get(name);
  const since = (before: Counters | undefined) =>
    value === undefined || before === undefined
      ? 0
      : Math.max(0, value - (before.values.get(name) ?? 0));
  const shortly = past.find((one) => one.atMs > atMs - rateWindowMs);
  const rate = shortly === undefined ? 0 : since(shortly) / ((atMs - shortly.atMs) / 1_000);
  return { ...sample, rate, recent: since(past[0]) };
}
