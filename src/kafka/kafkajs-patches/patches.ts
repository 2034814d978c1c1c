/** Mends KafkaJS before its first import: `kafka/kafkajs.ts` imports this file first. Each repair has a test that fails without it. */

import { mendCoordinator, parseAddPartitions } from './broker.ts';
import { mendConnection } from './connection.ts';
import { mendBrokerAway } from './consumer-group.ts';
import { decodeMessages } from './decode-messages.ts';
import { checkVersion, replacePart, requirePart } from './modules.ts';
import { createRequest, mendFrames } from './request.ts';
import { mendRequestQueue } from './request-queue.ts';
import { createSendMessages } from './send-messages.ts';

checkVersion();
replacePart('kafkajs/src/protocol/request', createRequest);
replacePart('kafkajs/src/producer/sendMessages', createSendMessages);
replacePart('kafkajs/src/protocol/requests/fetch/v4/decodeMessages', decodeMessages);
replacePart('kafkajs/src/protocol/requests/addPartitionsToTxn/v0/response', {
  ...(requirePart('kafkajs/src/protocol/requests/addPartitionsToTxn/v0/response') as object),
  parse: parseAddPartitions,
});
mendFrames();
mendConnection();
mendBrokerAway();
mendCoordinator();
mendRequestQueue();
