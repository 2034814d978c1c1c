/**
 * Patches KafkaJS before its first import: `kafka/kafkajs.ts` imports this file first. The table
 * generates docs/kafkajs-patches.md. Each test fails without its patch.
 */

import { parseAddPartitions } from './add-partitions-to-txn.ts';
import { patchBroker } from './broker.ts';
import { patchBrokerPool } from './broker-pool.ts';
import { patchCluster } from './cluster.ts';
import { patchConnection } from './connection.ts';
import { patchConsumerGroup } from './consumer-group.ts';
import { decodeMessages } from './decode-messages.ts';
import { checkVersion, internalModule, replaceModule } from './modules.ts';
import { patchOffsetManager } from './offset-manager.ts';
import { createRequest } from './request.ts';
import { patchRequestQueue } from './request-queue.ts';
import { patchSaslAuthenticator } from './sasl-authenticator.ts';
import { createSendMessages } from './send-messages.ts';

type Fault = {
  readonly fault: string;
  /** The place of the fault in kafkajs 2.2.4, or the issue that reports it. */
  readonly upstream: string;
  readonly kind: 'correctness' | 'availability' | 'performance';
  /** The test that fails without the patch. */
  readonly test: string;
};

export type Patch = {
  /** The patched module, in kafkajs/src. */
  readonly module: string;
  readonly file: string;
  readonly apply: () => void;
  readonly faults: readonly Fault[];
};

const addPartitionsResponse = 'protocol/requests/addPartitionsToTxn/v0/response';

/**
 * Modules whose exports are replaced. They come first, because a module that has read the exports
 * keeps the old ones; `replaceModule` checks it.
 */
const replacements: readonly Patch[] = [
  {
    module: 'protocol/request',
    file: 'request.ts',
    apply: () => replaceModule('protocol/request', createRequest),
    faults: [
      {
        fault:
          'A request is written into a buffer that is doubled and cleared until it fits, then into a second and a third: 3 MB and four copies for 0.6 MB',
        upstream: 'src/protocol/request.js',
        kind: 'performance',
        test: 'request.test.ts',
      },
    ],
  },
  {
    module: 'producer/sendMessages',
    file: 'send-messages.ts',
    apply: () => replaceModule('producer/sendMessages', createSendMessages),
    faults: [
      {
        fault:
          'A retry skips brokers that have responded: when a partition moves to such a broker, its records are never sent, and send() resolves',
        upstream: 'tulios/kafkajs#1303',
        kind: 'correctness',
        test: 'send-messages.test.ts',
      },
    ],
  },
  {
    module: 'protocol/requests/fetch/v4/decodeMessages',
    file: 'decode-messages.ts',
    apply: () => replaceModule('protocol/requests/fetch/v4/decodeMessages', decodeMessages),
    faults: [
      {
        fault: 'The records of a batch are spread over the call stack: a large batch overflows it',
        upstream: 'src/protocol/requests/fetch/v4/decodeMessages.js',
        kind: 'correctness',
        test: 'decode-messages.test.ts',
      },
      {
        fault: 'A Buffer is made of every header of every record, whether it is read or not',
        upstream: 'src/protocol/recordBatch/record/v0/decoder.js',
        kind: 'performance',
        test: 'decode-messages.test.ts',
      },
    ],
  },
  {
    module: addPartitionsResponse,
    file: 'add-partitions-to-txn.ts',
    apply: () =>
      replaceModule(addPartitionsResponse, {
        ...internalModule<object>(addPartitionsResponse),
        parse: parseAddPartitions,
      }),
    faults: [
      {
        fault:
          'If one partition cannot be added to a transaction, the error is that of the first partition, which was only not attempted',
        upstream: 'src/protocol/requests/addPartitionsToTxn/v0/response.js:38',
        kind: 'correctness',
        test: 'add-partitions-to-txn.test.ts',
      },
    ],
  },
];

/** Modules whose methods are replaced, in any order: each method is patched once. */
const methods: readonly Patch[] = [
  {
    module: 'network/connection',
    file: 'connection.ts',
    apply: patchConnection,
    faults: [
      {
        fault:
          'The received part of a response stays in the buffer when the connection breaks, and is read as part of the next responses',
        upstream: 'src/network/connection.js:121',
        kind: 'correctness',
        test: 'connection.test.ts',
      },
      {
        fault:
          'Two requests that find the connection closed open two sockets; a late close closes the socket that another request is opening',
        upstream: 'src/network/connectionPool.js:54, connection.js:297 and 305',
        kind: 'correctness',
        test: 'connection.test.ts',
      },
      {
        fault:
          'A request that times out leaves the connection in use, and every later request waits as long',
        upstream: 'src/network/requestQueue/index.js:137',
        kind: 'availability',
        test: 'connection.test.ts',
      },
      {
        fault: 'A request that is sent while the connection closes never settles',
        upstream: 'src/network/connection.js:225',
        kind: 'availability',
        test: 'connection.test.ts',
      },
      {
        fault:
          'Received bytes are kept as 64 KB chunks and joined; each request is a write of its own',
        upstream: 'src/network/connection.js:488',
        kind: 'performance',
        test: 'response-assembler.test.ts, connection.test.ts',
      },
    ],
  },
  {
    module: 'network/requestQueue',
    file: 'request-queue.ts',
    apply: patchRequestQueue,
    faults: [
      {
        fault: 'A timer runs every millisecond while nothing is pending; Node 24 warns of it',
        upstream: 'tulios/kafkajs#1704, #1751',
        kind: 'performance',
        test: 'request-queue.test.ts',
      },
      {
        fault:
          'The age of a request is measured with the wall clock: set forward, everything times out; set back by an hour, nothing does for an hour',
        upstream: 'src/network/requestQueue/index.js:93',
        kind: 'availability',
        test: 'request-queue.test.ts',
      },
    ],
  },
  {
    module: 'broker',
    file: 'broker.ts',
    apply: patchBroker,
    faults: [
      {
        fault:
          'A broker that accepts connections but does not respond counts as connected, and requests to it fail with a plain Error',
        upstream: 'src/broker/index.js:14 and 68',
        kind: 'availability',
        test: 'connection.test.ts',
      },
      {
        fault:
          'CONCURRENT_TRANSACTIONS right after a commit repeats the whole send after 300 ms instead of one request after a few milliseconds',
        upstream: 'src/producer/eosManager/index.js',
        kind: 'performance',
        test: 'broker.test.ts',
      },
      {
        fault:
          'A moved group coordinator ends an offset commit, because the names of its errors are compared with others than the error table has',
        upstream: 'src/producer/eosManager/index.js, src/protocol/error.js',
        kind: 'availability',
        test: 'broker.test.ts',
      },
    ],
  },
  {
    module: 'broker/saslAuthenticator',
    file: 'sasl-authenticator.ts',
    apply: patchSaslAuthenticator,
    faults: [
      {
        fault:
          'An authentication that is cut off never ends, and every later connection waits for it',
        upstream: 'src/broker/saslAuthenticator/index.js',
        kind: 'availability',
        test: 'connection.test.ts',
      },
      {
        fault:
          'It authenticates again ten seconds before the session ends, so before every request of a shorter session',
        upstream: 'src/network/connection.js (reauthenticationThreshold)',
        kind: 'availability',
        test: 'test/integration/access.test.ts',
      },
    ],
  },
  {
    module: 'cluster',
    file: 'cluster.ts',
    apply: patchCluster,
    faults: [
      {
        fault: 'A coordinator is looked up again after "refused", not after "reset" or no response',
        upstream: 'src/cluster/index.js:375',
        kind: 'availability',
        test: 'cluster.test.ts',
      },
      {
        fault: 'The coordinator is looked up before each of the four requests of a transaction',
        upstream: 'src/producer/eosManager/index.js',
        kind: 'performance',
        test: 'cluster.test.ts',
      },
    ],
  },
  {
    module: 'cluster/brokerPool',
    file: 'broker-pool.ts',
    apply: patchBrokerPool,
    faults: [
      {
        fault:
          'For a request to any broker, one is taken at random, and the request fails if that one cannot be connected',
        upstream: 'src/cluster/brokerPool.js:68 and 278',
        kind: 'availability',
        test: 'broker-pool.test.ts',
      },
      {
        fault: 'The last known address of a cluster with one broker is forgotten (TypeError)',
        upstream: 'src/cluster/brokerPool.js:123',
        kind: 'availability',
        test: 'broker-pool.test.ts',
      },
    ],
  },
  {
    module: 'consumer/consumerGroup',
    file: 'consumer-group.ts',
    apply: patchConsumerGroup,
    faults: [
      {
        fault:
          'A heartbeat or join that a dead or moved coordinator does not answer crashes the consumer, which joins as a new member',
        upstream: 'src/consumer/consumerGroup.js:106 and 331, runner.js:154',
        kind: 'availability',
        test: 'consumer-group.test.ts',
      },
      {
        fault:
          'A fetch from a dead broker counts against the retries of the consumer; one from a moved leader makes the group join again',
        upstream: 'src/consumer/consumerGroup.js:509',
        kind: 'availability',
        test: 'consumer-group.test.ts',
      },
    ],
  },
  {
    module: 'consumer/offsetManager',
    file: 'offset-manager.ts',
    apply: patchOffsetManager,
    faults: [
      {
        fault:
          'A fetch below the start of the log commits the offset -2 for the group, outside of any transaction: the position before it is lost',
        upstream: 'src/consumer/offsetManager/index.js:140',
        kind: 'correctness',
        test: 'test/integration/log-watch.test.ts',
      },
    ],
  },
];

export const patches: readonly Patch[] = [...replacements, ...methods];

checkVersion();
for (const { apply } of patches) apply();
