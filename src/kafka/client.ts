/**
 * Creates the configured KafkaJS client. Each consumer needs its own, because KafkaJS shares
 * committed offsets between all users of a client.
 */

import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { KafkaConfig } from '../config/config.ts';
import type { CertificateWatch } from '../credentials/certificate-watch.ts';
import { TlsMaterial } from '../credentials/tls.ts';
import type { Log } from '../observability/log.ts';
import { type ISocketFactory, Kafka, logLevel } from './kafkajs.ts';
import { principalOf, saslOf } from './sasl.ts';

export type Client = Kafka & {
  /** The principal that ACLs name, for messages. */
  readonly principal: string;
};

/** Time-out of one request. A join may take longer, by KafkaJS's own rule. */
export const requestTimeoutMs = 5_000;

type Options = {
  /** Attempts after the first one. */
  readonly retries?: number;
  readonly certificates?: CertificateWatch | undefined;
};

export function createClient(config: KafkaConfig, log: Log, options: Options = {}): Client {
  const { retries = 60, certificates } = options;
  const sasl = saslOf(config, log);
  const kafka = new Kafka({
    clientId: config.clientId,
    brokers: [...config.brokers],
    connectionTimeout: 3_000,
    // A broker that does not respond (its host is gone, or it is stopped) is given up after this
    // time, not after KafkaJS's 30 s.
    requestTimeout: requestTimeoutMs,
    // 20, 40, 80 … 250 ms, 14 s in total: longer than Kafka needs to replace a dead broker.
    retry: { initialRetryTime: 20, maxRetryTime: 250, multiplier: 2, factor: 0.2, retries },
    ssl: config.ssl,
    ...(sasl ? { sasl } : {}),
    socketFactory: createSocketFactory(config, log, certificates),
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => logEntry(log, entry),
  });
  return Object.assign(kafka, { principal: principalOf(config) });
}

/** The kernel finds out within minutes that a silent connection is dead. */
const keepAliveDelayMs = 60_000;

/** Opens the connections, with the certificates as their files are at that time. */
function createSocketFactory(
  { ssl, sslCa, sslCert, sslKey, sslKeyPassphrase }: KafkaConfig,
  log: Log,
  certificates: CertificateWatch | undefined,
): ISocketFactory {
  const files = { ca: sslCa, cert: sslCert, key: sslKey, passphrase: sslKeyPassphrase };
  const material = new TlsMaterial(files, { peer: 'kafka', log, certificates });
  const open: ISocketFactory = ({ host, port, onConnect }) => {
    if (!ssl) return connectTcp({ host, port }, onConnect);
    const name = isIP(host) ? {} : { servername: host };
    const socket = connectTls({ host, port, ...name, ...material.current() }, onConnect);
    return material.watch(socket, `${host}:${port}`);
  };
  return (args) => open(args).setKeepAlive(true, keepAliveDelayMs);
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
