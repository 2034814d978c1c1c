import { createRequire } from 'node:module';
import { beforeEach, expect, test } from 'vitest';
import { errorOfCode } from '../../../../src/kafka/cluster.ts';
import { patchBroker } from '../../../../src/kafka/kafkajs-patches/broker.ts';

const require = createRequire(import.meta.url);
const concurrentTransactions = 51;

type Broker = {
  addPartitionsToTxn: (args: object) => Promise<unknown>;
  txnOffsetCommit: (args: object) => Promise<unknown>;
};

let responses: (Error | string)[] = [];
let broker: Broker;

/** KafkaJS's broker, whose requests get scripted responses, patched. */
beforeEach(() => {
  const { prototype } = require('kafkajs/src/broker');
  const respond = async () => {
    const next = responses.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  prototype.addPartitionsToTxn = respond;
  prototype.txnOffsetCommit = respond;
  patchBroker();
  broker = Object.create(prototype, { isConnected: { value: () => true } });
});

test('while the coordinator finishes the last transaction, only the refused request is repeated', async () => {
  responses = [errorOfCode(concurrentTransactions), errorOfCode(concurrentTransactions), 'done'];
  expect(await broker.addPartitionsToTxn({})).toBe('done');
});

test('any other error reaches the caller at once', async () => {
  responses = [errorOfCode(47), 'done'];
  await expect(broker.addPartitionsToTxn({})).rejects.toMatchObject({
    type: 'INVALID_PRODUCER_EPOCH',
  });
});

test.each([
  [14, 'COORDINATOR_LOAD_IN_PROGRESS'],
  [15, 'COORDINATOR_NOT_AVAILABLE'],
  [16, 'NOT_COORDINATOR'],
])('code %i of an offset commit has the name after which KafkaJS retries', async (code, type) => {
  responses = [errorOfCode(code)];
  await expect(broker.txnOffsetCommit({})).rejects.toMatchObject({ type });
});
