/**
 * Declares every setting once: the parser, the defaults, docs/configuration.md and the error texts
 * come from here.
 */

import { kafka, registry } from './connections.ts';
import * as kind from './kinds.ts';
import { type Setting, setting, type Values } from './setting.ts';

const start = {
  timeoutMs: setting(
    'START_TIMEOUT',
    kind.duration('0s', '1h'),
    'How long the start waits for Kafka and the registry',
    { default: '30s' },
  ),
};

const topics = {
  prefix: setting('TOPIC_PREFIX', kind.kafkaName(), 'First part of every topic name', {
    default: 'voucherify',
  }),
  routesFile: setting(
    'ROUTES_FILE',
    kind.text(),
    'Path of a routes.yaml; without it each campaign type has one topic. The processor reloads it when it changes',
    { optional: true },
  ),
  hasReference: setting(
    'CAMPAIGN_REFERENCE',
    kind.flag(),
    "Adds the company's own data on the campaign to each event, from the topic `reference.campaigns`",
    { default: 'false' },
  ),
  hasReconcile: setting(
    'RECONCILE',
    kind.flag(),
    'Adds the topic `reconcile`, in which `voucherbus reconcile` keeps its progress',
    { default: 'false' },
  ),
  partitions: setting(
    'PARTITIONS',
    kind.integer(1, 1000),
    'Partitions of every topic that `topics apply` creates, but of `reconcile`, which has one; chosen once',
    { default: '12' },
  ),
  replicationFactor: setting(
    'REPLICATION_FACTOR',
    kind.integer(1, 10),
    'Replicas of every topic that `topics apply` creates (default: 3, or as many as there are brokers)',
    { optional: true },
  ),
  dedupWindowMs: setting(
    'DEDUP_WINDOW',
    kind.duration('1m', '365d'),
    'How long a publication id is remembered; longer than RAW_RETENTION',
    { default: '15d' },
  ),
  rawRetentionMs: setting(
    'RAW_RETENTION',
    kind.duration('1m', '365d'),
    'Retention of the raw topic (the vendor resends for up to 14 days)',
    { default: '14d' },
  ),
  outputRetentionMs: setting(
    'OUTPUT_RETENTION',
    kind.duration('1m', '3650d'),
    'Retention of the publication topics',
    { default: '14d' },
  ),
  deadLetterRetentionMs: setting(
    'DEAD_LETTER_RETENTION',
    kind.duration('1m', '3650d'),
    'Retention of the dead-letter topic',
    { default: '30d' },
  ),
};

const operation = {
  adminHost: setting('ADMIN_HOST', kind.text(), 'Address of /livez, /readyz, /metrics, /alive', {
    default: '0.0.0.0',
  }),
  adminPort: setting(
    'ADMIN_PORT',
    kind.integer(0, 65535),
    'Port of /livez, /readyz, /metrics, /alive; 0 takes a free one',
    { default: '9464' },
  ),
  logLevel: setting(
    'LOG_LEVEL',
    kind.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    'Lowest level that is logged',
    { default: 'info' },
  ),
};

const webhook = {
  secrets: setting(
    'WEBHOOK_SECRETS',
    kind.secrets(),
    "Voucherify's webhook secrets, comma-separated, as source/name:secret, name:secret or plain; all of a source are valid at once",
    { secret: true },
  ),
  source: setting(
    'WEBHOOK_SOURCE',
    kind.pathSegment(),
    'The <source> of POST /webhooks/<source> for the secrets that name none',
    { default: 'voucherify' },
  ),
};

const bridge = {
  workers: setting(
    'BRIDGE_WORKERS',
    kind.workers(),
    'Processes of one bridge, on one port; auto: one per core. They share its limits',
    { default: 'auto' },
  ),
  host: setting('BRIDGE_HOST', kind.text(), 'Address that receives webhooks', {
    default: '0.0.0.0',
  }),
  port: setting('BRIDGE_PORT', kind.integer(0, 65535), 'Port that receives webhooks', {
    default: '8080',
  }),
  shutdownDelayMs: setting(
    'SHUTDOWN_DELAY',
    kind.duration('0s', '30s'),
    'After SIGTERM the bridge accepts webhooks for this long, while /readyz fails, so that a load balancer can notice (Kubernetes: 5s)',
    { default: '500ms' },
  ),
  allowedSenders: setting(
    'ALLOWED_SENDERS',
    kind.senders(),
    'Allowed senders: regions of Voucherify (eu1, us1, as1), addresses, subnets, comma-separated; others get 403. Default: any address, because the signature decides',
    { optional: true },
  ),
  trustedProxyHops: setting(
    'TRUSTED_PROXY_HOPS',
    kind.integer(0, 10),
    'Number of proxies in front of the bridge. ALLOWED_SENDERS applies to the address that the outermost of them wrote into X-Forwarded-For',
    { default: '0' },
  ),
  maxConnections: setting(
    'CONNECTIONS_MAX',
    kind.integer(10, 100_000),
    'Most open connections; more are closed at once',
    { default: '10000' },
  ),
  maxBodyBytes: setting('BODY_MAX_BYTES', kind.bytes('1KiB', '8MiB'), 'Larger bodies get 413', {
    default: '1MiB',
  }),
  maxBatchRecords: setting(
    'BATCH_MAX_RECORDS',
    kind.integer(1, 10_000),
    'Most webhooks in one produce request',
    { default: '1000' },
  ),
  maxBatchBytes: setting(
    'BATCH_MAX_BYTES',
    kind.bytes('1KiB', '1MiB'),
    'Most bytes in one produce request (a single larger webhook is sent alone)',
    { default: '1MiB' },
  ),
  maxInFlightRequests: setting(
    'IN_FLIGHT_MAX_REQUESTS',
    kind.integer(1, 100_000),
    'Most webhooks in flight; beyond it the response is 503 with Retry-After, first to requests whose body is slow',
    { default: '2000' },
  ),
  maxInFlightBytes: setting(
    'IN_FLIGHT_MAX_BYTES',
    kind.bytes('1MiB', '8GiB'),
    'Most bytes of their bodies, in the same way',
    { default: '64MiB' },
  ),
  httpFastPath: setting(
    'HTTP_FAST_PATH',
    kind.oneOf('on', 'off'),
    "Reads usual requests without Node's HTTP parser, for a third less CPU; off: every request goes through Node's HTTP server",
    { default: 'on' },
  ),
  responseTimeoutMs: setting(
    'RESPONSE_TIMEOUT',
    kind.duration('1s', '9s'),
    'A webhook that is not stored by then gets 503 (the vendor gives up after 10 s)',
    { default: '7s' },
  ),
  spoolDirectory: setting(
    'SPOOL_DIR',
    kind.text(),
    'Directory of this bridge alone, where webhooks are kept while Kafka is unreachable. Without it they get 503 then',
    { optional: true },
  ),
  spoolMaxBytes: setting(
    'SPOOL_MAX_BYTES',
    kind.bytes('1MiB', '1TiB'),
    'Most bytes in the spool; beyond it the response is 503',
    { default: '1GiB' },
  ),
  spoolAfterMs: setting(
    'SPOOL_AFTER',
    kind.duration('100ms', '7s'),
    'How long Kafka may take to store a webhook before the spool is used',
    { default: '3s' },
  ),
};

const processor = {
  workers: setting(
    'PROCESSOR_WORKERS',
    kind.workers(),
    'Processes of one processor, each a member of the group; auto: one per core. More than PARTITIONS in total are idle',
    { default: 'auto' },
  ),
  group: setting('CONSUMER_GROUP', kind.kafkaName(), 'Consumer group of the processors', {
    default: 'voucherbus',
  }),
  olderThanWindow: setting(
    'OLDER_THAN_WINDOW',
    kind.oneOf('park', 'forward'),
    'What happens to an event that is too old to be distinguished from a repeat: park makes it a dead letter, forward forwards it (risking a repeat)',
    { default: 'park' },
  ),
  personalData: setting(
    'PERSONAL_DATA',
    kind.someOf('name', 'email', 'phone', 'address', 'birthdate', 'sourceId', 'metadata'),
    "Fields of the customer that the output events carry beside the vendor's id and the region. sourceId and metadata: yours, which may be personal. email and phone also leave such values in metadata unmasked (default: none)",
    { default: '' },
  ),
  eventSource: setting('CE_SOURCE', kind.text(), 'ce_source of the output events', {
    default: 'urn:voucherbus',
  }),
  eventType: setting('CE_TYPE', kind.text(), 'ce_type of the output events', {
    default: 'io.voucherbus.publication.succeeded.v1',
  }),
  maxTransactionRecords: setting(
    'TRANSACTION_MAX_RECORDS',
    kind.integer(1, 10_000),
    'Most raw records in one transaction',
    { default: '500' },
  ),
  maxTransactionBytes: setting(
    'TRANSACTION_MAX_BYTES',
    kind.bytes('1KiB', '16MiB'),
    'Most bytes of raw records in one transaction',
    { default: '1536KiB' },
  ),
  transactionTimeoutMs: setting(
    'TRANSACTION_TIMEOUT',
    kind.duration('1s', '15m'),
    'The broker aborts a transaction after this time if no processor took over',
    { default: '15s' },
  ),
  sessionTimeoutMs: setting(
    'SESSION_TIMEOUT',
    kind.duration('1s', '30m'),
    'A processor that is silent for this long loses its partitions (brokers allow 6s to 30m by default)',
    { default: '10s' },
  ),
  maxFetchBytes: setting(
    'FETCH_MAX_BYTES',
    kind.bytes('1KiB', '64MiB'),
    'Most bytes of one partition in one fetch; all partitions together get twice as many',
    { default: '1MiB' },
  ),
  fetchWaitMs: setting(
    'FETCH_MAX_WAIT',
    kind.duration('1ms', '10s'),
    'How long the broker may delay the response to a fetch that finds nothing',
    { default: '100ms' },
  ),
};

const lookup = {
  appId: setting(
    'VOUCHERIFY_APP_ID',
    kind.text(),
    "With the token, what a webhook lacks (its campaign, its customer's source id) is looked up",
    { optional: true },
  ),
  appToken: setting('VOUCHERIFY_APP_TOKEN', kind.text(), 'For VOUCHERIFY_APP_ID', {
    optional: true,
    secret: true,
  }),
  concurrency: setting('LOOKUP_CONCURRENCY', kind.integer(1, 1_000), 'Look-ups in flight at once', {
    default: '10',
  }),
  timeoutMs: setting(
    'LOOKUP_TIMEOUT',
    kind.duration('100ms', '1m'),
    "Time-out of one look-up, and how long it may wait for the vendor's rate limit; less than TRANSACTION_TIMEOUT",
    { default: '2s' },
  ),
  cacheSize: setting(
    'LOOKUP_CACHE_SIZE',
    kind.integer(1, 10_000_000),
    'Campaigns and customers in the cache',
    { default: '10000' },
  ),
  cacheTtlMs: setting(
    'LOOKUP_CACHE_TTL',
    kind.duration('1s', '30d'),
    'How long they stay in the cache',
    {
      default: '10m',
    },
  ),
  onFailure: setting(
    'LOOKUP_FAILURE',
    kind.oneOf('forward-incomplete', 'wait'),
    'What happens to an event that could not be completed: it is forwarded with `complete` false, or it waits with its partition',
    { default: 'forward-incomplete' },
  ),
};

export type KafkaConfig = Values<typeof kafka>;
export type RegistryConfig = Values<typeof registry>;
export type TopicsConfig = Values<typeof topics>;
export type WebhookConfig = Values<typeof webhook>;
export type BridgeConfig = Values<typeof bridge>;
export type ProcessorConfig = Values<typeof processor>;
export type ConsoleConfig = Values<typeof console>;

const project = {
  apiUrl: setting(
    'VOUCHERIFY_API_URL',
    kind.httpUrl(),
    "Voucherify's REST API: your region's, or your dedicated cluster's",
    { default: 'https://api.voucherify.io' },
  ),
  projectId: setting(
    'VOUCHERIFY_PROJECT_ID',
    kind.text(),
    "The project's id (proj_…): backfilled events carry it, and its webhooks are managed",
    { optional: true },
  ),
};

const management = {
  id: setting(
    'VOUCHERIFY_MANAGEMENT_ID',
    kind.text(),
    "Key of Voucherify's management API, which tells whether the webhook is active",
    { optional: true },
  ),
  token: setting('VOUCHERIFY_MANAGEMENT_TOKEN', kind.text(), 'For VOUCHERIFY_MANAGEMENT_ID', {
    optional: true,
    secret: true,
  }),
  targetUrl: setting(
    'WEBHOOK_TARGET_URL',
    kind.httpUrl(),
    'The address at which Voucherify reaches the bridge, as in its project settings',
    { optional: true },
  ),
};

const console = {
  host: setting('CONSOLE_HOST', kind.text(), 'Address of the console', { default: '127.0.0.1' }),
  port: setting('CONSOLE_PORT', kind.integer(0, 65535), 'Port of the console', { default: '8081' }),
  members: setting(
    'CONSOLE_MEMBERS',
    kind.hosts(),
    'Admin addresses of the bridges, processors and reconcile services, comma-separated; a name that has several addresses stands for all of them',
    { default: 'localhost:9464' },
  ),
  viewerToken: setting(
    'CONSOLE_VIEWER_TOKEN',
    kind.token(),
    'Signs a viewer in, who may read; at least 16 characters',
    { optional: true, secret: true },
  ),
  operatorToken: setting(
    'CONSOLE_OPERATOR_TOKEN',
    kind.token(),
    'Signs an operator in, who may also see personal data and redrive; at least 16 characters',
    { optional: true, secret: true },
  ),
  trustedProxies: setting(
    'CONSOLE_TRUSTED_PROXIES',
    kind.addresses(),
    'Addresses and subnets of proxies that sign people in (OpenID Connect) and say who they are in X-Forwarded-User and X-Forwarded-Groups; from other addresses these headers are ignored',
    { optional: true },
  ),
  operatorGroup: setting(
    'CONSOLE_OPERATOR_GROUP',
    kind.text(),
    'The group in X-Forwarded-Groups whose members are operators; others are viewers',
    { optional: true },
  ),
  reports: setting(
    'CONSOLE_REPORTS',
    kind.text(),
    'Directory of the reports of `voucherbus verify --report`: the console shows them, and writes those of its own runs. Without it, it forgets its runs when it ends',
    { optional: true },
  ),
  maxIndexBytes: setting(
    'CONSOLE_INDEX_MAX_BYTES',
    kind.bytes('16MiB', '64GiB'),
    'Memory in which the console remembers where each id is, about 130 bytes an event; beyond it the oldest are forgotten',
    { default: '160MiB' },
  ),
};

/**
 * The settings by group: a command reads the groups that it needs, and gets only the problems in
 * those.
 */
export const groups = {
  kafka,
  registry,
  start,
  topics,
  operation,
  webhook,
  bridge,
  processor,
  lookup,
  project,
  management,
  console,
};

export type Group = keyof typeof groups;
export type Config<G extends Group> = { readonly [K in G]: Values<(typeof groups)[K]> };

/** Returns every setting with its group, in the order of this file. */
export function allSettings(): readonly { readonly group: Group; readonly setting: Setting }[] {
  return Object.entries(groups).flatMap(([group, settings]) =>
    Object.values<Setting>(settings).map((one) => ({ group: group as Group, setting: one })),
  );
}
