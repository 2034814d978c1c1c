/** The processor's connections, and what it reads before the first batch. */

import { Decoder } from '../avro/decoder.ts';
import type { JournalRecord, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { checkOwner } from '../journal/check-owner.ts';
import { createClient } from '../kafka/client.ts';
import { LogReader } from '../kafka/log-reader.ts';
import type { Health } from '../observability/health.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/tracing.ts';
import { DeploymentWatch } from '../processor/deployment-watch.ts';
import { EventEncoders } from '../processor/event-encoders.ts';
import { publicationTopicsOf } from '../topics/catalog.ts';
import type { ProcessorAppConfig } from './processor-app.ts';
import { ReloadedReference } from './reload/reference.ts';
import { ReloadedRoutes } from './reload/routes.ts';
import { routesOf } from './routes-file.ts';
import { start } from './startup.ts';
import { watchCertificates } from './watch-certificates.ts';

export type ProcessorBase = {
  readonly config: ProcessorAppConfig;
  readonly log: Log;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
};

export type ProcessorClients = Awaited<ReturnType<typeof openClients>>;

/**
 * @throws AppError if Kafka or the registry cannot be reached, or the journal belongs to another
 * deployment
 */
export async function openClients({ config, log, metrics }: ProcessorBase) {
  const first = routesOf(config.topics.routesFile, config.topics);
  const { catalog } = first;
  const { raw, journal, deadLetters, reference: referenceTopic } = catalog;
  const publicationTopics = publicationTopicsOf(catalog);
  const certificates = watchCertificates(log, metrics);
  const { admin, registry, schemaId, partitions, partitionsOf } = await start(
    config,
    catalog,
    { log, certificates },
    {
      read: [raw, journal, ...(referenceTopic === undefined ? [] : [referenceTopic])],
      write: [journal, deadLetters, ...publicationTopics],
    },
  );
  const encoders = new EventEncoders(registry.url, config.processor);
  for (const topic of publicationTopics) encoders.add(topic, schemaId(topic));
  const context = { config: config.topics, admin, registry, encoders, log, metrics };
  const routes = new ReloadedRoutes(first, context);
  const reader = new LogReader(createClient(config.kafka, log, { certificates }));
  const reference =
    referenceTopic === undefined
      ? undefined
      : await ReloadedReference.start(referenceTopic, partitionsOf(referenceTopic), {
          ...{ reader, registry, log, metrics },
        });
  const { group } = config.processor;
  const topics = () => routes.current.catalog.topics.map(({ name }) => name);
  const deployment = await DeploymentWatch.start({ admin, group, core: catalog, topics });
  const decoder = new Decoder<JournalRecord>(schemas.JournalRecord.type, registry);
  const rawDecoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, registry);
  // These schemas are fetched at the start, so that a registry that is down later does not matter
  // for them.
  await decoder.load([schemaId(journal)]);
  await rawDecoder.load([schemaId(raw)]);
  const committed = await admin.committedOffsets(group, raw);
  await checkOwner({ reader, decoder, core: catalog, committed, ...deployment.current });
  return {
    ...{ admin, registry, reader, catalog, schemaId, partitions, topics },
    ...{ routes, reference, deployment, encoders, decoder, rawDecoder },
  };
}
