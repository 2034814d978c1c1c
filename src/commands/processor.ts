/** `voucherbus processor`: reads raw, forwards each publication once, until it is stopped. */

import { startAdminServer } from '../admin/server.ts';
import { createDecoder } from '../codec/decoder.ts';
import type { Batch, PublicationSucceeded, RawWebhook } from '../codec/records.ts';
import { schemas } from '../codec/schemas.ts';
import { createEncoder, type Encoder } from '../codec/wire.ts';
import type { ProcessorConfig } from '../config/config.ts';
import { createClient } from '../kafka/client.ts';
import { joinGroup } from '../kafka/group.ts';
import { createReader } from '../kafka/reader.ts';
import { createHealth } from '../observability/health.ts';
import { createLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { readTopicLimits } from '../processor/limits.ts';
import { createProcessor } from '../processor/processor.ts';
import { type Assembly, cloudEventConstants } from '../processor/transaction.ts';
import { builtinRoutes } from '../routing/routes.ts';
import type { Command } from './command.ts';
import { configOf, version } from './environment.ts';
import { runUntilStopped } from './lifetime.ts';
import { type Started, start } from './start.ts';

export const command: Command = {
  summary: 'reads the raw topic and forwards each publication exactly once',
  usage: 'voucherbus processor   (configured by the environment: `voucherbus config`)',
  run: async (_, io) => {
    const config = configOf(['kafka', 'registry', 'start', 'topics', 'operation', 'processor'], io);
    const log = createLog(config.operation.logLevel, 'processor');
    const health = createHealth(['group', 'partitions']);
    const metrics = createMetrics({ version });
    const adminServer = await startAdminServer(config.operation, health, metrics);
    const started = await start(config, log);
    const { admin, registry, catalog } = started;
    const reader = createReader(createClient(config.kafka, log));
    const processor = createProcessor({
      // Not the consumer's client: KafkaJS shares committed offsets between all users of one.
      client: createClient(config.kafka, log),
      admin,
      reader,
      decoder: createDecoder<Batch>(schemas.Batch.type, registry),
      rawDecoder: createDecoder<RawWebhook>(schemas.RawWebhook.type, registry),
      catalog,
      group: config.processor.group,
      transactionTimeoutMs: config.processor.transactionTimeoutMs,
      limits: {
        maxRecords: config.processor.maxTransactionRecords,
        maxBytes: config.processor.maxTransactionBytes,
      },
      rules: {
        routes: builtinRoutes(catalog),
        olderThanWindow: config.processor.olderThanWindow,
        personalData: config.processor.personalData,
      },
      assembly: assemblyOf(started, config.processor),
      topicLimits: await readTopicLimits(
        admin,
        catalog.topics.map(({ name }) => name),
      ),
      health,
      log,
      metrics,
    });
    const { group, sessionTimeoutMs, maxFetchBytes, fetchWaitMs } = config.processor;
    const member = await joinGroup(
      createClient(config.kafka, log),
      {
        group,
        topic: catalog.raw,
        sessionTimeoutMs,
        maxFetchBytes,
        fetchWaitMs,
        concurrency: started.partitions,
      },
      processor,
      log,
    );
    const announce = () =>
      log.info({ group, adminPort: adminServer.port }, 'the processor is running');
    return runUntilStopped(
      log,
      member.ended,
      [
        ['no longer ready', async () => health.notReady('group', 'stopping')],
        ['batches finished, group left', member.leave],
        ['leases given back', processor.close],
        ['connections closed', () => Promise.all([reader.close(), admin.close()])],
        ['admin closed', adminServer.close],
      ],
      announce,
    );
  },
};

function assemblyOf({ catalog, schemaId, registry }: Started, config: ProcessorConfig): Assembly {
  const ofTopic = new Map(
    Object.values(catalog.publications).map((topic) => {
      const id = schemaId(topic);
      const encode: Encoder<PublicationSucceeded> = createEncoder(
        schemas.PublicationSucceeded.type,
        id,
      );
      const dataSchema = `${registry.url}/schemas/ids/${id}`;
      const constants = cloudEventConstants(config.eventSource, config.eventType, dataSchema);
      return [topic, { encode, constants }];
    }),
  );
  const known = (topic: string) => {
    const found = ofTopic.get(topic);
    if (!found) throw new Error(`a route leads to ${topic}: expected a topic of the catalog`);
    return found;
  };
  return {
    catalog,
    group: config.group,
    encodeEvent: (topic) => known(topic).encode,
    encodeBatch: createEncoder(schemas.Batch.type, schemaId(catalog.journal)),
    cloudEvent: (topic) => known(topic).constants,
  };
}
