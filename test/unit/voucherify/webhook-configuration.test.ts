import { expect, test } from 'vitest';
import { webhookProblems } from '../../../src/voucherify/webhook-configuration.ts';

const target = 'https://bridge.example.com/webhooks/voucherify';
const events = ['publication.succeeded', 'voucher.created'];
const webhook = { id: 'wh_1', targetUrl: target, events, isActive: true };

test.each([
  [[webhook], []],
  [[{ ...webhook, targetUrl: 'https://BRIDGE.example.com:443/webhooks/voucherify' }], []],
  [[{ ...webhook, isActive: false }, webhook], []],
  [[], [/^no webhook has the target https:/]],
  [[{ ...webhook, targetUrl: 'https://bridge.example.com/' }], [/^no webhook has the target/]],
  [
    [{ ...webhook, events: ['voucher.created'], isActive: false }],
    [/is not active/, /is not subscribed to publication\.succeeded/],
  ],
])('problems of %j', (webhooks, expected) => {
  const problems = webhookProblems(webhooks, target);
  expect(problems).toHaveLength(expected.length);
  for (const [i, pattern] of expected.entries()) expect(problems[i]).toMatch(pattern);
});
