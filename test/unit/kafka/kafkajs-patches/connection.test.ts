/**
 * KafkaJS's connection, authenticator and broker, patched, against small TCP servers that
 * misbehave.
 */

import { createRequire } from 'node:module';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { patchBroker } from '../../../../src/kafka/kafkajs-patches/broker.ts';
import { joinWrites, patchConnection } from '../../../../src/kafka/kafkajs-patches/connection.ts';
import { patchSaslAuthenticator } from '../../../../src/kafka/kafkajs-patches/sasl-authenticator.ts';
import { isSilent } from '../../../../src/kafka/kafkajs-patches/silent-brokers.ts';

const require = createRequire(import.meta.url);
patchConnection();
patchSaslAuthenticator();
patchBroker();
const Connection = require('kafkajs/src/network/connection');
const ConnectionPool = require('kafkajs/src/network/connectionPool');
const Broker = require('kafkajs/src/broker');
const Encoder = require('kafkajs/src/protocol/encoder');
const socketFactory = require('kafkajs/src/network/socketFactory')();

const silence = { debug() {}, error() {}, info() {}, warn() {} };
const logger = { ...silence, namespace: () => logger };

let server: Server;
let sockets: Socket[];
/** Handles a request at the server. */
let onRequest: (correlationId: number, socket: Socket) => void;

/** A response with the correlation id and a number. */
const response = (correlationId: number, value: number) => {
  const bytes = Buffer.alloc(12);
  bytes.writeInt32BE(8, 0);
  bytes.writeInt32BE(correlationId, 4);
  bytes.writeInt32BE(value, 8);
  return bytes;
};

beforeEach(async () => {
  sockets = [];
  // The server keeps its end open, so that only the client's close counts.
  server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => onRequest(data.readInt32BE(8), socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

const options = () => ({
  host: '127.0.0.1',
  port: (server.address() as AddressInfo).port,
  logger,
  socketFactory,
  requestTimeout: 150,
  connectionTimeout: 1_000,
});

const ask = (connection: { send(request: object): Promise<unknown> }) =>
  connection.send({
    request: {
      apiKey: 18,
      apiVersion: 0,
      apiName: 'ApiVersions',
      encode: async () => new Encoder(),
    },
    response: {
      decode: async (payload: Buffer) => ({ value: payload.readInt32BE(0) }),
      parse: async ({ value }: { value: number }) => value,
    },
  });

/** Sends a SASL step, whose response KafkaJS reads with its length. */
const authenticate = (connection: { sendAuthRequest(step: object): Promise<unknown> }) =>
  connection.sendAuthRequest({
    request: { encode: async () => Buffer.alloc(12) },
    response: {
      decode: async (framed: Buffer) => ({ value: framed.readInt32BE(8) }),
      parse: async ({ value }: { value: number }) => value,
    },
  });

const tick = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('a truncated response does not spoil the responses of the next connection', async () => {
  const connection = new Connection(options());
  await connection.connect();
  onRequest = (id, socket) => socket.end(response(id, 1).subarray(0, 7));
  await expect(ask(connection)).rejects.toThrow();
  onRequest = (id, socket) => socket.write(response(id, 2));
  await connection.connect();
  expect(await ask(connection)).toBe(2);
  await connection.disconnect();
});

test('a truncated response to a SASL step does not spoil the next attempt', async () => {
  const connection = new Connection(options());
  await connection.connect();
  onRequest = (id, socket) => socket.end(response(id, 1).subarray(0, 7));
  await expect(authenticate(connection)).rejects.toThrow();
  onRequest = (id, socket) => socket.write(response(id, 2));
  await connection.connect();
  expect(await authenticate(connection)).toBe(2);
  await connection.disconnect();
});

test('two requests that find the connection closed open one socket', async () => {
  const connection = new Connection(options());
  await Promise.all([connection.connect(), connection.connect()]);
  await tick(20);
  expect(sockets.length).toBe(1);
  await connection.disconnect();
});

test('a late close does not close the socket that is being opened', async () => {
  const connection = new Connection(options());
  const opening = connection.connect();
  await connection.disconnect();
  await opening;
  onRequest = (id, socket) => socket.write(response(id, 3));
  expect(await ask(connection)).toBe(3);
  await connection.disconnect();
});

test('a closed connection is closed at both ends', async () => {
  const connection = new Connection(options());
  await connection.connect();
  await connection.disconnect();
  await tick(20);
  expect(connection.socket.destroyed).toBe(true);
});

test('a request that times out closes the connection, and the broker is silent until it responds', async () => {
  const connection = new Connection(options());
  await connection.connect();
  onRequest = () => {};
  await expect(ask(connection)).rejects.toMatchObject({ name: 'KafkaJSRequestTimeoutError' });
  expect(connection.isConnected()).toBe(false);
  expect(isSilent(connection)).toBe(true);
  await connection.connect();
  onRequest = (id, socket) => socket.write(response(id, 4));
  await ask(connection);
  expect(isSilent(connection)).toBe(false);
  await connection.disconnect();
});

test('a broker that accepts connections and does not respond is not connected', async () => {
  const broker = new Broker({ connectionPool: new ConnectionPool(options()), logger });
  onRequest = () => {};
  await expect(broker.connect()).rejects.toMatchObject({ name: 'KafkaJSConnectionError' });
  expect(broker.isConnected()).toBe(false);
});

test('an authentication ends when the connection closes, and the next one starts anew', async () => {
  onRequest = () => {};
  const sasl = { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: 't' }) };
  const connection = new Connection({ ...options(), sasl });
  connection.setVersions({ 17: { minVersion: 0, maxVersion: 1 } });
  // In one of these rounds the request is sent after closing has found nothing in flight, and
  // before the connection counts as closed.
  for (let turns = 0; turns < 16; turns += 1) {
    await connection.connect();
    const authenticating = connection.authenticate();
    for (let left = turns; left > 0; left -= 1) await undefined;
    const closing = connection.disconnect();
    await expect(authenticating).rejects.toThrow(/[Cc]losed|Not connected|timed out/);
    await closing;
  }
});

test('a connection lost during an authentication is not a refusal of the credentials', async () => {
  // The server responds to the handshake with the mechanism, and cuts the connection at the next
  // request.
  onRequest = (correlationId, socket) => {
    if (correlationId > 0) {
      socket.destroy();
      return;
    }
    const body = Buffer.concat([
      Buffer.from([0, 0, 0, 0, 0, 1, 0, 11]),
      Buffer.from('OAUTHBEARER'),
    ]);
    const head = Buffer.alloc(8);
    head.writeInt32BE(4 + body.length, 0);
    head.writeInt32BE(correlationId, 4);
    socket.write(Buffer.concat([head, body]));
  };
  const sasl = { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: 't' }) };
  const connection = new Connection({ ...options(), sasl });
  connection.setVersions({
    17: { minVersion: 0, maxVersion: 1 },
    36: { minVersion: 0, maxVersion: 1 },
  });
  connection.setSupportAuthenticationProtocol(true);
  await connection.connect();
  const error = await connection.authenticate().catch((one: Error) => one);
  expect(error.name).toBe('KafkaJSConnectionClosedError');
});

test('the writes of one turn of the event loop leave in one write, in order', async () => {
  const writes: Buffer[][] = [];
  const socket = new Writable({
    write: (chunk, _encoding, done) => {
      writes.push([chunk]);
      done();
    },
    writev: (chunks, done) => {
      writes.push(chunks.map(({ chunk }) => chunk));
      done();
    },
  });
  joinWrites(socket);
  socket.write(Buffer.from('a'));
  // Like the two requests to a coordinator: one is sent some promises after the other.
  for (let i = 0; i < 5; i += 1) await undefined;
  socket.write(Buffer.from('b'));
  await setImmediate();
  socket.write(Buffer.from('c'));
  socket.end();
  await finished(socket);
  expect(writes.map((list) => list.map(String))).toEqual([['a', 'b'], ['c']]);
});
