/**
 * Describes every topic of a deployment: name, schema, partitions, settings. Plan and start checks
 * use it.
 */

import type { SchemaName } from '../avro/schemas.ts';
import type { TopicsConfig } from '../config/config.ts';

export type CatalogTopic = {
  readonly name: string;
  readonly role: 'raw' | 'publications' | 'dead-letters' | 'journal' | 'reference' | 'reconcile';
  /**
   * Schema of the subject `<name>-value`. Dead letters keep the raw record's bytes and have none.
   */
  readonly schema: SchemaName | undefined;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
};

export type Catalog = {
  readonly raw: string;
  readonly deadLetters: string;
  readonly journal: string;
  /** Undefined if CAMPAIGN_REFERENCE is off. */
  readonly reference: string | undefined;
  /** Undefined if RECONCILE is off. */
  readonly reconcile: string | undefined;
  /** Topic names by their part after `publications.`: discount-coupons … other. */
  readonly publications: Readonly<Record<PublicationTopic, string>>;
  /** Topics that are only in the routes file. */
  readonly routed: readonly string[];
  readonly windowMs: number;
  readonly topics: readonly CatalogTopic[];
};

const publicationTopics = [
  'discount-coupons',
  'gift-vouchers',
  'loyalty-program',
  'referral-program',
  'no-campaign',
  'other',
] as const;

/** Kafka's retention.ms without a limit. */
const forEver = -1;

const compact = { 'cleanup.policy': 'compact' };

export type PublicationTopic = (typeof publicationTopics)[number];

/**
 * Space for the largest body that the bridge accepts (8 MiB) with its headers and the reason of a
 * dead letter. Kafka's default of 1 MiB would refuse a body of the default limit.
 */
const maxMessageBytes = String(9 * 1024 * 1024);

/** @param suffixes parts after `publications.` of the topics in the routes file */
export function createCatalog(config: TopicsConfig, suffixes: readonly string[] = []): Catalog {
  const { prefix, partitions, dedupWindowMs } = config;
  const raw = `${prefix}.webhooks.raw`;
  const deadLetters = `${prefix}.webhooks.dlq`;
  const journal = `${prefix}.publications.journal`;
  const publications = Object.fromEntries(
    publicationTopics.map((suffix) => [suffix, `${prefix}.publications.${suffix}`]),
  ) as Record<PublicationTopic, string>;
  const reference = config.hasReference ? `${prefix}.reference.campaigns` : undefined;
  const reconcile = config.hasReconcile ? `${prefix}.reconcile` : undefined;
  const known: readonly string[] = publicationTopics;
  const routed = suffixes
    .filter((suffix) => !known.includes(suffix))
    .map((suffix) => `${prefix}.publications.${suffix}`);
  const topic = (
    name: string,
    role: CatalogTopic['role'],
    schema: SchemaName | undefined,
    retentionMs: number,
    extra: Record<string, string> = {},
  ): CatalogTopic => ({
    name,
    role,
    schema,
    partitions,
    config: {
      'cleanup.policy': 'delete',
      'retention.ms': String(retentionMs),
      ...(retentionMs === forEver ? {} : { 'segment.ms': segmentMsOf(retentionMs) }),
      'message.timestamp.type': 'CreateTime',
      'max.message.bytes': maxMessageBytes,
      ...extra,
    },
  });
  return {
    raw,
    deadLetters,
    journal,
    reference,
    reconcile,
    publications,
    routed,
    windowMs: dedupWindowMs,
    topics: [
      topic(raw, 'raw', 'RawWebhook', config.rawRetentionMs),
      ...[...Object.values(publications), ...routed].map((name) =>
        topic(name, 'publications', 'PublicationSucceeded', config.outputRetentionMs),
      ),
      topic(deadLetters, 'dead-letters', undefined, config.deadLetterRetentionMs),
      topic(journal, 'journal', 'JournalRecord', 2 * dedupWindowMs),
      ...(reference ? [topic(reference, 'reference', 'CampaignReference', forEver, compact)] : []),
      ...(reconcile
        ? [
            {
              ...topic(reconcile, 'reconcile', 'ReconcileProgress', forEver, compact),
              partitions: 1,
            },
          ]
        : []),
    ],
  };
}

/**
 * Returns the settings of a catalog without the topic of `voucherbus reconcile`, which nothing else
 * checks or needs.
 */
export function withoutReconcile(config: TopicsConfig): TopicsConfig {
  return { ...config, hasReconcile: false };
}

/**
 * Retention deletes whole segments, when their last record is old enough. So a record is kept for a
 * fourteenth longer than its retention: a day, with the defaults. Kafka's own default is 7 days.
 */
function segmentMsOf(retentionMs: number): string {
  return String(Math.min(604_800_000, Math.max(60_000, Math.ceil(retentionMs / 14))));
}

/** Returns every topic that may receive events. */
export function publicationTopicsOf({ publications, routed }: Catalog): readonly string[] {
  return [...Object.values(publications), ...routed];
}

/**
 * Returns min.insync.replicas for the replication factor: one broker may fail, and nothing
 * acknowledged is lost.
 */
export function leastInsync(replicas: number): number {
  return Math.max(1, Math.min(2, replicas - 1));
}

/** Returns the subject of a topic's values (TopicNameStrategy). */
export function subjectOf(topic: string): string {
  return `${topic}-value`;
}

/**
 * Returns the transactional id that guards a partition of the journal, and so everything that is
 * written for the same partition of raw.
 */
export function transactionalIdOf(
  { journal }: Pick<Catalog, 'journal'>,
  partition: number,
): string {
  return `${journal}.${partition}`;
}
