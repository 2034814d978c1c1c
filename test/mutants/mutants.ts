/** Faults planted one by one: each must make the tests named with it fail. Small edits of a copy of src, never of src itself. */

export type Mutant = {
  readonly name: string;
  /** In src. */
  readonly file: string;
  /** What stands there, once, and what is put in its place. */
  readonly edits: readonly (readonly [find: string, replace: string])[];
  /** The vitest arguments that select the tests which must notice. */
  readonly caughtBy: readonly string[];
};

/** The file with the fault in it. @throws Error where the place is not there, or not once: the source has changed under the mutant */
export function plant(text: string, { name, file, edits }: Mutant): string {
  return edits.reduce((changed, [find, replace]) => {
    const times = changed.split(find).length - 1;
    if (times !== 1) {
      throw new Error(`"${name}": src/${file} has ${times} times, expected once:\n${find}`);
    }
    return changed.replace(find, () => replace);
  }, text);
}

const unit = (file: string) => ['--project', 'unit', `test/unit/${file}.test.ts`];
const integration = (file: string) => [
  '--project',
  'integration',
  `test/integration/${file}.test.ts`,
];
const failure = (file: string, name: string) => [
  '--project',
  'failure',
  `test/failure/${file}.test.ts`,
  '-t',
  name,
];

const killedAtEachStep = failure('processes', 'killed at each step');
const stolenIds = failure('processes', 'somebody else takes');
const zombie = failure('processes', 'stopped for longer than its session');

export const mutants: readonly Mutant[] = [
  {
    name: 'the committed offset is that of the last record, not one more',
    file: 'processor/decide.ts',
    edits: [['this.to = rawOffset + 1;', 'this.to = rawOffset;']],
    caughtBy: unit('processor/decide'),
  },
  {
    name: 'the offsets are committed after the transaction, in one of their own',
    file: 'kafka/transactional-producer.ts',
    edits: [
      ['    transaction.sendOffsets({', '    Promise.resolve({'],
      [
        '  await transaction.commit();\n}',
        '  await transaction.commit();\n  const second = await producer.transaction();\n  await second.sendOffsets({ consumerGroupId: group, topics: [{ topic, partitions: [{ partition, offset: String(offset) }] }] });\n  await second.commit();\n}',
      ],
    ],
    caughtBy: killedAtEachStep,
  },
  {
    name: 'a transaction is committed although its records or its offset were refused',
    file: 'kafka/transactional-producer.ts',
    edits: [["  for (const one of sent) if (one.status === 'rejected') throw one.reason;\n", '']],
    caughtBy: integration('lease'),
  },
  {
    name: 'the journal is written in a transaction of its own, before the outputs',
    file: 'kafka/transactional-producer.ts',
    edits: [
      [
        '  const transaction = await producer.transaction();\n',
        '  const first = await producer.transaction();\n  await first.sendBatch({ topicMessages: records.slice(-1).map(asTopicMessages) });\n  await first.commit();\n  const transaction = await producer.transaction();\n',
      ],
      [
        '      topicMessages: records.map(asTopicMessages),',
        '      topicMessages: records.slice(0, -1).map(asTopicMessages),',
      ],
    ],
    caughtBy: killedAtEachStep,
  },
  {
    name: 'ids count as seen before the commit, and the memory is kept when the commit fails',
    file: 'processor/processor.ts',
    edits: [
      [
        '  await producer.commit(transaction);\n  const',
        '  state.apply(batch);\n  await producer.commit(transaction);\n  const',
      ],
      ['  giveBack();\n  state.apply(batch);', '  giveBack();'],
      [
        '      await drop(batch.partition);\n',
        "      const { producer } = await takeLease(batch.partition, 'failed', batch.heartbeat, context);\n      leases.set(batch.partition, { producer, state: lease.state });\n",
      ],
    ],
    caughtBy: stolenIds,
  },
  {
    name: 'a producer is used again after an unknown outcome',
    file: 'processor/processor.ts',
    edits: [['      await drop(batch.partition);\n', '']],
    caughtBy: stolenIds,
  },
  {
    name: 'a lease is taken without asking whether we are still a member',
    file: 'processor/lease.ts',
    edits: [['  await heartbeat();\n  const id', '  const id']],
    caughtBy: integration('lease'),
  },
  {
    name: 'the position is read before the lease is taken',
    file: 'processor/lease.ts',
    edits: [
      [
        '  const opening = openTransactional(',
        '  const offsets = await admin.committedOffsets(group, catalog.raw);\n  const opening = openTransactional(',
      ],
      [
        '    const offsets = await whileBeating(admin.committedOffsets(group, catalog.raw), heartbeat);\n    const state',
        '    const state',
      ],
    ],
    caughtBy: integration('lease'),
  },
  {
    name: 'each process has transactional ids of its own',
    file: 'processor/lease.ts',
    edits: [['const id = transactionalIdOf(', 'const id = process.pid + transactionalIdOf(']],
    caughtBy: zombie,
  },
  {
    name: 'a send with several partitions is not checked partition by partition',
    file: 'kafka/kafkajs-patches/send-messages.ts',
    edits: [
      [
        'if (one.errorCode === 0 || one.errorCode === duplicateSequence)',
        'if (one.errorCode >= 0)',
      ],
    ],
    caughtBy: unit('kafka/kafkajs-patches/send-messages'),
  },
  {
    name: 'a repeated send gets new sequence numbers',
    file: 'kafka/kafkajs-patches/send-messages.ts',
    edits: [['batch.sequence !== undefined || ', '']],
    caughtBy: unit('kafka/kafkajs-patches/send-messages'),
  },
  {
    name: 'the window forgets two generations too early',
    file: 'journal/window.ts',
    edits: [['(number + 2) * this.#spanMs', 'number * this.#spanMs']],
    caughtBy: unit('journal/window'),
  },
  {
    name: 'the digest is that of another id',
    file: 'processor/decode.ts',
    edits: [
      ['digestOf(content.id) : digestOfKey()', 'digestOf(content.id.slice(1)) : digestOfKey()'],
    ],
    caughtBy: integration('verify'),
  },
  {
    name: 'of two copies in one batch both pass',
    file: 'processor/decide.ts',
    edits: [["if (decision.kind === 'forward') draft.add(content.id);", '']],
    caughtBy: unit('processor/decide'),
  },
  {
    name: 'an event too old to be told from a repeat passes',
    file: 'processor/decide.ts',
    edits: [['memory.isOlderThanWindow(content.createdAtMs, streamTimeMs)', 'false']],
    caughtBy: unit('processor/repeats'),
  },
  {
    name: 'dead letters are left out of the transaction',
    file: 'processor/transaction-builder.ts',
    edits: [['      this.#put(catalog.deadLetters, letter);\n', '      void letter;\n']],
    caughtBy: unit('processor/transaction-builder'),
  },
  {
    name: 'a fetched record is skipped',
    file: 'processor/prepare.ts',
    edits: [
      ['Number(record.offset) < position', 'Number(record.offset) <= position && position > 0'],
    ],
    caughtBy: integration('verify'),
  },
  {
    name: 'the restore believes a record that a later one contradicts',
    file: 'journal/replay.ts',
    edits: [['pending.deployment?.isAdopted || batch.from > pending.from', 'true']],
    caughtBy: unit('journal/replay'),
  },
  {
    name: 'the restore believes a tail beyond the committed offset',
    file: 'journal/replay.ts',
    edits: [['pending.to > committed', 'pending.to < 0']],
    caughtBy: failure('positions', 'a void tail'),
  },
  {
    name: 'a truncated journal counts as whole',
    file: 'journal/restore.ts',
    edits: [['if (isTruncated)', 'if (isTruncated && nowMs < 0)']],
    caughtBy: failure('positions', 'truncated the journal'),
  },
  {
    name: 'a topic that was made again is believed at start',
    file: 'journal/deployment-identity.ts',
    edits: [['id !== undefined && id !== expected', 'id === expected']],
    caughtBy: unit('journal/deployment-identity'),
  },
  {
    name: 'a topic that is made again under a running processor goes unnoticed',
    file: 'processor/deployment-watch.ts',
    edits: [['if (differences.length > 0)', 'if (differences.length > 99)']],
    caughtBy: integration('identity'),
  },
  {
    name: 'a log that was truncated is believed',
    file: 'journal/restore.ts',
    edits: [['return found === state.lastTimestamp;', 'return true;']],
    caughtBy: integration('lease'),
  },
  {
    name: 'letters of a dead-letter topic that was made again are taken for the earlier ones',
    file: 'dead-letters/redrive.ts',
    edits: [['{topicId}', '{topicId.length}']],
    caughtBy: unit('inspect/redrive'),
  },
  {
    name: 'the group offset and the journal may differ',
    file: 'journal/position.ts',
    edits: [['committed !== journal) {', 'committed === -2) {']],
    caughtBy: unit('journal/position'),
  },
  {
    name: 'a deleted journal is taken for a new one',
    file: 'journal/position.ts',
    edits: [
      ['journal === undefined && isJournalVirgin &&', 'journal === -2 && isJournalVirgin &&'],
    ],
    caughtBy: unit('journal/position'),
  },
  {
    name: 'the restore reads aborted records',
    file: 'kafka/protocol/record-batch-reader.ts',
    edits: [['!batch.isTransactional || !open.has(batch.producerId)', 'batch']],
    caughtBy: integration('verify'),
  },
  {
    name: 'being fenced ends the process',
    file: 'kafka/failure.ts',
    edits: [["return 'give-up-lease';", "return 'stop';"]],
    caughtBy: unit('kafka/failure'),
  },
  {
    name: 'the errors of a rebalance are kept from KafkaJS',
    file: 'kafka/failure.ts',
    edits: [["return rebalanceTypes.has(rootOf(error)?.type ?? '');", 'return error === 0;']],
    caughtBy: unit('kafka/failure'),
  },
  {
    name: 'a crashed consumer is not noticed',
    file: 'kafka/group.ts',
    edits: [['else reject(fatalCauseOf(error));', 'else void fatalCauseOf(error);']],
    caughtBy: failure('positions', 'behind or ahead'),
  },
  {
    name: 'while the coordinator is away, every heartbeat passes, a rebalance too',
    file: 'kafka/kafkajs-patches/consumer-group.ts',
    edits: [['if (!isCoordinatorAway(error) || isOverdue) throw error;', '']],
    caughtBy: unit('kafka/kafkajs-patches/consumer-group'),
  },
  {
    name: 'a step of SASL that was cut off stays in the buffer',
    file: 'kafka/kafkajs-patches/connection.ts',
    edits: [['    connection.chunks = [];\n', '']],
    caughtBy: unit('kafka/kafkajs-patches/connection'),
  },
  {
    name: 'the bridge answers before the webhook is stored',
    file: 'bridge/batcher.ts',
    edits: [
      [
        'this.#waiting.push(waiting);',
        'this.#waiting.push(waiting);\n    waiting.kept({ partition: 0, offset: 0 });',
      ],
    ],
    caughtBy: integration('bridge'),
  },
  {
    name: "what was read of a connection is lost on its way to Node's server",
    file: 'bridge/fast-path/connection.ts',
    edits: [['    socket.unshift(unanswered);\n', '']],
    caughtBy: unit('bridge/fast-path/connection'),
  },
  {
    name: 'a request that is chunked is taken for one with a length',
    file: 'bridge/fast-path/request-parser.ts',
    edits: [["'transfer-encoding', ", '']],
    caughtBy: unit('bridge/fast-path/request-parser'),
  },
  {
    name: 'what is read next is written over what was read before',
    file: 'bridge/fast-path/one-buffer.ts',
    edits: [['    slab = Buffer', '    if (slab.length === 0) slab = Buffer']],
    caughtBy: unit('bridge/fast-path/one-buffer'),
  },
  {
    name: 'an event too large for its topic ends the process',
    file: 'processor/topic-limits.ts',
    edits: [['if (bytes > limit) return', 'if (bytes < 0) return']],
    caughtBy: unit('processor/topic-limits'),
  },
  {
    name: 'the spool believes that a write is whole',
    file: 'bridge/spool/spool.ts',
    edits: [
      [
        'await writeWhole(file, frames, segment.bytes);',
        'await file.write(frames, 0, frames.length, segment.bytes);',
      ],
    ],
    caughtBy: unit('bridge/spool/spool'),
  },
  {
    name: 'the spool sends again what it could not delete',
    file: 'bridge/spool/spool.ts',
    edits: [['    segment.isSent = true;\n', '']],
    caughtBy: unit('bridge/spool/spool'),
  },
  {
    name: 'a silent connection keeps the bridge from ending',
    file: 'bridge/server.ts',
    edits: [['      connections.endSilent();\n', '']],
    caughtBy: [...integration('bridge'), '-t', 'no connection is reset'],
  },
  {
    name: 'a dead letter that is sent back twice passes twice',
    file: 'processor/decide.ts',
    edits: [
      [
        'if (record.redrive && !isFirst(record.redrive, draft, memory)) ',
        'if (record.redrive && !isFirst) ',
      ],
    ],
    caughtBy: unit('processor/decide'),
  },
  {
    name: 'that a dead letter was sent back is forgotten after its batch',
    file: 'journal/state.ts',
    edits: [["new Set(['FORWARDED', 'REDRIVEN'])", "new Set(['FORWARDED'])"]],
    caughtBy: unit('processor/decide'),
  },
  {
    name: 'what nobody vouches for passes as well',
    file: 'processor/decide.ts',
    edits: [['      !record.redrive?.isStaleAllowed &&', '      !record.redrive &&']],
    caughtBy: unit('processor/decide'),
  },
  {
    name: 'an event takes every route that fits, whatever the file says',
    file: 'routing/routes.ts',
    edits: [["if (match === 'first') {", "if (match !== 'first' && match !== 'all') {"]],
    caughtBy: unit('routing/routes'),
  },
  {
    name: 'what came of an answer before its connection broke is put before the next one',
    file: 'kafka/kafkajs-patches/connection.ts',
    edits: [['    forgetReceived(connection);\n', '']],
    caughtBy: unit('kafka/kafkajs-patches/connection'),
  },
  {
    name: 'the memory of an answer is given back while another partition of it is still processed',
    file: 'kafka/buffer-lifetime.ts',
    edits: [
      [
        '  if (left > 0) users.set(bytes.buffer, left);\n  else if (left === 0)',
        '  if (left >= 0)',
      ],
    ],
    caughtBy: unit('kafka/kafkajs-patches/decode-messages'),
  },
  {
    name: 'the memory of a transaction is given back before it is sent',
    file: 'processor/processor.ts',
    edits: [
      [
        '  await producer.commit(transaction);\n',
        '  giveBack();\n  await producer.commit(transaction);\n',
      ],
    ],
    caughtBy: integration('processor'),
  },
  {
    name: 'a worker that has died is not replaced',
    file: 'workers/supervisor.ts',
    edits: [['    if (!isStopping) fill(slot);', '']],
    caughtBy: integration('workers'),
  },
  {
    name: 'connections go to the worker that has the most',
    file: 'workers/connection-balancer.ts',
    edits: [['load(taker) < load(least)', 'load(taker) > load(least)']],
    caughtBy: unit('workers/connection-balancer'),
  },
  {
    name: 'a connection on its way to a worker that dies is forgotten',
    file: 'workers/connection-balancer.ts',
    edits: [['    for (const socket of given) this.#give(socket);\n', '']],
    caughtBy: unit('workers/connection-balancer'),
  },
  {
    name: 'a port is closed over what waits to be accepted',
    file: 'workers/connection-balancer.ts',
    edits: [['      await untilAllAccepted(this.#server);\n', '']],
    caughtBy: unit('workers/connection-balancer'),
  },
  {
    name: 'what a worker has counted is forgotten when it dies',
    file: 'workers/supervisor.ts',
    edits: [['    if (report) past = await countedIn([past, report.metrics]);\n', '']],
    caughtBy: integration('workers'),
  },
  {
    name: 'a worker that has died stays in the group until its session ends',
    file: 'workers/supervisor.ts',
    edits: [['        slot.lastWill = message.text;\n', '']],
    caughtBy: [...integration('workers'), '-t', 'taken out of the group'],
  },
  {
    name: 'nobody looks whether the neighbours live',
    file: 'app/processor-app.ts',
    edits: [['        void peers.look();\n', '']],
    caughtBy: failure('processes', 'long before its session ends'),
  },
  {
    name: 'whoever refuses a connection is taken for dead, met or not',
    file: 'membership/liveness.ts',
    edits: [['hasMet && answer', 'answer']],
    caughtBy: unit('membership/liveness'),
  },
  {
    name: 'whoever closes a connection is taken for dead',
    file: 'membership/liveness.ts',
    edits: [['      hasMet = true;\n', '      return true;\n']],
    caughtBy: unit('membership/liveness'),
  },
  {
    name: 'whoever had our place before us stays in the group until its session ends',
    file: 'membership/peers.ts',
    edits: [['isSameAddress(identity, own)', 'false']],
    caughtBy: failure('processes', 'its own ghost'),
  },
];
