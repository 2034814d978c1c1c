/**
 * The bridge's HTTP server: its connections, their limits, input that is not HTTP, and the
 * shutdown.
 */

import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { someTurns } from '../workers/connection-balancer.ts';
import type { Listen } from '../workers/worker.ts';
import { Connections } from './connections.ts';
import { type BridgeContext, countOutcome, noSource } from './context.ts';
import { acceptOnFastPath } from './fast-path/fast-path.ts';
import { type Problem, problems } from './problems.ts';
import { handle } from './request-handler.ts';
import { problemResponse, serializeResponse } from './responses.ts';
import { checkTimeoutsEveryMs, keepAliveMs } from './timeouts.ts';

export type Bridge = {
  readonly port: number;
  /** Responds to what was sent by now, then accepts nothing more and closes every connection. */
  readonly close: () => Promise<void>;
};

/**
 * Node's own limit for the request line and the headers together, set here so that NODE_OPTIONS
 * cannot lift it.
 */
const maxHeaderBytes = 16 * 1024;

export async function startBridge(
  given: Omit<BridgeContext, 'isStopping'>,
  listen: Listen,
): Promise<Bridge> {
  const { config, batcher } = given;
  let isStopping = false;
  const context = { ...given, isStopping: () => isStopping };
  initializeSeries(context);
  const connections = new Connections(config.maxConnections);
  const server = createBridgeServer(context, connections);
  const toNode = interceptConnections(server, (socket) => {
    if (!connections.add(socket)) return;
    if (config.httpFastPath === 'on') acceptOnFastPath(socket, context, connections, toNode);
    else toNode(socket);
  });
  const { port, stop } = await listen(server);
  return {
    port,
    close: async () => {
      isStopping = true;
      // During the delay every response closes its connection, and load balancers see /readyz fail.
      // Closing at once would reset connections that wait to be accepted, and connections that seem
      // idle, on one of which a webhook may just have been sent.
      await sleep(config.shutdownDelayMs);
      // A process that was suspended for longer has yet to read what came meanwhile: connections,
      // then their requests.
      await stop();
      await someTurns();
      server.close();
      connections.endSilent();
      await batcher.drain();
      await connections.allEnded();
    },
  };
}

function createBridgeServer(context: BridgeContext, connections: Connections): Server {
  const { config } = context;
  const server = createServer({
    keepAliveTimeout: keepAliveMs,
    maxHeaderSize: maxHeaderBytes,
    // Whatever --insecure-http-parser in NODE_OPTIONS says.
    insecureHTTPParser: false,
    headersTimeout: config.responseTimeoutMs,
    // The deadline of each request ends it before; this is for a head that takes most of the time.
    requestTimeout: 2 * config.responseTimeoutMs,
    connectionsCheckingInterval: checkTimeoutsEveryMs,
  });
  server.on('request', (request, response) => {
    connections.begin(request.socket, request);
    response.once('close', () => connections.responded(request.socket));
    void handle(request, response, context);
  });
  // RFC 9110 allows a server to ignore an unknown expectation; Node's default is 417.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('connect', (_, socket) => closeWith(socket, problems.wrongMethod, context));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // Only the error's code is used: the rest quotes what was received.
    if (!connections.endAfterResponses(socket)) closeWith(socket, problemOf(error.code), context);
  });
  return server;
}

/**
 * Starts every series that is known in advance at 0, because an alert on its growth must see the
 * first event.
 */
function initializeSeries({ sources, metrics }: Pick<BridgeContext, 'sources' | 'metrics'>): void {
  const outcomes = Object.values<Problem>(problems).map(({ slug }) => slug);
  for (const outcome of outcomes) metrics.webhooks.count(noSource, outcome, 0);
  for (const [source, secrets] of sources()) {
    for (const outcome of ['stored', 'spooled', 'aborted', ...outcomes]) {
      metrics.webhooks.count(source, outcome, 0);
    }
    for (const { name: secret } of secrets) metrics.signatures.count(source, secret, 0);
  }
}

/** Makes `take` receive each new connection. Returns what Node's server does with one. */
function interceptConnections(
  server: Server,
  take: (socket: Socket) => void,
): (socket: Socket) => void {
  const listeners = server.listeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', take);
  return (socket) => {
    for (const listener of listeners) listener.call(server, socket);
  };
}

function problemOf(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') return problems.headersTooLarge;
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? problems.slowHead : problems.malformed;
}

/** Responds on a connection whose input never became a request, and closes it. */
function closeWith(
  socket: Duplex,
  problem: Problem,
  context: Pick<BridgeContext, 'metrics' | 'refusals'>,
): void {
  const wasUsed = 'bytesRead' in socket && Number(socket.bytesRead) > 0;
  if (!socket.writable || !wasUsed) {
    // Closed, or opened in advance and never used: there is no request to respond to.
    socket.destroy();
    return;
  }
  countOutcome(context, problem, noSource, () => undefined);
  socket.end(serializeResponse(problemResponse(problem), 'close'), () => socket.destroy());
}
