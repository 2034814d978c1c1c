/**
 * Creates the configured KafkaJS client. Each consumer needs its own, because KafkaJS shares
 * committed offsets between all users of a client.
 */

import type { KafkaConfig } from '../config/config.ts';
import type { Log } from '../observability/log.ts';
import { Kafka, logLevel } from './kafkajs.ts';
import { createTokenProvider } from './oauth.ts';

export type Client = Kafka;

/** Time-out of one request. A join may take longer, by KafkaJS's own rule. */
export const requestTimeoutMs = 5_000;

/** @param retries attempts after the first one */
export function createClient(config: KafkaConfig, log: Log, retries = 60): Client {
  const { sslCa, sslCert, sslKey } = config;
  const sasl = saslOf(config);
  return new Kafka({
    clientId: config.clientId,
    brokers: [...config.brokers],
    connectionTimeout: 3_000,
    // A broker that does not respond (its host is gone, or it is stopped) is given up after this
    // time, not after KafkaJS's 30 s.
    requestTimeout: requestTimeoutMs,
    // 20, 40, 80 … 250 ms, 14 s in total: longer than Kafka needs to replace a dead broker.
    retry: { initialRetryTime: 20, maxRetryTime: 250, multiplier: 2, factor: 0.2, retries },
    ...(config.ssl
      ? {
          ssl: {
            ...(sslCa ? { ca: [sslCa] } : {}),
            ...(sslCert ? { cert: sslCert } : {}),
            ...(sslKey ? { key: sslKey } : {}),
          },
        }
      : {}),
    ...(sasl ? { sasl } : {}),
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => logEntry(log, entry),
  });
}

type KafkaJsLogEntry = {
  level: number;
  namespace: string;
  log: { message: string; error?: unknown };
};

/**
 * Lowers KafkaJS's log levels. KafkaJS logs at level error what it is about to retry, and each
 * refused request. Here a warning is something that a person should look at, and we log those
 * ourselves.
 */
function logEntry(log: Log, { level, namespace, log: { message, error } }: KafkaJsLogEntry): void {
  const facts = { kafkajs: namespace, ...(error ? { error: String(error) } : {}) };
  if (level === logLevel.ERROR && namespace !== 'Connection') log.info(facts, message);
  else log.debug(facts, message);
}

function saslOf(config: KafkaConfig) {
  const { saslMechanism, saslUsername = '', saslPassword = '' } = config;
  switch (saslMechanism) {
    case undefined:
      return undefined;
    case 'plain':
      return { mechanism: 'plain' as const, username: saslUsername, password: saslPassword };
    case 'scram-sha-256':
      return {
        mechanism: 'scram-sha-256' as const,
        username: saslUsername,
        password: saslPassword,
      };
    case 'scram-sha-512':
      return {
        mechanism: 'scram-sha-512' as const,
        username: saslUsername,
        password: saslPassword,
      };
    case 'oauthbearer':
      return {
        mechanism: 'oauthbearer' as const,
        oauthBearerProvider: createTokenProvider({
          tokenUrl: config.oauthTokenUrl ?? '',
          clientId: config.oauthClientId ?? '',
          clientSecret: config.oauthClientSecret ?? '',
        }),
      };
  }
}
