import { expect, test } from 'vitest';
import { parseAddPartitions } from '../../../../src/kafka/kafkajs-patches/add-partitions-to-txn.ts';

test('a refused partition is named with its own error', async () => {
  const response = (...codes: number[]) => ({
    errors: codes.map((errorCode, i) => ({
      topic: `t${i}`,
      partitionErrors: [{ partition: i, errorCode }],
    })),
  });
  await expect(parseAddPartitions(response(55, 55, 3))).rejects.toMatchObject({
    type: 'UNKNOWN_TOPIC_OR_PARTITION',
    message: expect.stringMatching(/^t2\/2: /),
  });
  expect(await parseAddPartitions(response(0, 0))).toEqual(response(0, 0));
});
