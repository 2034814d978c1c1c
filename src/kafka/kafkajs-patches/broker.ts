/**
 * Patches `broker`. A broker counts as connected only after it has responded. Requests to a
 * coordinator are repeated while the coordinator finishes the previous transaction, and make a
 * failed coordinator be looked up again.
 */

import { exponentialBackoff, retry } from '../../concurrency/retry.ts';
import { forgetCoordinators } from './cluster.ts';
import { explained } from './explain-failure.ts';
import {
  type Broker,
  isRequestTimeout,
  type KafkaError,
  KafkaJSConnectionError,
} from './internals.ts';
import { prototypeOf } from './modules.ts';

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

type Request = (args: object) => Promise<unknown>;
type CoordinatorBroker = Record<(typeof coordinatorRequests)[number], Request>;

export function patchBroker(): void {
  connectAfterResponse(prototypeOf<Broker>('broker'));
  const prototype = prototypeOf<CoordinatorBroker>('broker');
  for (const name of coordinatorRequests) prototype[name] = forgetOnFailure(prototype[name]);
  prototype.addPartitionsToTxn = retryWhileFinishing(prototype.addPartitionsToTxn);
  prototype.addOffsetsToTxn = retryWhileFinishing(prototype.addOffsetsToTxn);
  prototype.txnOffsetCommit = renameErrors(prototype.txnOffsetCommit);
}

function connectAfterResponse(prototype: Broker): void {
  /** Brokers that have responded to their first request. */
  const responded = new WeakSet<Broker>();
  const { isConnected, connect, disconnect } = prototype;
  prototype.isConnected = function patchedIsConnected(this: Broker) {
    return responded.has(this) && isConnected.call(this);
  };
  prototype.connect = async function patchedConnect(this: Broker) {
    try {
      await connect.call(this);
      responded.add(this);
    } catch (error) {
      await this.disconnect();
      if (!isRequestTimeout(error)) throw explained(error, this.connectionPool);
      // After an error with this name KafkaJS tries another broker.
      const text = `Connection error: ${this.brokerAddress} accepts connections and does not respond`;
      throw new KafkaJSConnectionError(text, { broker: this.brokerAddress, code: 'ETIMEDOUT' });
    }
  };
  prototype.disconnect = function patchedDisconnect(this: Broker) {
    responded.delete(this);
    return disconnect.call(this);
  };
}

function forgetOnFailure(request: Request): Request {
  return async function patchedRequest(this: unknown, args) {
    try {
      return await request.call(this, args);
    } catch (error) {
      if (!isFinishing(error)) forgetCoordinators();
      throw error;
    }
  };
}

/**
 * Returns whether the coordinator still writes the markers of the previous transaction. Nothing was
 * done, and the same request succeeds soon.
 */
function isFinishing(error: unknown): boolean {
  return (error as KafkaError).type === 'CONCURRENT_TRANSACTIONS';
}

const finishing = {
  backoff: exponentialBackoff(1, 20),
  isRetriable: isFinishing,
  timeoutMs: 10_000,
};

function retryWhileFinishing(request: Request): Request {
  return function patchedRequest(this: unknown, args) {
    return retry(() => request.call(this, args), finishing);
  };
}

/**
 * From the names of KafkaJS's error table (codes 14, 15, 16) to those that its sendOffsets compares
 * with.
 */
const renamed: Readonly<Record<string, string>> = {
  GROUP_LOAD_IN_PROGRESS: 'COORDINATOR_LOAD_IN_PROGRESS',
  GROUP_COORDINATOR_NOT_AVAILABLE: 'COORDINATOR_NOT_AVAILABLE',
  NOT_COORDINATOR_FOR_GROUP: 'NOT_COORDINATOR',
};

function renameErrors(request: Request): Request {
  return async function patchedRequest(this: unknown, args) {
    try {
      return await request.call(this, args);
    } catch (error) {
      const { type = '' } = error as KafkaError;
      if (error instanceof Error && renamed[type]) Object.assign(error, { type: renamed[type] });
      throw error;
    }
  };
}
