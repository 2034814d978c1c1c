/** One worker of `voucherbus processor`: its parts, and how it starts and stops. */

import type { Config } from '../config/config.ts';
import { Health } from '../observability/health.ts';
import { createLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { spansLimitMs, startTracing } from '../observability/tracing.ts';
import { LogWatch } from '../processor/log-watch.ts';
import { withoutReconcile } from '../topics/catalog.ts';
import { SchemaIdWatch } from '../topics/schema-id-watch.ts';
import { version } from './environment.ts';
import { openClients } from './processor-clients.ts';
import { joinWithPeers } from './processor-membership.ts';
import { openProcessor } from './processor-parts.ts';
import type { WorkerContext } from './run-service.ts';
import { runUntilStopped } from './shutdown.ts';

export type ProcessorAppConfig = Config<
  'kafka' | 'registry' | 'start' | 'topics' | 'operation' | 'processor' | 'lookup' | 'project'
>;

export async function runProcessorApp(
  given: ProcessorAppConfig,
  worker: WorkerContext,
): Promise<number> {
  const config = { ...given, topics: withoutReconcile(given.topics) };
  const log = createLog(config.operation.logLevel, 'processor');
  const health = new Health(['group', 'partitions']);
  const metrics = createMetrics({ version });
  const shown = await worker.show(health, metrics);
  const tracing = await startTracing({ name: 'processor', version }, log, process.env);
  const base = { config, log, health, metrics, tracing };
  const clients = await openClients(base);
  const { catalog, registry, schemaId, deployment, routes, reference, reader, admin } = clients;
  const { group } = config.processor;
  const processor = await openProcessor(base, clients);
  const ids = new SchemaIdWatch(registry, catalog, schemaId);
  const { raw } = catalog;
  const positions = () => processor.positions();
  const logs = new LogWatch({ ...clients, group, raw, positions, log, metrics });
  const handlers = { processor, logs };
  const { member, peers } = await joinWithPeers(base, clients, handlers, worker, shown);
  const stopReadiness = async () => {
    for (const part of [routes, peers, deployment, ids, logs]) part.stop();
    health.notReady('group', 'stopping');
  };
  return runUntilStopped(
    log,
    Promise.race([member.ended, deployment.ended, ids.ended]),
    [
      ['no longer ready', stopReadiness],
      ['batches finished, group left', () => member.leave()],
      ['leases released', () => processor.close()],
      ['reference data stopped', async () => reference?.stop()],
      ['connections closed', () => Promise.all([reader.close(), admin.close()])],
      ['spans exported', () => tracing.stop(), spansLimitMs],
      ['admin closed', shown.close],
    ],
    () => worker.announce(log, { group }),
  );
}
