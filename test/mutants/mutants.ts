/**
 * Mutants: small faults, planted one at a time into a copy of src. The tests named with each must
 * fail.
 */

export type Mutant = {
  readonly name: string;
  /** In src. */
  readonly file: string;
  /** Each text occurs once in the file, and is replaced. */
  readonly edits: readonly (readonly [find: string, replace: string])[];
  /** The vitest arguments that select the tests which must notice. */
  readonly caughtBy: readonly string[];
};

/**
 * Returns the file with the fault in it.
 * @throws Error if the text to replace does not occur exactly once: the source has changed
 */
export function plant(text: string, { name, file, edits }: Mutant): string {
  return edits.reduce((changed, [find, replace]) => {
    const times = changed.split(find).length - 1;
    if (times !== 1) {
      throw new Error(
        `"${name}": src/${file} contains this ${times} times, expected once:\n${find}`,
      );
    }
    return changed.replace(find, () => replace);
  }, text);
}

const unit = (file: string) => ['--project', 'unit*', `test/unit/${file}.test.ts`];
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
const stolenIds = failure('processes', 'another producer takes');
const zombie = failure('processes', 'stopped for longer than its session');

export const mutants: readonly Mutant[] = [
  {
    name: 'the committed offset is that of the last record, not one more',
    file: 'processor/decide.ts',
    edits: [['this.to = rawOffset + 1;', 'this.to = rawOffset;']],
    caughtBy: unit('processor/decide'),
  },
  {
    name: 'the offsets are committed in a second transaction',
    file: 'kafka/transactional-producer.ts',
    edits: [
      ['      transaction.sendOffsets({', '      Promise.resolve({'],
      [
        '    await transaction.commit();\n    arena',
        '    await transaction.commit();\n    const second = await this.#producer.transaction();\n    await second.sendOffsets({ consumerGroupId: group, topics: [{ topic, partitions: [{ partition, offset: String(offset) }] }] });\n    await second.commit();\n    arena',
      ],
    ],
    caughtBy: killedAtEachStep,
  },
  {
    name: 'a transaction is committed although its records or its offset were refused',
    file: 'kafka/transactional-producer.ts',
    edits: [["    for (const one of sent) if (one.status === 'rejected') throw one.reason;\n", '']],
    caughtBy: integration('lease'),
  },
  {
    name: 'the journal is written in an earlier transaction than the outputs',
    file: 'kafka/transactional-producer.ts',
    edits: [
      [
        '    const transaction = await this.#producer.transaction();\n',
        '    const first = await this.#producer.transaction();\n    await first.sendBatch({ topicMessages: records.slice(-1).map(asTopicMessages) });\n    await first.commit();\n    const transaction = await this.#producer.transaction();\n',
      ],
      [
        'topicMessages: records.map(asTopicMessages),',
        'topicMessages: records.slice(0, -1).map(asTopicMessages),',
      ],
    ],
    caughtBy: killedAtEachStep,
  },
  {
    name: 'ids count as seen before the commit, and the state is kept when the commit fails',
    file: 'processor/processor.ts',
    edits: [
      [
        '      await lease.producer.commit(work.transaction);\n',
        '      lease.state.apply(work.journalRecord);\n      await lease.producer.commit(work.transaction);\n',
      ],
      ['    lease.state.apply(work.journalRecord);\n    this.#count', '    this.#count'],
      [
        '      await this.#drop(batch.partition);\n',
        "      const { producer } = await takeLease(batch.partition, 'failed', batch.heartbeat, this.#context);\n      this.#leases.set(batch.partition, { producer, state: lease.state });\n",
      ],
    ],
    caughtBy: stolenIds,
  },
  {
    name: 'a producer is used again after an unknown outcome',
    file: 'processor/processor.ts',
    edits: [['      await this.#drop(batch.partition);\n', '']],
    caughtBy: stolenIds,
  },
  {
    name: 'a lease is taken without checking the membership',
    file: 'processor/lease.ts',
    edits: [['  await heartbeat();\n  const id', '  const id']],
    caughtBy: integration('lease'),
  },
  {
    name: 'the position is read before the lease is taken',
    file: 'processor/lease.ts',
    edits: [
      [
        '  const opening = TransactionalProducer.open(',
        '  const offsets = await admin.committedOffsets(group, catalog.raw);\n  const opening = TransactionalProducer.open(',
      ],
      [
        '    const offsets = await whileBeating(admin.committedOffsets(group, catalog.raw), heartbeat);\n    const state',
        '    const state',
      ],
    ],
    caughtBy: integration('lease'),
  },
  {
    name: 'each process has its own transactional ids',
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
    name: 'both copies of an event in one batch are forwarded',
    file: 'processor/decide.ts',
    edits: [["if (decision.kind === 'forward') forwarded.add(content.id);", '']],
    caughtBy: unit('processor/decide'),
  },
  {
    name: 'an event older than the window is forwarded',
    file: 'processor/decide.ts',
    edits: [['state.isOlderThanWindow(content.createdAtMs, streamTimeMs)', 'false']],
    caughtBy: unit('processor/repeats'),
  },
  {
    name: 'dead letters are left out of the transaction',
    file: 'processor/transaction-builder.ts',
    edits: [['      this.#put(deadLetters, letter);\n', '      void [letter, deadLetters];\n']],
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
    name: 'a truncated journal counts as complete',
    file: 'journal/restore.ts',
    edits: [['if (isTruncated)', 'if (isTruncated && nowMs < 0)']],
    caughtBy: failure('positions', 'truncated the journal'),
  },
  {
    name: 'a recreated topic is accepted at start',
    file: 'journal/deployment-identity.ts',
    edits: [['id !== undefined && id !== expected', 'id === expected']],
    caughtBy: unit('journal/deployment-identity'),
  },
  {
    name: 'a topic that is recreated under a running processor is not noticed',
    file: 'processor/deployment-watch.ts',
    edits: [['if (differences.length > 0)', 'if (differences.length > 99)']],
    caughtBy: integration('identity'),
  },
  {
    name: 'a truncated raw log is accepted',
    file: 'journal/restore.ts',
    edits: [['return record?.timestampMs === state.lastTimestamp;', 'return true;']],
    caughtBy: integration('lease'),
  },
  {
    name: 'letters of a recreated dead-letter topic count as the earlier ones',
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
    name: 'a deleted journal counts as a new one',
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
    name: 'KafkaJS does not see the errors of a rebalance',
    file: 'kafka/failure.ts',
    edits: [["return rebalanceTypes.has(rootOf(error)?.type ?? '');", 'return error === 0;']],
    caughtBy: unit('kafka/failure'),
  },
  {
    name: 'a crashed consumer is not noticed',
    file: 'kafka/group.ts',
    edits: [['else this.#ended.reject(failure);', '']],
    caughtBy: failure('positions', 'behind or ahead'),
  },
  {
    name: 'a consumer that may not read is given up',
    file: 'kafka/group.ts',
    edits: [['isDenied(failure) && !options.isEndedByDenial', 'false']],
    caughtBy: integration('permissions'),
  },
  {
    name: 'a permission that is taken away from a running bridge is not noticed',
    file: 'kafka/writer.ts',
    edits: [["found.leaderless.length === 0 && found.allowed.has('WRITE')", 'true']],
    caughtBy: integration('permissions'),
  },
  {
    name: 'an OAuth id and secret are joined without being encoded',
    file: 'credentials/oidc.ts',
    edits: [
      [
        'return ClientSecretBasic(secret);',
        "return (_, { client_id: id }, __, head) => head.set('authorization', 'Basic ' + btoa(id + ':' + secret));",
      ],
    ],
    caughtBy: integration('tokens'),
  },
  {
    name: 'a certificate is read once',
    file: 'credentials/tls.ts',
    edits: [['if (texts.every(', 'if (this.#texts.length > 0 || texts.every(']],
    caughtBy: integration('rotation'),
  },
  {
    name: 'while the coordinator is unreachable, every heartbeat succeeds, also in a rebalance',
    file: 'kafka/kafkajs-patches/consumer-group.ts',
    edits: [['if (!isCoordinatorUnavailable(error) || isOverdue) throw error;', '']],
    caughtBy: unit('kafka/kafkajs-patches/consumer-group'),
  },
  {
    name: 'a truncated SASL step stays in the buffer',
    file: 'kafka/kafkajs-patches/connection.ts',
    edits: [['    connection.chunks = [];\n', '']],
    caughtBy: unit('kafka/kafkajs-patches/connection'),
  },
  {
    name: 'the bridge responds before the webhook is stored',
    file: 'bridge/batcher.ts',
    edits: [
      [
        'this.#queue.push(queued);',
        "this.#queue.push(queued);\n    queued.stored({ kind: 'stored', partition: 0, offset: 0 });",
      ],
    ],
    caughtBy: integration('bridge'),
  },
  {
    name: "the bytes read from a connection are lost on their way to Node's server",
    file: 'bridge/fast-path/connection.ts',
    edits: [['    socket.unshift(bytes);\n', '']],
    caughtBy: unit('bridge/fast-path/connection'),
  },
  {
    name: 'a chunked request counts as one with a length',
    file: 'bridge/fast-path/request-parser.ts',
    edits: [["'transfer-encoding', ", '']],
    caughtBy: unit('bridge/fast-path/request-parser'),
  },
  {
    name: 'an event too large for its topic ends the process',
    file: 'processor/topic-limits.ts',
    edits: [['if (bytes > limit) return', 'if (bytes < 0) return']],
    caughtBy: unit('processor/topic-limits'),
  },
  {
    name: 'the spool does not check that a write is complete',
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
    name: 'a silent connection prevents the bridge from stopping',
    file: 'bridge/server.ts',
    edits: [['      connections.endSilent();\n', '']],
    caughtBy: unit('bridge/server'),
  },
  {
    name: 'a dead letter that is redriven twice is processed twice',
    file: 'processor/decide.ts',
    edits: [
      [
        'if (redrive && !isFirstRedrive(redrive, forwarded, state)) ',
        'if (redrive && !isFirstRedrive) ',
      ],
    ],
    caughtBy: unit('processor/decide'),
  },
  {
    name: 'a redrive is forgotten after its batch',
    file: 'journal/state.ts',
    edits: [["new Set(['FORWARDED', 'REDRIVEN'])", "new Set(['FORWARDED'])"]],
    caughtBy: unit('processor/decide'),
  },
  {
    name: 'a redrive forwards stale events without --allow-stale',
    file: 'processor/decide.ts',
    edits: [['    !record.isStaleAllowed &&', '    !redrive &&']],
    caughtBy: unit('processor/decide'),
  },
  {
    name: 'an event takes every matching route, whatever `match` says',
    file: 'routing/routes.ts',
    edits: [["if (match === 'first') {", "if (match !== 'first' && match !== 'all') {"]],
    caughtBy: unit('routing/routes'),
  },
  {
    name: 'the bytes of a broken connection stay in front of the next response',
    file: 'kafka/kafkajs-patches/connection.ts',
    edits: [['    assemblers.delete(connection);\n', '']],
    caughtBy: unit('kafka/kafkajs-patches/connection'),
  },
  {
    name: 'the memory of a fetch response is freed while another partition of it is still processed',
    file: 'buffers/lifetime.ts',
    edits: [
      [
        '  if (left > 0) references.set(bytes.buffer, left);\n  else if (left === 0)',
        '  if (left >= 0)',
      ],
    ],
    caughtBy: unit('kafka/kafkajs-patches/decode-messages'),
  },
  {
    name: 'the memory of a transaction is freed before it is sent',
    file: 'kafka/transactional-producer.ts',
    edits: [
      [
        '    const sent = await Promise.allSettled([',
        '    arena?.release();\n    const sent = await Promise.allSettled([',
      ],
    ],
    caughtBy: integration('processor'),
  },
  {
    name: 'a dead worker is not replaced',
    file: 'workers/supervisor.ts',
    edits: [['    if (!this.#isStopping) this.#fill(slot);', '']],
    caughtBy: integration('workers'),
  },
  {
    name: 'connections go to the worker that has the most',
    file: 'workers/connection-balancer.ts',
    edits: [['load(taker) < load(least)', 'load(taker) > load(least)']],
    caughtBy: unit('workers/connection-balancer'),
  },
  {
    name: 'a connection on its way to a dying worker is lost',
    file: 'workers/connection-balancer.ts',
    edits: [['    for (const socket of inFlight) this.#send(socket);\n', '']],
    caughtBy: unit('workers/connection-balancer'),
  },
  {
    name: 'a port is closed while connections wait to be accepted',
    file: 'workers/connection-balancer.ts',
    edits: [['      await untilAllAccepted(this.#server);\n', '']],
    caughtBy: unit('workers/connection-balancer'),
  },
  {
    name: 'the counters of a dead worker are lost',
    file: 'workers/supervisor.ts',
    edits: [['    if (report) this.#past = await countersOf([this.#past, report.metrics]);\n', '']],
    caughtBy: integration('workers'),
  },
  {
    name: 'a dead worker stays in the group until its session ends',
    file: 'workers/supervisor.ts',
    edits: [['        slot.lastWill = message.text;\n', '']],
    caughtBy: [...integration('workers'), '-t', 'removed from the group at once'],
  },
  {
    name: 'the peers of a processor are not watched',
    file: 'app/processor-membership.ts',
    edits: [['        void peers.update();\n', '']],
    caughtBy: failure('processes', 'long before its session ends'),
  },
  {
    name: 'a process that refuses a connection counts as dead before the first contact',
    file: 'membership/liveness.ts',
    edits: [['hasContact && found', 'found']],
    caughtBy: unit('membership/liveness'),
  },
  {
    name: 'a process that closes a connection counts as dead',
    file: 'membership/liveness.ts',
    edits: [['      hasContact = true;\n', '      return true;\n']],
    caughtBy: unit('membership/liveness'),
  },
  {
    name: 'an earlier process at our address stays in the group until its session ends',
    file: 'membership/peers.ts',
    edits: [['isSameAddress(identity, own)', 'false']],
    caughtBy: failure('processes', 'its dead predecessor'),
  },
  {
    name: 'reconciliation: two rows with one key are satisfied by one publication',
    file: 'reconcile/reconcile.ts',
    edits: [['used.countOf(key) + 1', '1']],
    caughtBy: integration('reconcile'),
  },
  {
    name: 'reconciliation: a run that leaves a gap counts as complete',
    file: 'reconcile/run-log.ts',
    edits: [['run.missing === 0', 'true']],
    caughtBy: integration('reconcile'),
  },
  {
    name: 'reconciliation: an earlier response of the vendor is not kept',
    file: 'reconcile/reconcile.ts',
    edits: [['    await runLog.addRow(rowKey(row), run, publications);\n', '']],
    caughtBy: integration('reconcile'),
  },
  {
    name: 'reconciliation: the list is read to its last page',
    file: 'reconcile/find.ts',
    edits: [['if (isOlder || ', 'if (']],
    caughtBy: unit('reconcile/find'),
  },
  {
    name: 'reconciliation: a failed publication is backfilled',
    file: 'reconcile/find.ts',
    edits: [[" && result !== 'FAILURE'", '']],
    caughtBy: unit('reconcile/find'),
  },
  {
    name: 'reconciliation: personal data of the list reaches raw',
    file: 'reconcile/body.ts',
    edits: [['pick(customer, [...customerFields, ...this.#options.personalFields])', 'customer']],
    caughtBy: unit('reconcile/body'),
  },
  {
    name: 'leadership: every member leads',
    file: 'membership/leadership.ts',
    edits: [['leadership.#set(partitions.includes(0));', 'leadership.#set(true);']],
    caughtBy: integration('webhook-watch'),
  },
  {
    name: 'the watch shows what it found only at the start',
    file: 'app/webhook-watch.ts',
    edits: [['if (found === this.#lastFound) return;', 'if (this.#lastFound) return;']],
    caughtBy: integration('webhook-watch'),
  },
  {
    name: 'console: a record of another segment is found in its place',
    file: 'inspect/id-table.ts',
    edits: [['base + (this.#offsets[entry] as number)', '(this.#offsets[entry] as number)']],
    caughtBy: unit('inspect/id-table'),
  },
  {
    name: 'console: an index of a replaced topic goes on',
    file: 'inspect/log-follower.ts',
    edits: [['highWatermark < log.next', 'highWatermark < 0']],
    caughtBy: integration('event-index'),
  },
  {
    name: 'console: what came since the last second is not found',
    file: 'inspect/event-index.ts',
    edits: [['    if (this.#follower.hasReadAll) await this.#follower.catchUp();\n', '']],
    caughtBy: integration('event-index'),
  },
  {
    name: 'refused requests keep the query of their address',
    file: 'observability/refusals.ts',
    edits: [["cut(request.path?.split('?', 1)[0])", 'cut(request.path)']],
    caughtBy: unit('bridge/refusal-log'),
  },
  {
    name: 'verify: the settings of a deployment at work reach the one of its own',
    file: 'app/ephemeral-deployment.ts',
    edits: [['    ...unset,\n', '']],
    caughtBy: integration('verify'),
  },
];
