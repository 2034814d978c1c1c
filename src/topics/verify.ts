/** What both services check before they start: a topic that is missing or unfit would lose or repeat events later. */

import type { TopicState } from '../kafka/admin.ts';
import type { Catalog } from './catalog.ts';

type Existing = ReadonlyMap<string, TopicState>;

/** Every problem, as a sentence with both values; empty where all is well. */
export function topicProblems(catalog: Catalog, existing: Existing): readonly string[] {
  const missing = catalog.topics
    .filter(({ name }) => !existing.has(name))
    .map(({ name }) => `topic ${name} does not exist`);
  return [
    ...missing,
    ...partitionProblems(catalog, existing),
    ...retentionProblems(catalog, existing),
    ...codecProblems(catalog, existing),
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
    // Records leave on the partition on which they came.
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

/** The codecs that src/kafka/decode-batch.ts reads. */
const readable = new Set(['producer', 'uncompressed', 'gzip', 'zstd']);

function codecProblems({ raw, journal }: Catalog, existing: Existing): readonly string[] {
  return [raw, journal].flatMap((topic) => {
    const codec = existing.get(topic)?.config['compression.type'];
    return codec === undefined || readable.has(codec)
      ? []
      : [`${topic} has compression.type ${codec}: expected one of ${[...readable].join(', ')}`];
  });
}
