/** A worker's side of the talk with its supervisor. (When the supervisor is gone, node:cluster ends the worker at once.) */

import cluster from 'node:cluster';
import type { Server, Socket } from 'node:net';
import { AppError, shownOf } from '../errors.ts';
import { snapshotOf } from '../observability/aggregate-metrics.ts';
import type { Health } from '../observability/health.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { FromWorker, ServiceFacts, ToWorker } from './messages.ts';

/** Answers the supervisor's questions from now on. */
export function answerQueries(health: Health, metrics: Metrics): void {
  process.on('message', async (message: ToWorker) => {
    if (message.kind !== 'query') return;
    const { query } = message;
    const report = { status: health.status(), metrics: await snapshotOf(metrics) };
    void tell({ kind: 'report', query, report });
  });
}

export function announceTo(facts: ServiceFacts): Promise<void> {
  return tell({ kind: 'running', facts });
}

/** Brings connections to the server. */
export type Listen = (server: Server) => Promise<{
  readonly port: number;
  /** Settles when no more come. */
  readonly stop: () => Promise<void>;
}>;

/** Of connections that were given to it, how often it says how many of them are left. */
const openEveryMs = 50;

/** From now on the server has connections of the port that all workers share, as if it had accepted them. */
export const takeConnections: Listen = async (server) => {
  const port = Promise.withResolvers<number>();
  const last = Promise.withResolvers<void>();
  let open = 0;
  let timer: NodeJS.Timeout | undefined;
  const say = (taken: number) => {
    clearTimeout(timer);
    timer = undefined;
    void tell({ kind: 'has-connections', taken, open });
  };
  const take = (socket: Socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
      timer ??= setTimeout(say, openEveryMs, 0);
    });
    // Node makes it without what the supervisor's server has asked for.
    socket.allowHalfOpen = true;
    server.emit('connection', socket);
  };
  process.on('message', (message: ToWorker, socket: Socket | undefined) => {
    if (message.kind === 'port') port.resolve(message.port);
    else if (message.kind === 'last-connection') last.resolve();
    else if (message.kind === 'connection') {
      // Undefined where it has ended on its way.
      if (socket) take(socket);
      say(1);
    }
  });
  // By this Node's server begins to watch over the time that its connections take.
  server.emit('listening');
  void tell({ kind: 'takes-connections' });
  return {
    port: await port.promise,
    stop: () => {
      void tell({ kind: 'takes-no-connections' });
      return last.promise;
    },
  };
};

/** Leaves word to whoever takes this worker's place after its death; the last one counts. */
export function setLastWill(text: string): Promise<void> {
  return tell({ kind: 'last-will', text });
}

/** Says why this worker ends, so that it is said once, however many fail alike. */
export function reportFailure(error: unknown): Promise<void> {
  const code = error instanceof AppError ? error.code : undefined;
  return tell({ kind: 'failed', failure: { text: shownOf(error), code } });
}

function tell(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    // A supervisor that is gone needs to know nothing.
    if (cluster.worker?.isConnected()) cluster.worker.send(message, () => resolve());
    else resolve();
  });
}
