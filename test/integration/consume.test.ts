/** Runs the consumer that docs/consuming.md describes. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { aBody } from '../support/builders.ts';
import { aDeployment } from '../support/deployment.ts';
import { post } from '../support/webhooks.ts';

test('an independent consumer reads typed events and their CloudEvents headers', async () => {
  await using deployment = await aDeployment(1);
  const [bridge] = await Promise.all([deployment.start('bridge'), deployment.start('processor')]);
  await post(bridge.url, aBody({ publicationId: 'pub_1', campaignType: 'GIFT_VOUCHERS' }));
  const { stdout } = await promisify(execFile)(process.execPath, [
    'test/support/independent-consumer.ts',
    deployment.env['KAFKA_BROKERS'] ?? '',
    deployment.env['SCHEMA_REGISTRY_URL'] ?? '',
    `${deployment.prefix}-mail`,
    deployment.catalog.publications['gift-vouchers'],
  ]);
  expect(JSON.parse(stdout)).toMatchObject({
    id: 'pub_1',
    event: {
      publicationId: 'pub_1',
      campaign: { type: 'GIFT_VOUCHERS' },
      vouchers: [{ benefit: { kind: 'GIFT', amount: 10_000 } }],
    },
  });
});
