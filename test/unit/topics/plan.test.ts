import { expect, test } from 'vitest';
import type { TopicState } from '../../../src/kafka/admin.ts';
import type { Operation } from '../../../src/kafka/permissions.ts';
import { createCatalog } from '../../../src/topics/catalog.ts';
import { type Change, describeChange, planTopics } from '../../../src/topics/plan.ts';
import {
  accessProblems,
  bodySizeProblems,
  topicProblems,
} from '../../../src/topics/start-checks.ts';

const day = 86_400_000;
const topics = {
  prefix: 'v',
  partitions: 12,
  replicationFactor: undefined,
  routesFile: undefined,
  hasReference: false,
  hasReconcile: false,
  dedupWindowMs: 15 * day,
  rawRetentionMs: 14 * day,
  outputRetentionMs: 14 * day,
  deadLetterRetentionMs: 30 * day,
};
const catalog = createCatalog(topics);
const threeBrokers = { brokerCount: 3, replicationFactor: undefined };

/** The cluster after a plan was carried out. */
const applied = (
  changes: readonly Change[],
  before: ReadonlyMap<string, TopicState> = new Map(),
) => {
  const after = new Map(before);
  for (const change of changes) {
    const state = after.get(change.topic);
    if (change.kind === 'create') after.set(change.topic, { ...change, overrides: change.config });
    if (change.kind === 'add-partitions' && state)
      after.set(change.topic, { ...state, partitions: change.to });
    if (change.kind === 'set-config' && state)
      after.set(change.topic, { ...state, config: { ...state.config, ...change.config } });
  }
  return after;
};

const whole = applied(planTopics(catalog, new Map(), threeBrokers));
const changed = (topic: string, change: Partial<TopicState>) =>
  new Map(whole).set(topic, { ...(whole.get(topic) as TopicState), ...change });
const config = (topic: string, settings: Record<string, string>) =>
  changed(topic, { config: { ...whole.get(topic)?.config, ...settings } });

test('an empty cluster gets every topic, with three replicas of which two must have a record', () => {
  const changes = planTopics(catalog, new Map(), threeBrokers);
  expect(changes.map(({ kind, topic }) => `${kind} ${topic}`)).toEqual([
    'create v.webhooks.raw',
    'create v.publications.discount-coupons',
    'create v.publications.gift-vouchers',
    'create v.publications.loyalty-program',
    'create v.publications.referral-program',
    'create v.publications.no-campaign',
    'create v.publications.other',
    'create v.webhooks.dlq',
    'create v.publications.journal',
  ]);
  expect(changes[0]).toMatchObject({
    partitions: 12,
    replicationFactor: 3,
    config: { 'min.insync.replicas': '2', 'retention.ms': String(14 * day) },
  });
  expect(changes.at(-1)).toMatchObject({
    config: { 'retention.ms': String(30 * day), 'cleanup.policy': 'delete' },
  });
});

test('what was planned and applied needs no change, and has no problem', () => {
  expect(planTopics(catalog, whole, threeBrokers)).toEqual([]);
  expect(topicProblems(catalog, whole)).toEqual([]);
});

test('one broker gets one replica', () => {
  expect(
    planTopics(catalog, new Map(), { brokerCount: 1, replicationFactor: undefined })[0],
  ).toMatchObject({ replicationFactor: 1, config: { 'min.insync.replicas': '1' } });
});

test('an output topic may grow; raw and journal may not, and it is said what to do', () => {
  const grown = planTopics(
    { ...catalog, topics: catalog.topics.map((topic) => ({ ...topic, partitions: 24 })) },
    whole,
    threeBrokers,
  );
  expect(grown.filter(({ kind }) => kind === 'add-partitions')).toHaveLength(7);
  const refused = grown.filter(({ kind }) => kind === 'refuse');
  expect(refused.map(({ topic }) => topic)).toEqual(['v.webhooks.raw', 'v.publications.journal']);
  expect(refused.map(describeChange).join()).toContain('new TOPIC_PREFIX');
});

test('a setting that differs is set, and shown with both values', () => {
  const [change] = planTopics(
    catalog,
    config('v.webhooks.raw', { 'retention.ms': '1000' }),
    threeBrokers,
  );
  expect(change).toMatchObject({
    kind: 'set-config',
    config: { 'retention.ms': String(14 * day) },
  });
  expect(describeChange(change as Change)).toBe(
    'configure v.webhooks.raw: retention.ms 1000 to 1209600000',
  );
});

test.each([
  ['every topic is missing', new Map(), 'topic v.webhooks.raw does not exist'],
  [
    'the journal has other partitions than raw',
    changed('v.publications.journal', { partitions: 6 }),
    'v.publications.journal has 6 partitions: expected 12, as many as v.webhooks.raw',
  ],
  [
    'an output has fewer',
    changed('v.publications.other', { partitions: 1 }),
    'v.publications.other has 1 partitions: expected at least 12',
  ],
  [
    'raw outlives the window',
    config('v.webhooks.raw', { 'retention.ms': String(16 * day) }),
    'or a record could outlive the memory of its id',
  ],
  [
    'raw is kept forever',
    config('v.webhooks.raw', { 'retention.ms': '-1' }),
    'v.webhooks.raw keeps records for -1 ms',
  ],
  [
    'the journal forgets too soon',
    config('v.publications.journal', { 'retention.ms': String(20 * day) }),
    'expected at least twice DEDUP_WINDOW',
  ],
  [
    'the journal is compacted',
    config('v.publications.journal', { 'cleanup.policy': 'compact' }),
    'has cleanup.policy compact: expected delete',
  ],
  [
    'one replica is enough for an acknowledgement, though there are three',
    config('v.webhooks.raw', { 'min.insync.replicas': '1' }),
    'min.insync.replicas 1 with 3 replicas: expected at least 2',
  ],
  [
    'more replicas must be in sync than there are',
    config('v.publications.other', { 'min.insync.replicas': '4' }),
    'or nothing can be written',
  ],
  [
    'a leader may be elected that lacks records',
    config('v.publications.journal', { 'unclean.leader.election.enable': 'true' }),
    'acknowledged records may be lost',
  ],
  [
    'dead letters take less than raw',
    config('v.webhooks.dlq', { 'segment.bytes': '1048576' }),
    'could not be parked',
  ],
  [
    'raw is compressed by a codec that nothing reads',
    config('v.webhooks.raw', { 'compression.type': 'brotli' }),
    'has compression.type brotli: expected one of uncompressed, gzip, snappy, lz4, zstd, producer',
  ],
])('it is a problem when %s', (_, existing, message) => {
  expect(topicProblems(catalog, existing as ReadonlyMap<string, TopicState>).join('\n')).toContain(
    message,
  );
});

test('raw must accept the largest body that the bridge accepts', () => {
  expect(bodySizeProblems(catalog, whole, 8 * 1024 * 1024)).toEqual([]);
  const small = config('v.webhooks.raw', { 'max.message.bytes': '1048576' });
  expect(bodySizeProblems(catalog, small, 1024 * 1024)[0]).toContain('BODY_MAX_BYTES (1048576)');
});

test('a permission that is missing is named, with operation and topic', () => {
  const found = new Map<string, Set<Operation>>([
    ['raw', new Set(['READ', 'DESCRIBE_CONFIGS'])],
    ['out', new Set(['WRITE', 'DESCRIBE_CONFIGS'])],
  ]);
  expect(accessProblems({ read: ['raw'], write: ['out'] }, found, 'User:p')).toEqual([]);
  const advice = 'expected an ACL that allows it to User:p (`voucherbus acl print`)';
  expect(accessProblems({ read: ['out', 'raw'], write: ['raw'] }, found, 'User:p')).toEqual([
    `no permission for READ on topic out: ${advice}`,
    `no permission for WRITE on topic raw: ${advice}`,
  ]);
  found.set('raw', new Set(['READ']));
  expect(accessProblems({ read: ['raw'], write: ['out'] }, found, 'User:p')).toEqual([
    `no permission for DESCRIBE_CONFIGS on topic raw: ${advice}`,
  ]);
});

test('a journal kept forever is no problem', () => {
  expect(
    topicProblems(catalog, config('v.publications.journal', { 'retention.ms': '-1' })),
  ).toEqual([]);
});

test('a record is kept for at most a fourteenth longer; reference data is kept as Kafka does', () => {
  const { topics: all } = createCatalog({ ...topics, hasReference: true });
  const segments = Object.fromEntries(all.map(({ role, config }) => [role, config['segment.ms']]));
  expect(segments).toEqual({
    raw: String(day),
    publications: String(day),
    'dead-letters': String(Math.ceil((30 * day) / 14)),
    journal: String(Math.ceil((30 * day) / 14)),
    reference: undefined,
  });
});
