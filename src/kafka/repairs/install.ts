/** Mends KafkaJS before its first import: `kafka/kafkajs.ts` imports this file first. Each repair has a test that fails without it. */

import { mendBrokerAway } from './broker-away.ts';
import { mendConnection } from './connection.ts';
import { mendCoordinator } from './coordinator.ts';
import { decodeMessages } from './decode-messages.ts';
import { mendRequestQueue } from './request-queue.ts';
import { createSendMessages } from './send-messages.ts';
import { checkVersion, replacePart } from './version.ts';

checkVersion();
replacePart('kafkajs/src/producer/sendMessages', createSendMessages);
replacePart('kafkajs/src/protocol/requests/fetch/v4/decodeMessages', decodeMessages);
mendConnection();
mendBrokerAway();
mendCoordinator();
mendRequestQueue();
