/** One worker of `voucherbus processor`: what it is made of, and how it starts and ends. */

import { hostname } from 'node:os';
import { createDecoder } from '../avro/decoder.ts';
import { createEncoder } from '../avro/encoder.ts';
import type { JournalRecord, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import type { Config } from '../config/config.ts';
import { checkOwner } from '../journal/check-owner.ts';
import { createClient } from '../kafka/client.ts';
import { joinGroup } from '../kafka/group.ts';
import { createReader } from '../kafka/log-reader.ts';
import { advertisedAddress } from '../membership/advertised-address.ts';
import { waitForDeath } from '../membership/liveness.ts';
import { createPeers } from '../membership/peers.ts';
import { removeMember } from '../membership/remove-member.ts';
import { createHealth } from '../observability/health.ts';
import { createLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { watchDeployment } from '../processor/deployment-watch.ts';
import { createEventEncoders } from '../processor/event-encoders.ts';
import { createProcessor } from '../processor/processor.ts';
import { readTopicLimits } from '../processor/topic-limits.ts';
import { publicationTopicsOf } from '../topics/catalog.ts';
import { watchSchemaIds } from '../topics/schema-id-watch.ts';
import { version } from './environment.ts';
import { openLookups } from './open-lookups.ts';
import { followReference } from './reload/reference.ts';
import { followRoutes } from './reload/routes.ts';
import { routesOf } from './routes-file.ts';
import type { WorkerContext } from './run-service.ts';
import { runUntilStopped } from './shutdown.ts';
import { start } from './startup.ts';

type ProcessorConfig = Config<
  'kafka' | 'registry' | 'start' | 'topics' | 'operation' | 'processor' | 'lookup'
>;

export async function runProcessorApp(
  config: ProcessorConfig,
  worker: WorkerContext,
): Promise<number> {
  const log = createLog(config.operation.logLevel, 'processor');
  const health = createHealth(['group', 'partitions']);
  const metrics = createMetrics({ version });
  const shown = await worker.show(health, metrics);
  const first = routesOf(config.topics.routesFile, config.topics);
  const { catalog } = first;
  const started = await start(config, catalog, log, {
    read: [catalog.raw, catalog.journal, ...(catalog.reference ? [catalog.reference] : [])],
    write: [catalog.journal, catalog.deadLetters, ...publicationTopicsOf(catalog)],
  });
  const { admin, registry, schemaId } = started;
  const encoders = createEventEncoders(registry.url, config.processor);
  for (const topic of publicationTopicsOf(catalog)) encoders.add(topic, schemaId(topic));
  const routes = followRoutes(first, {
    config: config.topics,
    admin,
    registry,
    encoders,
    log,
    metrics,
  });
  const reader = createReader(createClient(config.kafka, log));
  const reference = await followReference(
    catalog.reference,
    started.partitionsOf(catalog.reference),
    reader,
    registry,
    log,
    metrics,
  );
  const topics = () => routes.current().catalog.topics.map(({ name }) => name);
  const deployment = await watchDeployment({
    admin,
    group: config.processor.group,
    core: catalog,
    topics,
  });
  const decoder = createDecoder<JournalRecord>(schemas.JournalRecord.type, registry);
  const rawDecoder = createDecoder<RawWebhook>(schemas.RawWebhook.type, registry);
  // Known from the start: a registry that is away later does not matter for them.
  await decoder.load([schemaId(catalog.journal)]);
  await rawDecoder.load([schemaId(catalog.raw)]);
  const committed = await admin.committedOffsets(config.processor.group, catalog.raw);
  await checkOwner({ reader, decoder, core: catalog, committed, ...deployment.current() });
  const processor = createProcessor({
    // Not the consumer's client: KafkaJS shares committed offsets between all users of one.
    client: createClient(config.kafka, log),
    admin,
    reader,
    decoder,
    rawDecoder,
    catalog,
    windowMs: catalog.windowMs,
    deployment,
    group: config.processor.group,
    transactionTimeoutMs: config.processor.transactionTimeoutMs,
    limits: {
      maxRecords: config.processor.maxTransactionRecords,
      maxBytes: config.processor.maxTransactionBytes,
    },
    lookups: openLookups(config.lookup, metrics),
    rules: () => ({
      routes: routes.current().routes,
      olderThanWindow: config.processor.olderThanWindow,
      personalData: config.processor.personalData,
      referenceOf: reference.of,
    }),
    assembly: {
      catalog,
      group: config.processor.group,
      partitions: started.partitions,
      encodeEvent: encoders.encode,
      cloudEvent: encoders.constants,
      encodeJournalRecord: createEncoder(schemas.JournalRecord.type, schemaId(catalog.journal)),
    },
    topicLimits: await readTopicLimits(admin, topics),
    health,
    log,
    metrics,
  });
  const ids = watchSchemaIds(registry, catalog, schemaId);
  const { group, sessionTimeoutMs, maxFetchBytes, fetchWaitMs } = config.processor;
  const removeFromGroup = (memberId: string) =>
    removeMember(createClient(config.kafka, log), group, memberId);
  // Whoever had this post before left its name in the group.
  if (worker.previousWill !== undefined) {
    await removeFromGroup(worker.previousWill).catch((error: unknown) =>
      log.warn({ err: error }, 'its partitions wait for the end of its session'),
    );
  }
  const { port, name } = shown;
  const identity = {
    host: await advertisedAddress(config.kafka.brokers),
    port,
    hostname: hostname(),
    name,
  };
  const peers = createPeers({
    own: identity,
    members: () => admin.members(group),
    waitForDeath,
    removeMember: removeFromGroup,
    log,
  });
  // Also one that had our place, and died: the group would wait for it when we join.
  await peers.look();
  const member = await joinGroup(
    createClient(config.kafka, log),
    {
      group,
      topic: catalog.raw,
      sessionTimeoutMs,
      maxFetchBytes,
      fetchWaitMs,
      concurrency: started.partitions,
      identity,
    },
    {
      ...processor,
      onAssigned: (partitions, memberId) => {
        worker.setLastWill(memberId);
        processor.onAssigned(partitions);
        void peers.look();
      },
    },
    log,
  );
  const announce = () => worker.announce(log, { group });
  return runUntilStopped(
    log,
    Promise.race([member.ended, deployment.ended, ids.ended]),
    [
      [
        'no longer ready',
        async () => {
          routes.stop();
          peers.stop();
          deployment.stop();
          ids.stop();
          health.notReady('group', 'stopping');
        },
      ],
      ['batches finished, group left', member.leave],
      ['leases given back', processor.close],
      ['reference left', reference.stop],
      ['connections closed', () => Promise.all([reader.close(), admin.close()])],
      ['admin closed', shown.close],
    ],
    announce,
  );
}
