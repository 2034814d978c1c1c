/** The parts of KafkaJS's internals that we use or patch. Its public types hide them. */

import type { Socket } from 'node:net';
import { internalModule } from './modules.ts';

export type Address = { readonly host: string; readonly port: number };

export type Connection = Address & {
  socket: Socket | undefined;
  /** Received bytes that are not a whole response yet. */
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  /** Set while a SASL step waits for its response. */
  readonly authHandlers: object | null;
  /** The options of the client; undefined or null without TLS, without SASL. */
  readonly ssl?: unknown;
  readonly sasl?: unknown;
  readonly requestQueue: { fulfillRequest(response: Response): void };
  isConnected(): boolean;
  connect(): Promise<true>;
  disconnect(): Promise<true>;
  send(sent: { readonly request: { readonly apiName: string } }): Promise<unknown>;
  rejectRequests(error: Error): void;
  processData(bytes: Buffer): void;
};

export type Response = {
  readonly size: number;
  readonly correlationId: number;
  readonly payload: Buffer;
};

export type SaslAuthenticator = {
  readonly connection: Connection & { reauthenticationThreshold: number };
  /** Milliseconds, once authenticated; '0' without a limit. */
  readonly sessionLifetime: string;
  authenticate(): Promise<void>;
};

export type Broker = {
  readonly nodeId: number;
  readonly brokerAddress: string;
  /** By API key; null before the first connection. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>> | null;
  readonly connectionPool: Address & {
    readonly sasl?: unknown;
    send(request: object): Promise<unknown>;
  };
  isConnected(): boolean;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  leaveGroup(member: { groupId: string; memberId: string }): Promise<unknown>;
};

export type BrokerPool = {
  readonly brokers: Readonly<Record<string, Broker>>;
  seedBroker: Broker;
  connect(): Promise<void>;
  removeBroker(address: Address): void;
  createSeedBroker(): Promise<void>;
  findBroker(node: { nodeId: string }): Promise<Broker>;
  /** Returns a connected broker, preferring one that responded lately. */
  findConnectedBroker(): Promise<Broker>;
  withBroker<T>(use: (found: { nodeId: string; broker: Broker }) => Promise<T>): Promise<T | null>;
};

/** Names a group (type 0, the default) or a transactional id (type 1). */
export type CoordinatorLookup = { readonly groupId: string; readonly coordinatorType?: number };

type PartitionMetadata = { readonly partitionId: number; readonly leader: number };

export type Cluster = {
  readonly brokerPool: BrokerPool;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findTopicPartitionMetadata(topic: string): readonly PartitionMetadata[];
  findBroker(node: { nodeId: number }): Promise<Broker>;
  removeBroker(address: Address): void;
  findGroupCoordinator(lookup: CoordinatorLookup): Promise<Broker>;
  findGroupCoordinatorMetadata(
    lookup: Required<CoordinatorLookup>,
  ): Promise<{ readonly coordinator: { readonly nodeId: number } }>;
};

export type ConsumerGroup = {
  /** Wall-clock time of the last heartbeat. */
  lastRequest: number;
  readonly cluster: Cluster;
  readonly groupId: string;
  readonly sessionTimeout: number;
  coordinator: Broker;
  heartbeat(options: { interval: number }): Promise<void>;
  joinAndSync(): Promise<void>;
  recoverFromFetch(error: unknown): Promise<void>;
};

export type SocketRequest = {
  readonly requestTimeout: number;
  send(): void;
  timeoutRequest(): void;
};

export type RequestQueue = {
  readonly enforceRequestTimeout: boolean;
  readonly requestTimeout: number;
  readonly inflight: ReadonlyMap<number, SocketRequest>;
  requestTimeoutIntervalId: NodeJS.Timeout | undefined;
  pending: unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  isConnected(): boolean;
  destroy(): void;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
  scheduleRequestTimeoutCheck(): void;
};

/** The fields that KafkaJS's errors may have. */
export type KafkaError = {
  readonly name?: string;
  readonly type?: string;
  readonly message?: string;
  readonly retriable?: boolean;
  readonly cause?: unknown;
  readonly host?: string;
  readonly port?: number;
};

type ErrorClass = new (message: string, facts: object) => Error;

type ErrorName =
  | 'KafkaJSConnectionError'
  | 'KafkaJSConnectionClosedError'
  | 'KafkaJSSASLAuthenticationError';

const { KafkaJSConnectionError, KafkaJSConnectionClosedError, KafkaJSSASLAuthenticationError } =
  internalModule<Record<ErrorName, ErrorClass>>('errors');

const { createErrorFromCode } = internalModule<{
  readonly createErrorFromCode: (
    code: number,
  ) => Error & { type: string; retriable: boolean; code: number };
}>('protocol/error');

/** Returns KafkaJS's error for an error code of the protocol. */
export const errorOfCode = createErrorFromCode;

export { KafkaJSConnectionError };

/** Returns KafkaJS's error for a refused login. */
export function saslAuthenticationError(message: string): Error {
  return new KafkaJSSASLAuthenticationError(message, {});
}

/** Returns KafkaJS's error for a connection that was closed. It is retriable. */
export function connectionClosedError(message: string, { host, port }: Address): Error {
  return new KafkaJSConnectionClosedError(message, { host, port });
}

export function isRequestTimeout(error: unknown): boolean {
  return (error as KafkaError).name === 'KafkaJSRequestTimeoutError';
}

const unreachable = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSLockTimeout',
  'KafkaJSGroupCoordinatorNotFound',
]);
const coordinatorMoved = new Set([
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  'REQUEST_TIMED_OUT',
]);
const leaderMoved = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'REPLICA_NOT_AVAILABLE',
  'REQUEST_TIMED_OUT',
]);

/** Returns whether the error, or a cause of it, has a name or type in one of the sets. */
function isOneOf(error: unknown, ...sets: readonly ReadonlySet<string>[]): boolean {
  for (let one = error as KafkaError | undefined; one; one = one.cause as KafkaError | undefined) {
    const { name = '', type = '' } = one;
    if (sets.some((set) => set.has(name) || set.has(type))) return true;
  }
  return false;
}

export function isCoordinatorUnavailable(error: unknown): boolean {
  return isOneOf(error, unreachable, coordinatorMoved);
}

export function isLeaderUnavailable(error: unknown): boolean {
  return isOneOf(error, unreachable, leaderMoved);
}

/**
 * Removes the broker whose closed connection caused the error, so that the next attempt connects
 * again.
 */
export function removeClosedBroker(cluster: Pick<Cluster, 'removeBroker'>, error: unknown): void {
  const { name, host, port } = error as KafkaError;
  if (name === 'KafkaJSConnectionClosedError' && host !== undefined && port !== undefined) {
    cluster.removeBroker({ host, port });
  }
}
