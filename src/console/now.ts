/**
 * The state of the deployment now, from the metrics of its members: the flow with its rates, the
 * problems, and when each problem began.
 */

import type { Member, MemberSample } from './members.ts';

export type Flow = {
  /** Per second. */
  readonly received: number;
  readonly refused: number;
  readonly forwarded: number;
  readonly deadLettered: number;
  /** Per second, by topic. */
  readonly topics: ReadonlyMap<string, number>;
  readonly lagRecords: number;
  readonly lagSeconds: number;
  readonly spooled: number;
  readonly spoolAgeSeconds: number;
  readonly openTransactionSeconds: number;
  readonly bridges: number;
  readonly processors: number;
  readonly readyBridges: number;
  readonly readyProcessors: number;
  /** As the bridge that asks says; undefined if none asks. */
  readonly webhook: string | undefined;
};

export type Problem = {
  /** Tells the same problem from another one. */
  readonly id: string;
  readonly text: string;
  /** Path of the page that has more about it. */
  readonly page: string;
};

/** Returns the values of a metric of all members. */
function valuesOf(members: readonly Member[], name: string): readonly number[] {
  return samplesOf(members, name).map(({ value }) => value);
}

/** Returns the sum of a metric over all members. */
export function sumOf(members: readonly Member[], name: string): number {
  return sum(valuesOf(members, name));
}

/** Returns the samples of a metric of all members. */
export function samplesOf(members: readonly Member[], name: string): readonly MemberSample[] {
  return members.flatMap(({ samples }) => samples.filter((one) => one.name === name));
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const most = (values: readonly number[]) => Math.max(0, ...values);

/** Returns the rates of a counter, or its increases over the last minutes, by one of its labels. */
function sumBy(members: readonly Member[], name: string, label: string, of: 'rate' | 'recent') {
  const sums = new Map<string, number>();
  for (const { labels, [of]: value } of samplesOf(members, name)) {
    const group = labels[label] ?? '';
    sums.set(group, (sums.get(group) ?? 0) + value);
  }
  return sums;
}

/** Outcomes of webhooks that were acknowledged. */
export const accepted: ReadonlySet<string> = new Set(['stored', 'spooled']);

export function flowOf(members: readonly Member[]): Flow {
  const outcomes = [...sumBy(members, 'webhooks_received_total', 'outcome', 'rate')];
  const decisions = sumBy(members, 'events_total', 'outcome', 'rate');
  const of = (service: string) => members.filter((one) => one.service === service);
  const ready = (service: string) => of(service).filter(({ isReady }) => isReady).length;
  const about = members.flatMap(({ parts }) =>
    Object.entries(parts).filter(([part]) => /(^|: )webhook$/.test(part)),
  );
  return {
    received: sum(outcomes.filter(([name]) => accepted.has(name)).map(([, rate]) => rate)),
    refused: sum(outcomes.filter(([name]) => !accepted.has(name)).map(([, rate]) => rate)),
    forwarded: decisions.get('forward') ?? 0,
    deadLettered: decisions.get('dead-letter') ?? 0,
    topics: sumBy(members, 'records_out_total', 'topic', 'rate'),
    lagRecords: sumOf(members, 'consumer_lag_records'),
    lagSeconds: most(valuesOf(members, 'consumer_lag_seconds')),
    spooled: sumOf(members, 'spool_webhooks'),
    spoolAgeSeconds: most(valuesOf(members, 'spool_oldest_age_seconds')),
    openTransactionSeconds: most(valuesOf(members, 'open_transaction_seconds')),
    bridges: of('bridge').length,
    processors: of('processor').length,
    readyBridges: ready('bridge'),
    readyProcessors: ready('processor'),
    webhook: about.map(([, text]) => text).find((text) => !text.startsWith('another bridge')),
  };
}

/** The limits of the alert rules (deploy/helm/voucherbus/files/alerts.yaml). */
const lagLimitSeconds = 30;
const openTransactionLimitSeconds = 20;

type Check = readonly [isWrong: boolean, id: string, text: string, page: string];

/** Returns what is wrong now, the most important first. */
export function problemsOf(members: readonly Member[]): readonly Problem[] {
  return [
    ...members.map(memberCheck),
    ...flowChecks(members),
    ...webhookChecks(members),
    ...vendorChecks(members),
  ]
    .filter(([isWrong]) => isWrong)
    .map(([, id, text, page]) => ({ id, text, page }));
}

function memberCheck({ address, service, isReady, parts, problem: gone }: Member): Check {
  const name = `${service ?? 'a member'} ${address}`;
  const reasons = Object.entries(parts)
    .filter(([, text]) => text !== 'ready')
    .map(([part, text]) => `${part}: ${text}`);
  const text =
    gone === undefined ? `is not ready (${reasons.join('; ')})` : `cannot be reached: ${gone}`;
  return [!isReady, `member ${address}`, `${name} ${text}`, '/members'];
}

const failing = (members: readonly Member[], name: string) => most(valuesOf(members, name)) > 0;
const counted = (count: number, name: string) => `${count} ${name}${count === 1 ? '' : 's'}`;

function flowChecks(members: readonly Member[]): readonly Check[] {
  const flow = flowOf(members);
  const [lag, open] = [Math.round(flow.lagSeconds), Math.round(flow.openTransactionSeconds)];
  const hasBridge = members.some(({ service }) => service === 'bridge');
  const missing = most(valuesOf(members, 'raw_partitions')) - sumOf(members, 'assigned_partitions');
  const letters = sumBy(members, 'events_total', 'outcome', 'recent').get('dead-letter') ?? 0;
  const ofLetters = `${counted(letters, 'event')} became dead letters within five minutes`;
  const ofSpool = `${counted(flow.spooled, 'webhook')} on the bridge's disk wait for Kafka`;
  return [
    [!hasBridge, 'no-bridge', 'no bridge responds: see CONSOLE_MEMBERS', '/members'],
    [missing > 0, 'no-owner', `without a processor: ${counted(missing, 'partition')}`, '/members'],
    [lag > lagLimitSeconds, 'lag', `events wait for ${lag} s`, '/members'],
    [
      open > openTransactionLimitSeconds,
      'open',
      `an open transaction hides records for ${open} s`,
      '/members',
    ],
    [flow.spooled > 0, 'spool', ofSpool, '/members'],
    [letters > 0, 'letters', ofLetters, '/dead-letters'],
  ];
}

function webhookChecks(members: readonly Member[]): readonly Check[] {
  const refused = sumBy(members, 'webhooks_received_total', 'outcome', 'recent');
  const foreign = refused.get('wrong-signature') ?? 0;
  const unstored = refused.get('not-stored') ?? 0;
  const ofForeign = `signed with another secret: ${counted(foreign, 'webhook')}`;
  const ofUnstored = `503 for ${counted(unstored, 'webhook')}: Kafka was too slow or unreachable`;
  const isStale = failing(members, 'reload_failing');
  return [
    [foreign > 0, 'signature', ofForeign, '/refused'],
    [unstored > 0, 'unstored', ofUnstored, '/refused'],
    [isStale, 'reload', 'a changed file of routes or secrets cannot be used', '/members'],
  ];
}

function vendorChecks(members: readonly Member[]): readonly Check[] {
  const { webhook = 'not active' } = flowOf(members);
  const isWrong = valuesOf(members, 'webhook_configured').includes(0);
  const missing = sumOf(members, 'reconcile_missing');
  const isUnknown = failing(members, 'reconcile_failing');
  return [
    [isWrong, 'webhook', `Voucherify's webhook: ${webhook}`, '/gaps'],
    [missing > 0, 'missing', `${missing} publications have not reached us`, '/gaps'],
    [isUnknown, 'reconcile', 'it is not known whether publications are missing', '/gaps'],
  ];
}

/** Remembers since when each problem is there, and the rates of the last minutes. */
export class Watch {
  readonly #since = new Map<string, number>();
  readonly #received: number[] = [];
  readonly #seenAtMs = new Map<string, number>();

  /** Call it every second. */
  observe(members: readonly Member[], nowMs: number): void {
    this.#received.push(flowOf(members).received);
    if (this.#received.length > historySeconds) this.#received.shift();
    for (const { id } of problemsOf(members)) {
      if (!this.#since.has(id)) this.#since.set(id, nowMs);
      this.#seenAtMs.set(id, nowMs);
    }
    for (const [id, seenAtMs] of this.#seenAtMs) {
      // A rate that is zero for a second does not end a problem.
      if (nowMs - seenAtMs < endedAfterMs) continue;
      this.#since.delete(id);
      this.#seenAtMs.delete(id);
    }
  }

  /** Milliseconds since 1970; undefined for a problem of this moment. */
  sinceOf({ id }: Problem): number | undefined {
    return this.#since.get(id);
  }

  /** Webhooks received per second, the newest last. */
  get received(): readonly number[] {
    return this.#received;
  }
}

const historySeconds = 180;
const endedAfterMs = 15_000;
