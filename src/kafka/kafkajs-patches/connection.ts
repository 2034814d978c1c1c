/**
 * Six faults of KafkaJS's connections, which show when a broker dies, hangs, or cuts a connection:
 *
 * 1. The first part of an answer whose rest never came stays in the buffer and is put before the answers of the next connection
 *    (connection.js:121, never cleared): everything after is misread.
 * 2. Two requests that find the connection closed open two sockets; one is never closed (connectionPool.js:54). Who closes it late closes the
 *    socket that another is opening, who then waits for the connection's time-out (connection.js:297). And the socket is only half closed:
 *    what it still receives is read as part of the next connection's answers (connection.js:305). Here one opens, one closes, each wholly.
 * 3. A request that is not answered in time leaves the connection in use, and every later request waits as long (requestQueue:137). Java's
 *    client closes it, and so does this.
 * 4. A broker that takes the connection and does not answer the first request counts as connected from then on, and whatever is asked of it
 *    fails with a plain Error "Broker not connected" (broker/index.js:14 and 68). Here it is not connected, and another is asked.
 *
 * 5. A request that is sent while the connection is closing is never settled: nothing tells its age any more, and its socket is gone
 *    (connection.js:225). If it is a SaslHandshake, the authentication that all share never ends, and every later connection waits for it: after
 *    an outage of the token endpoint a client never came back. Here closing settles whatever is left, and closing and authenticating have limits.
 *
 * 6. It authenticates again ten seconds before the session ends, so before each request where a session is shorter; and requests that were under
 *    way to the socket reach the broker in the middle of the handshake, which refuses them (ILLEGAL_SASL_STATE). Here a third of the session is
 *    left, and the handshake waits for what is being sent.
 *
 * What was seen to fail is remembered for the whole process (`isSilent`), so that other connections ask that broker last.
 */

import type { Socket } from 'node:net';
import { AppError } from '../../errors.ts';
import { requirePart } from './modules.ts';
import { forgetReceived, joinWrites } from './request.ts';

type Connection = {
  readonly host: string;
  readonly port: number;
  socket: Socket | undefined;
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
  connect(): Promise<true>;
  disconnect(): Promise<true>;
  send(request: object): Promise<unknown>;
  rejectRequests(error: Error): void;
};

type Broker = {
  isConnected(): boolean;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  readonly brokerAddress: string;
};

type SaslAuthenticator = {
  readonly connection: Connection & { reauthenticationThreshold: number };
  /** Milliseconds, once it is authenticated; '0' without a limit. */
  readonly sessionLifetime: string;
  authenticate(): Promise<void>;
};

type ErrorClass = new (message: string, facts: object) => Error;

const { KafkaJSConnectionError, KafkaJSConnectionClosedError } = requirePart(
  'kafkajs/src/errors',
) as Record<'KafkaJSConnectionError' | 'KafkaJSConnectionClosedError', ErrorClass>;

/** Of the number that says how long an answer is. */
const lengthBytes = 4;

/** A broker that did not answer counts as silent for so long, or until it answers. */
const silentForMs = 10_000;
const silentSince = new Map<string, number>();

type Address = { readonly host: string; readonly port: number };
const addressOf = ({ host, port }: Address) => `${host}:${port}`;

export function isSilent(address: Address): boolean {
  const since = silentSince.get(addressOf(address));
  return since !== undefined && performance.now() - since < silentForMs;
}

/** A join may take as long as a rebalance. */
const closeLimitMs = 70_000;
/** Longer than a token endpoint may take (`oauth.ts`), and than the requests of an authentication. */
const authenticateLimitMs = 30_000;

const isTimeout = (error: unknown) =>
  error instanceof Error && error.name === 'KafkaJSRequestTimeoutError';

export function patchConnection(): void {
  const connection = (requirePart('kafkajs/src/network/connection') as { prototype: Connection })
    .prototype;
  connection.connect = connectOnce(connection.connect);
  connection.disconnect = closeWholly(connection.disconnect);
  connection.send = closeOnTimeout(connection.send);
  const authenticator = requirePart('kafkajs/src/broker/saslAuthenticator') as {
    prototype: SaslAuthenticator;
  };
  authenticator.prototype.authenticate = authenticateInTime(authenticator.prototype.authenticate);
  const broker = (requirePart('kafkajs/src/broker') as { prototype: Broker }).prototype;
  connectBroker(broker);
}

const opening = new WeakMap<Connection, Promise<true>>();
const closing = new WeakMap<Connection, Promise<true>>();

function connectOnce(connect: Connection['connect']): Connection['connect'] {
  const open = async (connection: Connection) => {
    await closing.get(connection);
    connection.chunks = [];
    connection.bytesBuffered = 0;
    connection.bytesNeeded = lengthBytes;
    forgetReceived(connection);
    try {
      const isOpen = await connect.call(connection);
      if (connection.socket) joinWrites(connection.socket);
      return isOpen;
    } catch (error) {
      connection.socket?.destroy();
      silentSince.set(addressOf(connection), performance.now());
      throw error;
    } finally {
      opening.delete(connection);
    }
  };
  return async function connecting(this: Connection) {
    if (this.isConnected()) return true;
    const mine = opening.get(this) ?? open(this);
    opening.set(this, mine);
    return mine;
  };
}

function closeWholly(disconnect: Connection['disconnect']): Connection['disconnect'] {
  const close = async (connection: Connection): Promise<true> => {
    const { socket, host, port } = connection;
    const settleRest = () =>
      connection.rejectRequests(
        new KafkaJSConnectionClosedError('Closed connection', { host, port }),
      );
    // It waits for requests under way: each has its own time-out, and this is longer.
    const timer = setTimeout(settleRest, closeLimitMs);
    try {
      await disconnect.call(connection);
    } finally {
      clearTimeout(timer);
      settleRest();
      socket?.destroy();
      closing.delete(connection);
    }
    return true;
  };
  return async function disconnecting(this: Connection) {
    // Whoever failed with the connection before must not close the one that another is opening.
    if (opening.has(this)) return true;
    const mine = closing.get(this) ?? close(this);
    closing.set(this, mine);
    return mine;
  };
}

/** KafkaJS reports a connection lost during authentication as a failed authentication. That is retriable. */
const brokenOff = /Closed connection|Connection error|Not connected|timed out/;

/** KafkaJS gives up for good on errors that it does not know; a token endpoint that is away is like a broker that is away. */
function asConnectionError(error: AppError, connection: Connection): Error {
  const broker = addressOf(connection);
  const failure = new KafkaJSConnectionError(`Connection error: ${error.message}`, { broker });
  return Object.assign(failure, { cause: error });
}

/** Requests that found the connection authenticated are still being encoded: they must be sent before the handshake, not between its two steps. */
async function alone(work: () => Promise<void>): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  await work();
}

function authenticateInTime(authenticate: SaslAuthenticator['authenticate']) {
  return async function authenticating(this: SaslAuthenticator): Promise<void> {
    const { connection } = this;
    const { host, port } = connection;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const text = `Connection error: ${addressOf(connection)} was not authenticated within ${authenticateLimitMs / 1_000} s`;
      late.reject(
        new KafkaJSConnectionError(text, { broker: addressOf(connection), code: 'ETIMEDOUT' }),
      );
    }, authenticateLimitMs);
    const work = alone(() => authenticate.call(this));
    work.catch(() => undefined); // after the limit nobody waits for it
    try {
      await Promise.race([work, late.promise]);
      const lifetimeMs = Number(this.sessionLifetime);
      if (lifetimeMs > 0) {
        const { reauthenticationThreshold: usual } = connection;
        connection.reauthenticationThreshold = Math.min(usual, Math.floor(lifetimeMs / 3));
      }
    } catch (error) {
      // The broker may wait for the second step of the handshake, and would refuse everything else.
      const text = 'Closed connection: its authentication failed';
      connection.rejectRequests(new KafkaJSConnectionClosedError(text, { host, port }));
      await connection.disconnect();
      if (error instanceof AppError && error.recovery === 'retry')
        throw asConnectionError(error, connection);
      const { name = '', message = '' } = error as Error;
      if (name !== 'KafkaJSSASLAuthenticationError' || !brokenOff.test(message)) throw error;
      throw new KafkaJSConnectionClosedError(message, { host, port });
    } finally {
      clearTimeout(timer);
    }
  };
}

function closeOnTimeout(send: Connection['send']): Connection['send'] {
  return async function sending(this: Connection, request) {
    const { socket } = this;
    try {
      const answer = await send.call(this, request);
      if (silentSince.size > 0) silentSince.delete(addressOf(this));
      return answer;
    } catch (error) {
      if (isTimeout(error)) silentSince.set(addressOf(this), performance.now());
      // Another request may have closed it already, and a new socket be in its place.
      if (isTimeout(error) && this.socket === socket && this.isConnected()) {
        const { host, port } = this;
        const text = 'Closed connection: a request was not answered in time';
        this.rejectRequests(new KafkaJSConnectionClosedError(text, { host, port }));
        await this.disconnect();
      }
      throw error;
    }
  };
}

function connectBroker(broker: Broker): void {
  /** Those whose first request was answered. */
  const ready = new WeakSet<Broker>();
  const { isConnected, connect, disconnect } = broker;
  broker.isConnected = function isReady(this: Broker) {
    return ready.has(this) && isConnected.call(this);
  };
  broker.connect = async function connecting(this: Broker) {
    try {
      await connect.call(this);
      ready.add(this);
    } catch (error) {
      await this.disconnect();
      if (!isTimeout(error)) throw error;
      // By this name KafkaJS knows that it is to ask another.
      const text = `Connection error: ${this.brokerAddress} takes connections and does not answer`;
      throw new KafkaJSConnectionError(text, { broker: this.brokerAddress, code: 'ETIMEDOUT' });
    }
  };
  broker.disconnect = function disconnecting(this: Broker) {
    ready.delete(this);
    return disconnect.call(this);
  };
}
