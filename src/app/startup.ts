/** What both services do before they run: wait for Kafka and the registry, then check the topics and look the schemas up. */

import { setTimeout as sleep } from 'node:timers/promises';
import { connectRegistry, type Registry } from '../avro/registry.ts';
import type { Config } from '../config/config.ts';
import { AppError, messageOf } from '../errors.ts';
import { type Admin, connectAdmin } from '../kafka/admin.ts';
import { createClient } from '../kafka/client.ts';
import type { Log } from '../observability/log.ts';
import { type Catalog, subjectOf } from '../topics/catalog.ts';
import {
  type Access,
  accessProblems,
  bodySizeProblems,
  topicProblems,
} from '../topics/start-checks.ts';
import { lookUpIds } from '../topics/subjects.ts';

export type Started = {
  readonly admin: Admin;
  readonly registry: Registry;
  /** The registered schema id of a topic's values. */
  readonly schemaId: (topic: string) => number;
  readonly partitions: number;
  /** Of another topic; 0 where it does not exist. */
  readonly partitionsOf: (topic: string | undefined) => number;
};

/** @param maxBodyBytes of webhooks that are to fit into raw */
export type Needs = Access & { readonly maxBodyBytes?: number };

/** @throws AppError BROKER_UNAVAILABLE, REGISTRY_UNAVAILABLE, TOPIC_UNFIT or SCHEMA_MISSING, with the command to run */
export async function start(
  config: Config<'kafka' | 'registry' | 'start'>,
  catalog: Catalog,
  log: Log,
  needs: Needs,
): Promise<Started> {
  warnOfCleartext(config, log);
  const admin = await waitForKafka(config, log);
  try {
    const existing = await admin.describe(catalog.topics.map(({ name }) => name));
    const names = catalog.topics.map(({ name }) => name);
    const { maxBodyBytes } = needs;
    const problems = [
      ...topicProblems(catalog, existing),
      ...(maxBodyBytes === undefined ? [] : bodySizeProblems(catalog, existing, maxBodyBytes)),
      ...accessProblems(needs, await admin.identify(names)),
    ];
    if (problems.length > 0) throw unfit(problems);
    const registry = connectRegistry(config.registry);
    const ids = await retryAtStart(config.start, log, () => lookUpIds(registry, catalog));
    const missing = [...ids].filter(([, id]) => id === undefined).map(([topic]) => topic);
    if (missing.length > 0) throw schemaMissing(missing, config.registry.url);
    return {
      admin,
      registry,
      schemaId: (topic) => ids.get(topic) ?? -1,
      partitions: existing.get(catalog.raw)?.partitions ?? 0,
      partitionsOf: (topic) => existing.get(topic ?? '')?.partitions ?? 0,
    };
  } catch (error) {
    await admin.close();
    throw error;
  }
}

/** Warns if credentials cross the network unencrypted. */
function warnOfCleartext({ kafka, registry }: Config<'kafka' | 'registry'>, log: Log): void {
  const { saslMechanism, ssl } = kafka;
  if (!ssl && (saslMechanism === 'plain' || saslMechanism === 'oauthbearer')) {
    const text = `credentials (KAFKA_SASL_MECHANISM ${saslMechanism}) are sent to Kafka unencrypted: set KAFKA_SSL`;
    log.warn(text);
  }
  if (registry.url.startsWith('http:') && (registry.password || registry.token)) {
    log.warn('credentials are sent to the schema registry unencrypted: use an https:// address');
  }
}

/** An admin connection, waited for. @throws AppError BROKER_UNAVAILABLE */
export async function waitForKafka(
  { kafka, start: limit }: Config<'kafka' | 'start'>,
  log: Log,
): Promise<Admin> {
  // One retry: whoever waits should say so early, and the loop here is the one that is counted.
  const quick = createClient(kafka, log, 1);
  const probe = await retryAtStart(limit, log, () => connectAdmin(quick));
  await probe.close();
  return connectAdmin(createClient(kafka, log));
}

const betweenAttemptsMs = 500;
const sayAgainAfterMs = 5_000;

/** Repeats what a world that is not there yet refuses, until START_TIMEOUT. */
export async function retryAtStart<T>(
  { timeoutMs }: { readonly timeoutMs: number },
  log: Log,
  run: () => Promise<T>,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (let saidAt = 0; ; ) {
    try {
      return await before(deadline, run());
    } catch (error) {
      const isRetriable = error instanceof AppError && error.recovery === 'retry';
      if (!isRetriable || Date.now() >= deadline) {
        throw isRetriable ? gaveUp(error, timeoutMs) : error;
      }
      if (Date.now() - saidAt >= sayAgainAfterMs) {
        saidAt = Date.now();
        const left = Number.isFinite(deadline)
          ? { leftSeconds: Math.ceil((deadline - saidAt) / 1_000) }
          : {};
        log.warn(left, `waiting: ${messageOf(error)}`);
      }
      await sleep(betweenAttemptsMs);
    }
  }
}

/** Rejects at the deadline if the attempt is still pending. */
async function before<T>(deadline: number, work: Promise<T>): Promise<T> {
  if (!Number.isFinite(deadline)) return work;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new AppError('BROKER_UNAVAILABLE', 'retry', 'no answer yet')),
    // An attempt that starts late still gets a second, so that it can report its own error.
    Math.max(1_000, deadline - Date.now()),
  );
  work.catch(() => undefined); // nobody waits for it then
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}

function gaveUp(error: AppError, timeoutMs: number): AppError {
  const text = `gave up after ${timeoutMs / 1_000} s (START_TIMEOUT): ${error.message}`;
  return new AppError(error.code, 'stop', text, error);
}

function unfit(problems: readonly string[]): AppError {
  const lines = [
    'the topics are not fit to start:',
    ...problems.map((problem) => `  ${problem}`),
    'Run `voucherbus topics plan` to see what would change, `voucherbus topics apply` to change it.',
  ];
  return new AppError('TOPIC_UNFIT', 'stop', lines.join('\n'));
}

function schemaMissing(topics: readonly string[], url: string): AppError {
  const lines = [
    `schemas of this version are not registered at ${url}:`,
    ...topics.map((topic) => `  ${subjectOf(topic)}`),
    'Run `voucherbus schemas check` to see whether they fit, `voucherbus schemas register` to register them.',
  ];
  return new AppError('SCHEMA_MISSING', 'stop', lines.join('\n'));
}
