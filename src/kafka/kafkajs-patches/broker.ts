/**
 * Four repairs of how KafkaJS speaks to the transaction coordinator:
 *
 * 1. Right after a commit the coordinator may still write the markers of that transaction, and refuses to add partitions or offsets to the
 *    next one with CONCURRENT_TRANSACTIONS. KafkaJS then repeats the whole send after its general backoff (300 ms by default). Here only the
 *    refused request is repeated, after 1, 2, 4, 8, 16, 20, 20 … ms, for at most 10 s.
 * 2. KafkaJS asks for the coordinator before each of the four requests of a transaction. Here the answer is kept until any request to a
 *    coordinator fails. (Keeping it without the first repair is a loss: the round trips hid the marker delay.)
 * 3. KafkaJS means to find a moved group coordinator again when it commits offsets in a transaction, but compares with names that its own
 *    table of errors does not use, and gives up. Here the errors of that request bear the names it compares with.
 * 4. Where one partition cannot be added to a transaction, the broker answers OPERATION_NOT_ATTEMPTED for all others, and KafkaJS reports
 *    whichever stands first (addPartitionsToTxn/v0/response.js:38). Here the error says which partition was refused, and why.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { type Broker, errorOfCode } from '../cluster.ts';
import { requirePart } from './modules.ts';

const longestWaitMs = 20;
const giveUpAfterMs = 10_000;

const coordinatorRequests = [
  'addPartitionsToTxn',
  'addOffsetsToTxn',
  'txnOffsetCommit',
  'endTxn',
  'initProducerId',
  'heartbeat',
  'joinGroup',
  'syncGroup',
  'offsetFetch',
  'leaveGroup',
] as const;

const operationNotAttempted = 55;

type AddPartitionsAnswer = {
  readonly errors: readonly {
    readonly topic: string;
    readonly partitionErrors: readonly { readonly partition: number; readonly errorCode: number }[];
  }[];
};

/** In the place of `parse` in kafkajs/src/protocol/requests/addPartitionsToTxn/v0/response. */
export async function parseAddPartitions<T extends AddPartitionsAnswer>(answer: T): Promise<T> {
  const refused = answer.errors
    .flatMap(({ topic, partitionErrors }) => partitionErrors.map((one) => ({ topic, ...one })))
    .filter(({ errorCode }) => errorCode !== 0);
  const cause = refused.find(({ errorCode }) => errorCode !== operationNotAttempted) ?? refused[0];
  if (cause === undefined) return answer;
  const error = errorOfCode(cause.errorCode);
  error.message = `${cause.topic}/${cause.partition}: ${error.message}`;
  throw error;
}

type Request = (args: object) => Promise<unknown>;
type BrokerClass = { prototype: Record<(typeof coordinatorRequests)[number], Request> };
type Lookup = { groupId: string; coordinatorType?: number };
type ClusterClass = {
  prototype: { findGroupCoordinator: (this: object, lookup: Lookup) => Promise<Broker> };
};

/** Grows with each failure: what was found under an older number is asked for again. */
let epoch = 0;

export function patchBroker(): void {
  const { prototype: broker } = requirePart('kafkajs/src/broker') as BrokerClass;
  for (const name of coordinatorRequests) broker[name] = forgetOnFailure(broker[name]);
  broker.addPartitionsToTxn = retryWhileFinishing(broker.addPartitionsToTxn);
  broker.addOffsetsToTxn = retryWhileFinishing(broker.addOffsetsToTxn);
  broker.txnOffsetCommit = renameErrors(broker.txnOffsetCommit);
  const { prototype: cluster } = requirePart('kafkajs/src/cluster') as ClusterClass;
  cluster.findGroupCoordinator = remember(cluster.findGroupCoordinator);
}

function forgetOnFailure(request: Request): Request {
  return async function forgetting(this: unknown, args) {
    try {
      return await request.call(this, args);
    } catch (error) {
      if (!isFinishing(error)) epoch += 1;
      throw error;
    }
  };
}

/** Another transaction of the same id is still being finished: nothing was done, the same request will be taken soon. */
function isFinishing(error: unknown): boolean {
  return (error as { type?: string }).type === 'CONCURRENT_TRANSACTIONS';
}

/** From KafkaJS's table (codes 14, 15, 16) to what its sendOffsets compares with. */
const renamed: Readonly<Record<string, string>> = {
  GROUP_LOAD_IN_PROGRESS: 'COORDINATOR_LOAD_IN_PROGRESS',
  GROUP_COORDINATOR_NOT_AVAILABLE: 'COORDINATOR_NOT_AVAILABLE',
  NOT_COORDINATOR_FOR_GROUP: 'NOT_COORDINATOR',
};

function renameErrors(request: Request): Request {
  return async function renaming(this: unknown, args) {
    try {
      return await request.call(this, args);
    } catch (error) {
      const { type = '' } = error as { type?: string };
      if (error instanceof Error && renamed[type]) Object.assign(error, { type: renamed[type] });
      throw error;
    }
  };
}

function retryWhileFinishing(request: Request): Request {
  return async function retrying(this: unknown, args) {
    const startedAt = performance.now();
    for (let waitMs = 1; ; waitMs = Math.min(longestWaitMs, waitMs * 2)) {
      try {
        return await request.call(this, args);
      } catch (error) {
        if (!isFinishing(error) || performance.now() - startedAt > giveUpAfterMs) throw error;
        await sleep(waitMs);
      }
    }
  };
}

function remember(find: ClusterClass['prototype']['findGroupCoordinator']) {
  const found = new WeakMap<object, Map<string, { broker: Broker; epoch: number }>>();
  return async function remembering(this: object, lookup: Lookup): Promise<Broker> {
    const known = found.get(this) ?? new Map();
    found.set(this, known);
    const key = `${lookup.coordinatorType ?? 0} ${lookup.groupId}`;
    const last = known.get(key);
    if (last && last.epoch === epoch && last.broker.isConnected()) return last.broker;
    const broker = await find.call(this, lookup);
    known.set(key, { broker, epoch });
    return broker;
  };
}
