/**
 * Prepares both services: they wait for Kafka and the registry, check the topics, look up
 * the schemas.
 */

import { connectRegistry, type Registry } from '../avro/registry.ts';
import { constantBackoff, retry } from '../concurrency/retry.ts';
import { Throttle } from '../concurrency/throttle.ts';
import { withTimeout } from '../concurrency/timeout.ts';
import type { Config } from '../config/config.ts';
import type { CertificateWatch } from '../credentials/certificate-watch.ts';
import { AppError, messageOf } from '../errors.ts';
import { Admin } from '../kafka/admin.ts';
import { createClient } from '../kafka/client.ts';
import type { Log } from '../observability/log.ts';
import type { Catalog } from '../topics/catalog.ts';
import {
  accessProblems,
  bodySizeProblems,
  expectAccess,
  expectFit,
  type TopicUse,
  topicProblems,
} from '../topics/start-checks.ts';
import { expectIds, lookUpIds } from '../topics/subjects.ts';

export type Started = {
  readonly admin: Admin;
  readonly registry: Registry;
  /** Returns the registered schema id of a topic's values. */
  readonly schemaId: (topic: string) => number;
  /** Partitions of raw. */
  readonly partitions: number;
  /** Returns the partitions of another topic; 0 if it does not exist. */
  readonly partitionsOf: (topic: string | undefined) => number;
};

/** @param maxBodyBytes the size of webhook bodies that must fit into raw */
export type Needs = TopicUse & { readonly maxBodyBytes?: number };

/**
 * @throws AppError BROKER_UNAVAILABLE, REGISTRY_UNAVAILABLE, PERMISSION_MISSING, TOPIC_UNFIT or
 * SCHEMA_MISSING, with the command to run
 */
export async function start(
  config: Config<'kafka' | 'registry' | 'start'>,
  catalog: Catalog,
  { log, certificates }: { readonly log: Log; readonly certificates: CertificateWatch },
  needs: Needs,
): Promise<Started> {
  warnOfCleartext(config, log);
  const admin = await waitForKafka(config, log);
  try {
    const names = catalog.topics.map(({ name }) => name);
    const allowed = await admin.permissions(names);
    expectAccess(accessProblems(needs, allowed, admin.principal));
    const existing = await admin.describe(names);
    const { maxBodyBytes } = needs;
    expectFit([
      ...topicProblems(catalog, existing),
      ...(maxBodyBytes === undefined ? [] : bodySizeProblems(catalog, existing, maxBodyBytes)),
    ]);
    const registry = connectRegistry(config.registry, log, certificates);
    const ids = await retryAtStart(config.start, log, () => lookUpIds(registry, catalog));
    return {
      admin,
      registry,
      schemaId: expectIds(ids, config.registry.url),
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

/** Returns an admin connection as soon as Kafka responds. @throws AppError BROKER_UNAVAILABLE */
export async function waitForKafka(
  { kafka, start: limit }: Config<'kafka' | 'start'>,
  log: Log,
): Promise<Admin> {
  // One retry of KafkaJS's own: the retries here are the ones that are logged and counted.
  const impatient = createClient(kafka, log, { retries: 1 });
  const probe = await retryAtStart(limit, log, () => Admin.connect(impatient));
  await probe.close();
  return Admin.connect(createClient(kafka, log));
}

const betweenAttemptsMs = 500;
const logEveryMs = 5_000;

const hangs = 'no response yet: something accepts connections and does not respond';

/** An attempt that starts late still gets a second, so that it can report its own error. */
const leastAttemptMs = 1_000;

/** Retries what an unreachable Kafka or registry refuses, until START_TIMEOUT. */
export async function retryAtStart<T>(
  { timeoutMs }: { readonly timeoutMs: number },
  log: Log,
  run: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const leftMs = () => timeoutMs - (performance.now() - startedAt);
  const throttle = new Throttle(logEveryMs);
  const isRetriable = (error: unknown) => error instanceof AppError && error.recovery === 'retry';
  const noResponse = () => new AppError('BROKER_UNAVAILABLE', 'retry', hangs);
  const attempt = () => withTimeout(run(), Math.max(leastAttemptMs, leftMs()), noResponse);
  const logWait = (error: unknown) => {
    if (!throttle.isDue()) return;
    const left = Number.isFinite(timeoutMs) ? { leftSeconds: Math.ceil(leftMs() / 1_000) } : {};
    log.warn(left, `waiting: ${messageOf(error)}`);
  };
  return retry(attempt, {
    backoff: constantBackoff(betweenAttemptsMs),
    timeoutMs,
    isRetriable,
    beforeRetry: logWait,
  }).catch((error: unknown) => {
    if (!(error instanceof AppError) || !isRetriable(error)) throw error;
    const text = `gave up after ${timeoutMs / 1_000} s (START_TIMEOUT): ${error.message}`;
    throw new AppError(error.code, 'stop', text, error);
  });
}
