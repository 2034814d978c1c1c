/** The only door to KafkaJS: the repairs are in place before its first line runs. Everything else in src imports it from here. */

import './kafkajs-patches/patches.ts';

export type { Admin, Consumer, EachBatchPayload, Producer } from 'kafkajs';
export { AssignerProtocol, Kafka, logLevel, Partitioners } from 'kafkajs';
