/** Replaces KafkaJS's text of a failed connection by a sentence that says what to do. */

import { explainConnection } from '../../credentials/explain.ts';
import type { Address, Connection, KafkaError } from './internals.ts';
import { formatAddress } from './silent-brokers.ts';

/** Connections whose broker has responded to ApiVersions, which needs no login. */
const greeted = new WeakSet<Connection>();
/** Connections whose broker has responded to another request. */
const served = new WeakSet<Connection>();

type SentRequest = { readonly request: { readonly apiName: string } };

export function noteResponse(connection: Connection, { request }: SentRequest): void {
  if (served.has(connection)) return;
  (request.apiName === 'ApiVersions' ? greeted : served).add(connection);
}

type Login = {
  readonly mechanism: string;
  readonly username?: string;
  /** Whether the credentials may change while the service runs. */
  readonly isRenewable?: boolean;
};

/** Returns whether a refused login may succeed later: its credentials may be replaced. */
export function isRenewable({ sasl }: Pick<Connection, 'sasl'>): boolean {
  return (sasl as Login | undefined)?.isRenewable === true;
}

/**
 * Returns the error with the sentence in place of its message, if one is known. Its name and type
 * stay, because KafkaJS decides by them.
 */
export function explained<E>(error: E, connection: Address & { readonly sasl?: unknown }): E {
  if (!(error instanceof Error)) return error;
  const text = sentenceFor(error as KafkaError, connection);
  return text === undefined ? error : withText(error, text);
}

function sentenceFor(
  error: KafkaError,
  connection: Address & { readonly sasl?: unknown },
): string | undefined {
  const { message = '', type, name } = error;
  const broker = formatAddress(connection);
  const login = connection.sasl as Login | undefined;
  const mechanism = login?.mechanism.toUpperCase();
  if (/mechanism is not supported/.test(message) || type === 'UNSUPPORTED_SASL_MECHANISM') {
    return `the broker ${broker} does not offer SASL ${mechanism} on this port: set KAFKA_SASL_MECHANISM to one of its sasl.enabled.mechanisms`;
  }
  if (type === 'ILLEGAL_SASL_STATE') {
    return `the broker ${broker} expects no SASL on this port: use its SASL port, or unset KAFKA_SASL_MECHANISM`;
  }
  if (name === 'KafkaJSSASLAuthenticationError') return refusedLogin(broker, login, message);
  return explainConnection(message, { name: broker, role: 'the broker', prefix: 'KAFKA_SSL' });
}

function refusedLogin(broker: string, login: Login | undefined, message: string): string {
  const mechanism = login?.mechanism.toUpperCase();
  if (mechanism === 'OAUTHBEARER') {
    return `the broker ${broker} refuses the token (${message.slice(0, 300)}): check its audience, scope, issuer and principal against the broker's sasl.oauthbearer.* settings`;
  }
  return `the broker ${broker} refuses the login of ${login?.username} by SASL ${mechanism}: check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD, and that this user exists for this mechanism`;
}

/**
 * Returns the error of a connection that the broker has closed without a word, with what its
 * silence means.
 */
export function explainedClosing<E>(error: E, connection: Connection): E {
  const { name, message = '' } = error as KafkaError;
  if (name !== 'KafkaJSConnectionClosedError' || message !== 'Closed connection') return error;
  if (served.has(connection)) return error;
  const broker = formatAddress(connection);
  if (!greeted.has(connection) && !connection.ssl) {
    return withText(
      error,
      `the broker ${broker} closes the connection without a response: it may expect TLS on this port (KAFKA_SSL=true), or be no Kafka broker`,
    );
  }
  if (greeted.has(connection) && !connection.sasl) {
    return withText(
      error,
      `the broker ${broker} closes the connection at the first request: it may expect a login on this port (KAFKA_SASL_MECHANISM)`,
    );
  }
  return error;
}

const withText = <E>(error: E, message: string): E =>
  Object.assign(error as object, { message }) as E;
