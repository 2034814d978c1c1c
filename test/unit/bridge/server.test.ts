import { once } from 'node:events';
import { connect, type Server } from 'node:net';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { BridgeContext } from '../../../src/bridge/context.ts';
import { startBridge } from '../../../src/bridge/server.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';
import { Tracing } from '../../../src/observability/tracing.ts';
import type { Listen } from '../../../src/workers/worker.ts';

const listen: Listen = async (server: Server) => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as { port: number };
  return { port, stop: async () => {} };
};

/** A bridge whose connections never time out. */
const context = (httpFastPath: 'on' | 'off') =>
  ({
    config: { httpFastPath, responseTimeoutMs: 3_600_000, maxConnections: 10, shutdownDelayMs: 0 },
    sources: () => new Map(),
    batcher: { drain: async () => {} },
    log: pino({ level: 'silent' }),
    metrics: createMetrics({ version: 'test' }),
    tracing: new Tracing(),
  }) as unknown as BridgeContext;

test.each(['on', 'off'] as const)(
  'a stopping bridge does not wait for a silent connection (HTTP_FAST_PATH=%s)',
  async (httpFastPath) => {
    const bridge = await startBridge(context(httpFastPath), listen);
    const silent = connect(bridge.port, '127.0.0.1');
    const closed = once(silent, 'close');
    await once(silent, 'connect');
    await bridge.close();
    await closed;
    expect(silent.destroyed).toBe(true);
  },
);
