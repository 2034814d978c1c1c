/** KafkaJS's own connection and broker classes, mended, against small TCP servers that misbehave. */

import { createRequire } from 'node:module';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isSilent, patchConnection } from '../../../../src/kafka/kafkajs-patches/connection.ts';
import { patchRequest } from '../../../../src/kafka/kafkajs-patches/request.ts';

const require = createRequire(import.meta.url);
patchRequest();
patchConnection();
const Connection = require('kafkajs/src/network/connection');
const ConnectionPool = require('kafkajs/src/network/connectionPool');
const Broker = require('kafkajs/src/broker');
const Encoder = require('kafkajs/src/protocol/encoder');
const socketFactory = require('kafkajs/src/network/socketFactory')();

const silence = { debug() {}, error() {}, info() {}, warn() {} };
const logger = { ...silence, namespace: () => logger };

let server: Server;
let sockets: Socket[];
/** What the server does with each request. */
let onRequest: (correlationId: number, socket: Socket) => void;

/** An answer of four bytes, the correlation id and a number. */
const answer = (correlationId: number, value: number) => {
  const bytes = Buffer.alloc(12);
  bytes.writeInt32BE(8, 0);
  bytes.writeInt32BE(correlationId, 4);
  bytes.writeInt32BE(value, 8);
  return bytes;
};

beforeEach(async () => {
  sockets = [];
  // It keeps its own end open: only the client's closing counts.
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

/** A step of SASL: KafkaJS itself reads its answer, with the length before it. */
const authenticate = (connection: { sendAuthRequest(step: object): Promise<unknown> }) =>
  connection.sendAuthRequest({
    request: { encode: async () => Buffer.alloc(12) },
    response: {
      decode: async (framed: Buffer) => ({ value: framed.readInt32BE(8) }),
      parse: async ({ value }: { value: number }) => value,
    },
  });

const tick = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('an answer that was cut off does not spoil the answers of the next connection', async () => {
  const connection = new Connection(options());
  await connection.connect();
  onRequest = (id, socket) => socket.end(answer(id, 1).subarray(0, 7));
  await expect(ask(connection)).rejects.toThrow();
  onRequest = (id, socket) => socket.write(answer(id, 2));
  await connection.connect();
  expect(await ask(connection)).toBe(2);
  await connection.disconnect();
});

test('an answer that was cut off while the client authenticates does not spoil the next attempt', async () => {
  const connection = new Connection(options());
  await connection.connect();
  onRequest = (id, socket) => socket.end(answer(id, 1).subarray(0, 7));
  await expect(authenticate(connection)).rejects.toThrow();
  onRequest = (id, socket) => socket.write(answer(id, 2));
  await connection.connect();
  expect(await authenticate(connection)).toBe(2);
  await connection.disconnect();
});

test('two who find the connection closed open one socket', async () => {
  const connection = new Connection(options());
  await Promise.all([connection.connect(), connection.connect()]);
  await tick(20);
  expect(sockets.length).toBe(1);
  await connection.disconnect();
});

test('who closes late does not close the socket that another is opening', async () => {
  const connection = new Connection(options());
  const opening = connection.connect();
  await connection.disconnect();
  await opening;
  onRequest = (id, socket) => socket.write(answer(id, 3));
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

test('a request that is not answered in time closes the connection, and the broker counts as silent until it answers', async () => {
  const connection = new Connection(options());
  await connection.connect();
  onRequest = () => {};
  await expect(ask(connection)).rejects.toMatchObject({ name: 'KafkaJSRequestTimeoutError' });
  expect(connection.isConnected()).toBe(false);
  expect(isSilent(connection)).toBe(true);
  await connection.connect();
  onRequest = (id, socket) => socket.write(answer(id, 4));
  await ask(connection);
  expect(isSilent(connection)).toBe(false);
  await connection.disconnect();
});

test('a broker that takes the connection and does not answer is not connected, by the error after which KafkaJS asks another', async () => {
  const broker = new Broker({ connectionPool: new ConnectionPool(options()), logger });
  onRequest = () => {};
  await expect(broker.connect()).rejects.toMatchObject({ name: 'KafkaJSConnectionError' });
  expect(broker.isConnected()).toBe(false);
});

test('an authentication that is under way when the connection closes ends, and the next one is a new one', async () => {
  onRequest = () => {};
  const sasl = { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: 't' }) };
  const connection = new Connection({ ...options(), sasl });
  connection.setVersions({ 17: { minVersion: 0, maxVersion: 1 } });
  // Somewhere among these the request is sent after closing has found nothing under way, and before the connection counts as closed.
  for (let turns = 0; turns < 16; turns += 1) {
    await connection.connect();
    const authenticating = connection.authenticate();
    for (let left = turns; left > 0; left -= 1) await undefined;
    const closing = connection.disconnect();
    await expect(authenticating).rejects.toThrow(/[Cc]losed|Not connected|timed out/);
    await closing;
  }
});

test('a broker that goes away during an authentication is no refusal of the credentials', async () => {
  // Answers the handshake with the mechanism, and cuts the connection at the next request.
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
