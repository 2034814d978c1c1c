/**
 * A consumer as docs/consuming.md describes it: plain KafkaJS and a plain registry client,
 * no code of ours.
 */

import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import { Kafka, logLevel } from 'kafkajs';
import { expect, test } from 'vitest';
import { aBody } from '../support/builders.ts';
import { aDeployment } from '../support/deployment.ts';
import { post } from '../support/webhooks.ts';

test('an independent consumer reads typed events and their CloudEvents headers', async () => {
  await using deployment = await aDeployment(1);
  const [bridge] = await Promise.all([deployment.start('bridge'), deployment.start('processor')]);
  await post(bridge.url, aBody({ publicationId: 'pub_1', campaignType: 'GIFT_VOUCHERS' }));

  const kafka = new Kafka({
    brokers: [deployment.env['KAFKA_BROKERS'] ?? ''],
    logLevel: logLevel.NOTHING,
  });
  const registry = new SchemaRegistry({ host: deployment.env['SCHEMA_REGISTRY_URL'] ?? '' });
  const consumer = kafka.consumer({ groupId: `${deployment.prefix}-mail` });
  await consumer.connect();
  await consumer.subscribe({
    topic: deployment.catalog.publications['gift-vouchers'],
    fromBeginning: true,
  });
  const { promise, resolve } = Promise.withResolvers<{
    event: Record<string, unknown>;
    id: string | undefined;
  }>();
  await consumer.run({
    eachMessage: async ({ message }) => {
      const event = await registry.decode(message.value ?? Buffer.alloc(0));
      resolve({ event, id: message.headers?.['ce_id']?.toString() });
    },
  });
  const { event, id } = await promise;
  await consumer.disconnect();
  expect(id).toBe('pub_1');
  expect(event).toMatchObject({
    publicationId: 'pub_1',
    campaign: { type: 'GIFT_VOUCHERS' },
    vouchers: [{ benefit: { kind: 'GIFT', amount: 10_000 } }],
  });
});
