/**
 * The only import of KafkaJS in src, so that the patches are applied before its first line runs.
 */

import './kafkajs-patches/patches.ts';

export type {
  Admin,
  Consumer,
  EachBatchPayload,
  ISocketFactory,
  Mechanism,
  Producer,
} from 'kafkajs';
export { AssignerProtocol, Kafka, logLevel, Partitioners } from 'kafkajs';
