/** Mends KafkaJS before its first import: `kafka/kafkajs.ts` imports this file first. Each repair has a test that fails without it. */

import { parseAddPartitions, patchBroker } from './broker.ts';
import { patchConnection } from './connection.ts';
import { patchConsumerGroup } from './consumer-group.ts';
import { decodeMessages } from './decode-messages.ts';
import { checkVersion, replacePart, requirePart } from './modules.ts';
import { createRequest, patchRequest } from './request.ts';
import { patchRequestQueue } from './request-queue.ts';
import { createSendMessages } from './send-messages.ts';

checkVersion();
replacePart('kafkajs/src/protocol/request', createRequest);
replacePart('kafkajs/src/producer/sendMessages', createSendMessages);
replacePart('kafkajs/src/protocol/requests/fetch/v4/decodeMessages', decodeMessages);
replacePart('kafkajs/src/protocol/requests/addPartitionsToTxn/v0/response', {
  ...(requirePart('kafkajs/src/protocol/requests/addPartitionsToTxn/v0/response') as object),
  parse: parseAddPartitions,
});
patchRequest();
patchConnection();
patchConsumerGroup();
patchBroker();
patchRequestQueue();
