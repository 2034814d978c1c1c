/**
 * Checks of both services before they start: a missing or unfit topic would lose or repeat events
 * later.
 */

import { AppError } from '../errors.ts';
import type { TopicState } from '../kafka/admin.ts';
import { describeDenial, type Operation } from '../kafka/permissions.ts';
import { codecProblem } from '../kafka/protocol/codecs.ts';
import { type Catalog, leastInsync } from './catalog.ts';

type Existing = ReadonlyMap<string, TopicState>;

/** Returns every problem as a sentence with both values; empty if there is none. */
export function topicProblems(catalog: Catalog, existing: Existing): readonly string[] {
  const missing = catalog.topics
    .filter(({ name }) => !existing.has(name))
    .map(({ name }) => `topic ${name} does not exist`);
  return [
    ...missing,
    ...partitionProblems(catalog, existing),
    ...retentionProblems(catalog, existing),
    ...codecProblems(catalog, existing),
    ...durabilityProblems(catalog, existing),
    ...sizeProblems(catalog, existing),
  ];
}

/** @throws AppError TOPIC_UNFIT with every problem and the command to run */
export function expectFit(problems: readonly string[]): void {
  if (problems.length === 0) return;
  const lines = [
    'the topics are not fit for this deployment:',
    ...problems.map((problem) => `  ${problem}`),
    'Run `voucherbus topics plan` to see what would change, `voucherbus topics apply` to change it.',
  ];
  throw new AppError('TOPIC_UNFIT', 'stop', lines.join('\n'));
}

/**
 * Returns a problem if raw cannot take the bridge's largest body (BODY_MAX_BYTES) with its record.
 */
export function bodySizeProblems(
  { raw }: Catalog,
  existing: Existing,
  maxBodyBytes: number,
): readonly string[] {
  const state = existing.get(raw);
  const needed = maxBodyBytes + recordOverhead;
  if (state === undefined || largestBatch(state) >= needed) return [];
  return [
    `${raw} takes record batches of ${largestBatch(state)} bytes (its max.message.bytes or segment.bytes): expected at least ${needed} for BODY_MAX_BYTES (${maxBodyBytes})`,
  ];
}

/** The topics that a service reads and writes. */
export type TopicUse = { readonly read: readonly string[]; readonly write: readonly string[] };

/**
 * Returns the operations that this client may not do: without them it would seem ready, and fail at
 * the first record. The settings of every topic are checked, so they must be readable.
 */
export function accessProblems(
  { read, write }: TopicUse,
  allowed: ReadonlyMap<string, ReadonlySet<Operation>>,
  principal: string,
): readonly string[] {
  const used = new Set([...read, ...write]);
  const others = [...allowed.keys()].filter((name) => !used.has(name));
  const lacks = (names: Iterable<string>, operation: Operation) =>
    [...names]
      .filter((name) => allowed.get(name)?.has(operation) === false)
      .map((name) => describeDenial({ operation, resource: 'topic', name }, principal));
  return [
    // READ and WRITE include it.
    ...lacks(others, 'DESCRIBE'),
    ...lacks(allowed.keys(), 'DESCRIBE_CONFIGS'),
    ...lacks(read, 'READ'),
    ...lacks(write, 'WRITE'),
  ];
}

/** @throws AppError PERMISSION_MISSING with every problem */
export function expectAccess(problems: readonly string[]): void {
  if (problems.length > 0) throw new AppError('PERMISSION_MISSING', 'stop', problems.join('\n'));
}

/**
 * Size of the key, headers and framing of a raw record, or of a dead letter beyond its raw record.
 */
const recordOverhead = 64 * 1024;

/**
 * Returns the size of the largest record batch that the topic takes; it must fit into a segment,
 * too.
 */
function largestBatch({ config }: TopicState): number {
  const bytes = [config['max.message.bytes'], config['segment.bytes']].map(Number);
  return Math.min(...bytes.filter((one) => !Number.isNaN(one)));
}

/**
 * Checks what a 2xx promises: losing one broker loses nothing. That needs two replicas in sync, and
 * a new leader that is one of them.
 */
function durabilityProblems({ topics }: Catalog, existing: Existing): readonly string[] {
  return topics.flatMap(({ name, role }) => {
    const state = existing.get(name);
    if (state === undefined || role === 'reference') return [];
    const { replicationFactor, config } = state;
    const insync = Number(config['min.insync.replicas'] ?? 1);
    const wanted = leastInsync(replicationFactor);
    const problems: string[] = [];
    if (insync < wanted) {
      problems.push(
        `${name} has min.insync.replicas ${insync} with ${replicationFactor} replicas: expected at least ${wanted}, or a broker that fails may take acknowledged records with it`,
      );
    }
    if (insync > replicationFactor) {
      problems.push(
        `${name} has min.insync.replicas ${insync} with ${replicationFactor} replicas: expected at most as many, or nothing can be written`,
      );
    }
    if (config['unclean.leader.election.enable'] === 'true') {
      problems.push(
        `${name} has unclean.leader.election.enable true: expected false, or acknowledged records may be lost`,
      );
    }
    return problems;
  });
}

function sizeProblems({ raw, deadLetters }: Catalog, existing: Existing): readonly string[] {
  const [from, to] = [existing.get(raw), existing.get(deadLetters)];
  if (!from || !to || largestBatch(to) >= largestBatch(from)) return [];
  return [
    `${deadLetters} takes record batches of ${largestBatch(to)} bytes: expected at least ${largestBatch(from)}, as ${raw}, or what cannot be understood could not be parked`,
  ];
}

function partitionProblems(
  { raw, journal, topics }: Catalog,
  existing: Existing,
): readonly string[] {
  const count = existing.get(raw)?.partitions;
  if (count === undefined) return [];
  return topics.flatMap(({ name, partitions }) => {
    const own = existing.get(name)?.partitions;
    if (own === undefined) return [];
    if (name === raw) {
      return own === partitions
        ? []
        : [
            `${name} has ${own} partitions, PARTITIONS is ${partitions}: expected the same. If partitions were added to it, publication ids have moved away from the memory of them: create a second deployment under a new TOPIC_PREFIX`,
          ];
    }
    if (name === journal && own !== count) {
      return [`${name} has ${own} partitions: expected ${count}, as many as ${raw}`];
    }
    // Output records go to the partition of their input.
    return own < count
      ? [`${name} has ${own} partitions: expected at least ${count}, as ${raw} has`]
      : [];
  });
}

function retentionProblems(
  { raw, journal, windowMs }: Catalog,
  existing: Existing,
): readonly string[] {
  const problems: string[] = [];
  const rawMs = Number(existing.get(raw)?.config['retention.ms']);
  if (rawMs < 0 || rawMs > windowMs) {
    problems.push(
      `${raw} keeps records for ${rawMs} ms: expected at most DEDUP_WINDOW (${windowMs} ms), or a record could outlive the memory of its id`,
    );
  }
  const journalState = existing.get(journal);
  const journalMs = Number(journalState?.config['retention.ms']);
  if (journalMs >= 0 && journalMs < 2 * windowMs) {
    problems.push(
      `${journal} keeps records for ${journalMs} ms: expected at least twice DEDUP_WINDOW (${2 * windowMs} ms)`,
    );
  }
  const policy = journalState?.config['cleanup.policy'];
  if (policy !== undefined && policy !== 'delete') {
    problems.push(
      `${journal} has cleanup.policy ${policy}: expected delete (its records have no keys)`,
    );
  }
  return problems;
}

/** Checks the topics that the services read. */
function codecProblems(
  { raw, journal, reference }: Catalog,
  existing: Existing,
): readonly string[] {
  return [raw, journal, reference].flatMap((topic = '') => {
    const codec = existing.get(topic)?.config['compression.type'];
    const problem = codec === undefined ? undefined : codecProblem(codec);
    return problem === undefined ? [] : [`${topic} has compression.type ${problem}`];
  });
}
