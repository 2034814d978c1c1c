/**
 * A worker's side of the messages with its supervisor. (If the supervisor dies, node:cluster ends
 * the worker at once.)
 */

import cluster from 'node:cluster';
import type { Server, Socket } from 'node:net';
import { AppError, shownOf } from '../errors.ts';
import { snapshotOf } from '../observability/aggregate-metrics.ts';
import type { Health } from '../observability/health.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RefusalReport } from '../observability/refusals.ts';
import type { FromWorker, ServiceFacts, ToWorker } from './messages.ts';

type Reported = {
  readonly health: Health;
  readonly metrics: Metrics;
  readonly refusals: () => RefusalReport;
};

/** Responds to the supervisor's queries from now on. */
export function answerQueries({ health, metrics, refusals }: Reported): void {
  process.on('message', async (message: ToWorker) => {
    if (message.kind !== 'query') return;
    const { query } = message;
    const report = {
      status: health.status(),
      metrics: await snapshotOf(metrics),
      refusals: refusals(),
    };
    void tell({ kind: 'report', query, report });
  });
}

export function announceTo(facts: ServiceFacts): Promise<void> {
  return tell({ kind: 'running', facts });
}

/** Brings connections to a server. */
export type Listen = (server: Server) => Promise<{
  readonly port: number;
  /** Settles when no more connections come. */
  readonly stop: () => Promise<void>;
}>;

/** The worker reports closed connections this often. */
const reportClosedEveryMs = 50;

/** Gives the server connections of the port that all workers share, as if it had accepted them. */
export const takeConnections: Listen = async (server) => {
  const port = Promise.withResolvers<number>();
  const last = Promise.withResolvers<void>();
  let open = 0;
  let timer: NodeJS.Timeout | undefined;
  const report = (taken: number) => {
    clearTimeout(timer);
    timer = undefined;
    void tell({ kind: 'has-connections', taken, open });
  };
  const take = (socket: Socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
      timer ??= setTimeout(report, reportClosedEveryMs, 0);
    });
    // Node creates it without the options of the supervisor's server.
    socket.allowHalfOpen = true;
    server.emit('connection', socket);
  };
  process.on('message', (message: ToWorker, socket: Socket | undefined) => {
    if (message.kind === 'port') port.resolve(message.port);
    else if (message.kind === 'last-connection') last.resolve();
    else if (message.kind === 'connection') {
      // Undefined if it was closed on its way.
      if (socket) take(socket);
      report(1);
    }
  });
  // This starts Node's checks of the time that its connections take.
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

/** Leaves a text for this worker's successor, in case the worker dies. The last one counts. */
export function setLastWill(text: string): Promise<void> {
  return tell({ kind: 'last-will', text });
}

/**
 * Reports why this worker ends, so that the supervisor shows it once, however many workers fail in
 * the same way.
 */
export function reportFailure(error: unknown): Promise<void> {
  const code = error instanceof AppError ? error.code : undefined;
  return tell({ kind: 'failed', failure: { text: shownOf(error), code } });
}

function tell(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    // Not needed without a supervisor.
    if (cluster.worker?.isConnected()) cluster.worker.send(message, () => resolve());
    else resolve();
  });
}
