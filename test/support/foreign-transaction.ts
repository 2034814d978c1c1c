/** A transactional producer that is not ours, with a transaction that stays open. */

import type { Client } from '../../src/kafka/client.ts';

/** Longer than any test: the broker aborts a transaction that is open for longer. */
const transactionTimeout = 15 * 60_000;

export async function connectTransaction(client: Client, transactionalId: string) {
  const producer = client.producer({ transactionalId, maxInFlightRequests: 1, transactionTimeout });
  await producer.connect();
  let transaction = await producer.transaction();
  return {
    begin: async () => {
      transaction = await producer.transaction();
    },
    send: (topic: string, partition: number) =>
      transaction.send({ topic, messages: [{ value: 'not ours', partition }] }),
    commit: () => transaction.commit(),
    abort: async () => {
      await transaction.abort();
      await producer.disconnect();
    },
  };
}
