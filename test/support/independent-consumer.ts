/**
 * A consumer as docs/consuming.md describes it: plain KafkaJS and a plain registry client, no code
 * of ours, so it runs in a process of its own. Prints the first event as a line of JSON. `node
 * test/support/independent-consumer.ts BROKER REGISTRY_URL GROUP TOPIC`
 */

import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import { Kafka, logLevel } from 'kafkajs';

const [broker = '', host = '', groupId = '', topic = ''] = process.argv.slice(2);
const registry = new SchemaRegistry({ host });
const consumer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).consumer({ groupId });
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
const { promise, resolve } = Promise.withResolvers<void>();
await consumer.run({
  eachMessage: async ({ message }) => {
    const event = await registry.decode(message.value ?? Buffer.alloc(0));
    const id = message.headers?.['ce_id']?.toString();
    process.stdout.write(`${JSON.stringify({ id, event })}\n`);
    resolve();
  },
});
await promise;
await consumer.disconnect();
