/** Builds the processor from its clients and the configuration. */

import { createEncoder } from '../avro/encoder.ts';
import { schemas } from '../avro/schemas.ts';
import { createClient } from '../kafka/client.ts';
import type { Rules } from '../processor/decide.ts';
import { Processor } from '../processor/processor.ts';
import { TopicLimits } from '../processor/topic-limits.ts';
import { openLookups } from './open-lookups.ts';
import type { ProcessorBase, ProcessorClients } from './processor-clients.ts';

export async function openProcessor(
  { config, log, health, metrics, tracing }: ProcessorBase,
  clients: ProcessorClients,
): Promise<Processor> {
  const { admin, reader, catalog, schemaId, partitions, topics, encoders } = clients;
  const { routes, reference, deployment, decoder, rawDecoder } = clients;
  const { group, olderThanWindow, personalData } = config.processor;
  const rules = (): Rules => ({
    routes: routes.current.routes,
    olderThanWindow,
    personalData,
    referenceOf: (campaignId) => reference?.of(campaignId),
  });
  const encodeJournalRecord = createEncoder(schemas.JournalRecord.type, schemaId(catalog.journal));
  return new Processor({
    // Not the consumer's client: KafkaJS shares committed offsets between all users of one client.
    client: createClient(config.kafka, log),
    admin,
    reader,
    decoder,
    rawDecoder,
    catalog,
    windowMs: catalog.windowMs,
    deployment,
    group,
    transactionTimeoutMs: config.processor.transactionTimeoutMs,
    limits: {
      maxRecords: config.processor.maxTransactionRecords,
      maxBytes: config.processor.maxTransactionBytes,
    },
    lookups: openLookups(config, metrics),
    rules,
    assembly: { catalog, group, partitions, encoders, encodeJournalRecord },
    topicLimits: await TopicLimits.read(admin, topics),
    health,
    log,
    metrics,
    tracing,
  });
}
