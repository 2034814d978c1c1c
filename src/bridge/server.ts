/** The HTTP server of the bridge: its connections, their limits, what is not HTTP, and how it ends. What a webhook is answered: `handle.ts`. */

import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Metrics } from '../observability/metrics.ts';
import { someTurns } from '../workers/connection-balancer.ts';
import type { Listen } from '../workers/worker.ts';
import { Connections } from './connections.ts';
import { type BridgeContext, noSource } from './context.ts';
import { FastPathConnection } from './fast-path/connection.ts';
import { type Problem, problems } from './problems.ts';
import { handle } from './request-handler.ts';
import { keepAliveMs, problemResponse, serializeResponse } from './responses.ts';

export type Bridge = {
  readonly port: number;
  /** Answers what was sent by now, then takes nothing more and closes every connection. */
  readonly close: () => Promise<void>;
};

/** Node's own limit for the request line and the headers together, given here so that nobody's NODE_OPTIONS lifts it. */
const maxHeaderSize = 16 * 1024;

export async function startBridge(
  given: Omit<BridgeContext, 'isStopping'>,
  listen: Listen,
): Promise<Bridge> {
  const { config, metrics, batcher } = given;
  const { responseTimeoutMs } = config;
  let isStopping = false;
  const context = { ...given, isStopping: () => isStopping };
  showSeries(context);
  const server = createServer({
    keepAliveTimeout: keepAliveMs,
    maxHeaderSize,
    // Whatever --insecure-http-parser in NODE_OPTIONS says.
    insecureHTTPParser: false,
    headersTimeout: responseTimeoutMs,
    // The deadline of each request ends it before; this is for what comes so slowly that even its head takes most of it.
    requestTimeout: 2 * responseTimeoutMs,
    connectionsCheckingInterval: 1_000,
  });
  const connections = new Connections(config.maxConnections);
  const toNode = beforeNode(server, (socket) => {
    if (connections.add(socket)) new FastPathConnection(socket, context, connections, toNode);
  });
  server.on('request', (request, response) => {
    connections.begin(request.socket, request);
    response.once('close', () => connections.answered(request.socket));
    void handle(request, response, context);
  });
  // RFC 9110 lets a server overlook an expectation that it does not know; Node would answer 417 by itself.
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('connect', (_, socket) => closeWith(socket, problems.wrongMethod, metrics));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // Only the error's code is looked at: the rest quotes what was received.
    if (!connections.endAfterAnswer(socket)) closeWith(socket, problemOf(error.code), metrics);
  });
  const { port, stop } = await listen(server);
  return {
    port,
    close: async () => {
      isStopping = true;
      // During the delay every response closes its connection, and load balancers see /readyz fail. Closing at once would reset what waits to be accepted, and connections that seem idle, on one of which a webhook may just have been sent.
      await sleep(config.shutdownDelayMs);
      // A process that was held up for longer than that has yet to see what came meanwhile: connections, then what they sent.
      await stop();
      await someTurns();
      server.close();
      connections.endSilent();
      await batcher.drain();
      await connections.allEnded();
    },
  };
}

/** A series that is known in advance starts at 0: an alert on its growth must see the first one. */
function showSeries({ sources, metrics }: BridgeContext): void {
  const outcomes = Object.values<Problem>(problems).map(({ slug }) => slug);
  for (const outcome of outcomes) metrics.webhooks.count(noSource, outcome, 0);
  for (const [source, secrets] of sources()) {
    for (const outcome of ['stored', 'spooled', 'aborted', ...outcomes]) {
      metrics.webhooks.count(source, outcome, 0);
    }
    for (const { name: secret } of secrets) metrics.signatures.count(source, secret, 0);
  }
}

/** From now on another has each new connection first. Returned is what Node's server does with one. */
function beforeNode(server: Server, take: (socket: Socket) => void): (socket: Socket) => void {
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

/** For what never became a request: the answer is written by hand. */
function closeWith(socket: Duplex, problem: Problem, metrics: Metrics): void {
  const wasUsed = 'bytesRead' in socket && Number(socket.bytesRead) > 0;
  if (!socket.writable || !wasUsed) {
    // Gone, or opened in advance and not used: nobody has asked anything.
    socket.destroy();
    return;
  }
  metrics.webhooks.count(noSource, problem.slug);
  socket.end(serializeResponse(problemResponse(problem), 'closes'), () => socket.destroy());
}
