/**
 * Patches `broker/saslAuthenticator`. An authentication has a time limit, and its failure settles
 * and closes the connection. KafkaJS authenticates again ten seconds before the session ends, which
 * is before every request if sessions are shorter; here a third of the session is left. And the
 * handshake waits until earlier requests are sent, because the broker refuses them between its
 * steps (ILLEGAL_SASL_STATE).
 */

import { withTimeout } from '../../concurrency/timeout.ts';
import { AppError } from '../../errors.ts';
import { explained, isRenewable } from './explain-failure.ts';
import {
  type Connection,
  connectionClosedError,
  type KafkaError,
  KafkaJSConnectionError,
  type SaslAuthenticator,
} from './internals.ts';
import { prototypeOf } from './modules.ts';
import { formatAddress } from './silent-brokers.ts';

/**
 * Longer than a token endpoint may take (`kafka/oauth.ts`), and than the requests of an
 * authentication.
 */
const authenticateTimeoutMs = 30_000;

/**
 * KafkaJS reports a connection lost during authentication as a failed authentication. That is
 * retriable.
 */
const lostConnection = /Closed connection|Connection error|Not connected|timed out/;

export function patchSaslAuthenticator(): void {
  const prototype = prototypeOf<SaslAuthenticator>('broker/saslAuthenticator');
  const { authenticate } = prototype;
  prototype.authenticate = async function patchedAuthenticate(this: SaslAuthenticator) {
    const { connection } = this;
    const work = afterSent(() => authenticate.call(this));
    try {
      await withTimeout(work, authenticateTimeoutMs, () => timeoutError(connection));
    } catch (error) {
      // The broker may wait for the second step of the handshake, and would refuse everything else.
      const text = 'Closed connection: its authentication failed';
      connection.rejectRequests(connectionClosedError(text, connection));
      await connection.disconnect();
      throw asRetriable(error, connection);
    }
    const lifetimeMs = Number(this.sessionLifetime);
    if (lifetimeMs > 0) {
      const { reauthenticationThreshold: usual } = connection;
      connection.reauthenticationThreshold = Math.min(usual, Math.floor(lifetimeMs / 3));
    }
  };
}

/**
 * Waits until requests that found the connection authenticated have been sent: they are still being
 * encoded.
 */
async function afterSent(work: () => Promise<void>): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await work();
}

/**
 * KafkaJS gives up for good on errors that it does not know. An unreachable token endpoint is like
 * an unreachable broker. A refused login too, if its credentials may be replaced meanwhile.
 */
function asRetriable(error: unknown, connection: Connection): unknown {
  if (error instanceof AppError && error.recovery === 'retry') {
    const broker = formatAddress(connection);
    const failure = new KafkaJSConnectionError(`Connection error: ${error.message}`, { broker });
    return Object.assign(failure, { cause: error });
  }
  const { name = '', message = '' } = error as KafkaError;
  const isLost = name === 'KafkaJSSASLAuthenticationError' && lostConnection.test(message);
  if (isLost) return connectionClosedError(message, connection);
  const failure = explained(error, connection);
  if (name !== 'KafkaJSSASLAuthenticationError' || !isRenewable(connection)) return failure;
  const broker = formatAddress(connection);
  return new KafkaJSConnectionError((failure as Error).message, { broker });
}

function timeoutError(connection: Connection): Error {
  const broker = formatAddress(connection);
  const text = `Connection error: ${broker} was not authenticated within ${authenticateTimeoutMs / 1_000} s`;
  return new KafkaJSConnectionError(text, { broker, code: 'ETIMEDOUT' });
}
