import { createRequire } from 'node:module';
import { beforeEach, expect, test } from 'vitest';
import { errorOfCode } from '../../../../src/kafka/cluster.ts';
import { parseAddPartitions, patchBroker } from '../../../../src/kafka/kafkajs-patches/broker.ts';

const require = createRequire(import.meta.url);
const concurrentTransactions = 51;

type Broker = {
  addPartitionsToTxn: (args: object) => Promise<unknown>;
  endTxn: (args: object) => Promise<unknown>;
  txnOffsetCommit: (args: object) => Promise<unknown>;
  isConnected: () => boolean;
};
type Cluster = { findGroupCoordinator: (args: object) => Promise<unknown> };

let answers: (Error | string)[] = [];
let lookups = 0;
let broker: Broker;
let cluster: Cluster;

/** KafkaJS's classes with their requests replaced by a script of answers, then mended. */
beforeEach(() => {
  const { prototype } = require('kafkajs/src/broker');
  const answer = async () => {
    const next = answers.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  prototype.addPartitionsToTxn = answer;
  prototype.endTxn = answer;
  prototype.txnOffsetCommit = answer;
  const Clusters = require('kafkajs/src/cluster');
  Clusters.prototype.findGroupCoordinator = async () => {
    lookups += 1;
    return broker;
  };
  patchBroker();
  broker = Object.create(prototype, { isConnected: { value: () => true } });
  cluster = Object.create(Clusters.prototype);
  lookups = 0;
});

test('while the last transaction is being finished, the same request is repeated within milliseconds', async () => {
  answers = [errorOfCode(concurrentTransactions), errorOfCode(concurrentTransactions), 'done'];
  expect(await broker.addPartitionsToTxn({})).toBe('done');
});

test('any other refusal reaches the caller at once', async () => {
  answers = [errorOfCode(47), 'done'];
  await expect(broker.addPartitionsToTxn({})).rejects.toMatchObject({
    type: 'INVALID_PRODUCER_EPOCH',
  });
});

test('the coordinator is asked for once, and again after any failure', async () => {
  const find = () => cluster.findGroupCoordinator({ groupId: 'g', coordinatorType: 1 });
  await find();
  await find();
  expect(lookups).toBe(1);
  answers = [errorOfCode(16)];
  await expect(broker.endTxn({})).rejects.toThrow();
  await find();
  expect(lookups).toBe(2);
});

test.each([
  [14, 'COORDINATOR_LOAD_IN_PROGRESS'],
  [15, 'COORDINATOR_NOT_AVAILABLE'],
  [16, 'NOT_COORDINATOR'],
])(
  'code %i of an offset commit bears the name by which KafkaJS tries again',
  async (code, type) => {
    answers = [errorOfCode(code)];
    await expect(broker.txnOffsetCommit({})).rejects.toMatchObject({ type });
  },
);

test('a refused partition is named with its own reason, not with that of the others', async () => {
  const answer = (...codes: number[]) => ({
    errors: codes.map((errorCode, i) => ({
      topic: `t${i}`,
      partitionErrors: [{ partition: i, errorCode }],
    })),
  });
  await expect(parseAddPartitions(answer(55, 55, 3))).rejects.toMatchObject({
    type: 'UNKNOWN_TOPIC_OR_PARTITION',
    message: expect.stringMatching(/^t2\/2: /),
  });
  expect(await parseAddPartitions(answer(0, 0))).toEqual(answer(0, 0));
});
