/**
 * One member of a consumer group: KafkaJS's consumer with a sticky assignment, manual offsets, and
 * an end that can be awaited.
 */

import { AppError } from '../errors.ts';
import type { Log } from '../observability/log.ts';
import { assign } from './assignment.ts';
import type { Client } from './client.ts';
import { asAppError, isDenied } from './failure.ts';
import { AssignerProtocol, type Consumer, type EachBatchPayload } from './kafkajs.ts';
import { forgetMessages } from './kafkajs-patches/decode-messages.ts';
import {
  decodeMembership,
  encodeMembership,
  type Membership,
  type ProcessIdentity,
} from './member-metadata.ts';
import { type Access, permission } from './permissions.ts';

export type InputRecord = {
  readonly offset: string;
  /** Milliseconds since 1970. */
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: { readonly [name: string]: Buffer | string | (Buffer | string)[] | undefined };
  /** The last value of one header as text, without reading the others. */
  readonly header: (name: string) => string | undefined;
};

/** The records of one partition from one fetch, in order. */
export type InputBatch = {
  readonly partition: number;
  readonly records: readonly InputRecord[];
  /** Offset after the partition's last record, at the time of the fetch. */
  readonly highWatermark: number;
  /**
   * Sends a heartbeat if the interval has passed.
   * @throws the rebalance error, which must reach KafkaJS unchanged
   */
  readonly heartbeat: () => Promise<void>;
  /** Marks records up to this offset as done: this member does not fetch them again. */
  readonly resolve: (offset: number) => void;
  /** Returns false when the member must stop: the rest of the batch belongs to another one. */
  readonly isWanted: () => boolean;
};

export type GroupOptions = {
  readonly group: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  readonly maxFetchBytes: number;
  readonly fetchWaitMs: number;
  readonly concurrency: number;
  /** Nothing is read: the member only has its partitions. */
  readonly isPaused?: boolean;
  /** A missing permission ends the member; otherwise it is retried until it is granted. */
  readonly isEndedByDenial?: boolean;
  /** The identity of this process, for its peers. */
  readonly identity?: ProcessIdentity;
};

export type GroupHandlers = {
  /**
   * Called at each (re)join with our partitions and our member id. Work on other partitions is void
   * from then on.
   */
  readonly onAssigned: (partitions: readonly number[], memberId: string) => void;
  /**
   * Handles one batch. When it resolves, the memory of the batch's keys, values and headers is
   * released: copy what you keep.
   */
  readonly onBatch: (batch: InputBatch) => Promise<void>;
  readonly onLost: (reason: string) => void;
};

export type Group = {
  /** Rejects when the member has ended for good. */
  readonly ended: Promise<never>;
  /** Finishes the current batches, leaves the group and disconnects. */
  leave(): Promise<void>;
};

/**
 * Milliseconds between heartbeats. The response to a heartbeat announces a rebalance, so this
 * bounds how long a rebalance takes.
 */
const heartbeatMs = 1_000;

/** Partitions processed at once: while one commits, the next is prepared. */
const partitionsAtOnce = 2;

export async function joinGroup(
  client: Client,
  options: GroupOptions,
  handlers: GroupHandlers,
  log: Log,
): Promise<Group> {
  let owned: readonly number[] = [];
  const consumer = client.consumer({
    groupId: options.group,
    sessionTimeout: options.sessionTimeoutMs,
    heartbeatInterval: Math.min(heartbeatMs, Math.floor(options.sessionTimeoutMs / 5)),
    rebalanceTimeout: 60_000,
    maxBytesPerPartition: options.maxFetchBytes,
    // The limit for all partitions together: as much as is processed at once. More would only wait
    // in memory and outlive garbage collections. (KafkaJS requests partitions in random order, so
    // none starves.)
    maxBytes: partitionsAtOnce * options.maxFetchBytes,
    minBytes: 1,
    maxWaitTimeInMs: options.fetchWaitMs,
    // Raw is never written in a transaction, and KafkaJS's read_committed filter is unsound.
    readUncommitted: true,
    allowAutoTopicCreation: false,
    partitionAssigners: [
      stickyAssigner(options.topic, () => ({ owned, identity: options.identity })),
    ],
  });
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    owned = payload.memberAssignment[options.topic] ?? [];
    if (options.isPaused) consumer.pause([{ topic: options.topic }]);
    handlers.onAssigned(owned, payload.memberId);
  });
  consumer.on(consumer.events.REBALANCING, () => handlers.onLost('the group is rebalancing'));
  const begin = async () => {
    await consumer.connect();
    await consumer.subscribe({ topics: [options.topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: options.concurrency,
      eachBatch: async (payload) => {
        await handlers.onBatch(inputBatch(payload));
        // Not after an error, when a request may still be in flight.
        forgetMessages(fetchedOf(payload));
      },
    });
  };
  const access: Access = {
    principal: client.principal,
    needs: [
      permission('READ', 'group', options.group),
      permission(options.isPaused ? 'DESCRIBE' : 'READ', 'topic', options.topic),
    ],
  };
  const member = new GroupMember({ consumer, begin, access, handlers, options, log });
  try {
    await begin();
  } catch (error) {
    throw asAppError(error, `join the consumer group ${options.group}`, access);
  }
  return member;
}

function inputBatch({
  batch,
  heartbeat,
  resolveOffset,
  isRunning,
  isStale,
}: EachBatchPayload): InputBatch {
  return {
    partition: batch.partition,
    // The records that `kafkajs-patches/decode-messages.ts` creates.
    records: batch.messages as unknown as readonly InputRecord[],
    highWatermark: Number(batch.highWatermark),
    heartbeat,
    resolve: (offset) => resolveOffset(String(offset)),
    isWanted: () => isRunning() && !isStale(),
  };
}

/** The list as decoded, before KafkaJS selects from it by offset. */
function fetchedOf({ batch }: EachBatchPayload): object {
  return (batch as unknown as { readonly rawMessages: object }).rawMessages;
}

/** An operator who grants a permission sees within this time that it is enough. */
const retryDeniedMs = 5_000;

type MemberParts = {
  readonly consumer: Consumer;
  readonly begin: () => Promise<void>;
  readonly access: Access;
  readonly handlers: GroupHandlers;
  readonly options: Pick<GroupOptions, 'isEndedByDenial'>;
  readonly log: Log;
};

/**
 * Keeps the consumer in the group: after crashes from which KafkaJS restarts, and while a
 * permission is missing. Other crashes end it.
 */
class GroupMember implements Group {
  readonly #parts: MemberParts;
  readonly #ended = Promise.withResolvers<never>();
  #timer: NodeJS.Timeout | undefined;
  #isLeaving = false;

  constructor(parts: MemberParts) {
    this.#parts = parts;
    this.#ended.promise.catch(() => undefined);
    const { consumer } = parts;
    consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
      this.#onCrash(error, restart);
    });
  }

  get ended(): Promise<never> {
    return this.#ended.promise;
  }

  async leave(): Promise<void> {
    this.#isLeaving = true;
    clearTimeout(this.#timer);
    await this.#parts.consumer.disconnect();
  }

  #onCrash(error: Error, restart: boolean): void {
    const { access, handlers, options, log } = this.#parts;
    const failure = fatalCauseOf(error, access);
    handlers.onLost(failure.message);
    if (restart) log.warn({ err: error }, 'the consumer failed and rejoins');
    else if (isDenied(failure) && !options.isEndedByDenial) this.#retryLater(failure);
    else this.#ended.reject(failure);
  }

  #retryLater(failure: Error): void {
    const { begin, log } = this.#parts;
    if (this.#isLeaving) return;
    log.error({ err: failure }, 'the consumer may not read and is retried');
    this.#timer = setTimeout(() => {
      begin().catch((error: unknown) => this.#onCrash(error as Error, false));
    }, retryDeniedMs);
  }
}

function fatalCauseOf(error: Error, access: Access): Error {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof AppError) return cause;
  }
  return asAppError(error, 'consume', access);
}

type Assigner = NonNullable<Parameters<Client['consumer']>[0]['partitionAssigners']>[number];

/** The assigner: members send what they own when they join, and `assign` keeps it where it can. */
function stickyAssigner(topic: string, ourselves: () => Membership): Assigner {
  const { MemberAssignment, MemberMetadata } = AssignerProtocol;
  const name = 'VoucherbusSticky';
  const version = 1;
  return ({ cluster }) => ({
    name,
    version,
    protocol: ({ topics }) => ({
      name,
      metadata: MemberMetadata.encode({
        version,
        topics,
        userData: encodeMembership(ourselves()),
      }),
    }),
    assign: async ({ members }) => {
      const partitions = cluster.findTopicPartitionMetadata(topic).map((one) => one.partitionId);
      const owners = members.map(({ memberId, memberMetadata }) => ({
        id: memberId,
        owned: decodeMembership(MemberMetadata.decode(memberMetadata)?.userData).owned,
      }));
      return [...assign(owners, partitions)].map(([memberId, list]) => ({
        memberId,
        memberAssignment: MemberAssignment.encode({
          version,
          assignment: { [topic]: [...list] },
          userData: Buffer.alloc(0),
        }),
      }));
    },
  });
}
