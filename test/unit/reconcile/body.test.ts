import { expect, test } from 'vitest';
import { BodyBuilder } from '../../../src/reconcile/body.ts';
import { readPublication } from '../../../src/voucherify/publication.ts';
import { readWebhook } from '../../../src/voucherify/webhook.ts';

type Known = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const campaign = { id: 'camp_1', name: 'Summer', campaign_type: 'GIFT_VOUCHERS', protected: true };
const voucher = (code: string) => ({
  id: `v_${code}`,
  code,
  type: 'GIFT_VOUCHER',
  campaign: 'Summer',
  campaign_id: 'camp_1',
  gift: { amount: 500, balance: 100 },
  redemption: { quantity: 1, redeemed_quantity: 0, url: '/v1/…' },
  publish: { count: 7 },
});
const listed = {
  id: 'pub_1',
  created_at: '2026-11-28T10:00:00.000Z',
  customer_id: 'cust_1',
  channel: 'API',
  vouchers_id: ['v_A', 'v_B'],
  vouchers: ['A', 'B'],
  customer: { id: 'cust_1', source_id: 's', email: 'a@b.example', phone: '+44', summary: {} },
};
const everything: Known = {
  'vouchers/A': voucher('A'),
  'vouchers/B': voucher('B'),
  'campaigns/camp_1': campaign,
};

async function built(known: Known, publication: object = listed, personalFields: string[] = []) {
  const asked: string[] = [];
  const get = async (what: string, id: string) => {
    asked.push(`${what}/${id}`);
    return known[`${what}/${id}`];
  };
  const builder = new BodyBuilder({ get }, { projectId: 'proj_1', personalFields });
  const body = await builder.build(publication as Record<string, unknown>);
  await builder.build(publication as Record<string, unknown>);
  const text = JSON.stringify(body);
  const webhook = readWebhook(Buffer.from(text));
  if (webhook.kind !== 'publication') throw new Error(webhook.kind);
  const read = readPublication(webhook);
  if (read.kind === 'rejection') throw new Error(read.message);
  return { text, read, asked };
}

test('the body reads as a webhook, completed by look-ups; a campaign is asked for once', async () => {
  const { read, asked } = await built(everything);
  expect(read).toMatchObject({
    id: 'pub_1',
    campaign: { id: 'camp_1', type: 'GIFT_VOUCHERS' },
    vouchers: [{ code: 'A', gift: { amount: 500 } }, { code: 'B' }],
    customer: { id: 'cust_1', sourceId: 's' },
    missing: [],
    envelope: { projectId: 'proj_1', eventId: undefined, webhookId: undefined },
  });
  expect(asked).toEqual([
    ...['vouchers/A', 'vouchers/B', 'campaigns/camp_1'],
    ...['vouchers/A', 'vouchers/B'],
  ]);
});

test('personal data is left out, but for what PERSONAL_DATA names', async () => {
  expect((await built(everything)).text).not.toMatch(/a@b\.example|\+44|summary|publish|protected/);
  const { text } = await built(everything, listed, ['email']);
  expect(text).toContain('a@b.example');
  expect(text).not.toContain('+44');
});

test('what is kept of a listed publication has no personal data, and is enough for the body', async () => {
  const get = async (what: string, id: string) => everything[`${what}/${id}`];
  const builder = new BodyBuilder({ get }, { projectId: null, personalFields: ['phone'] });
  const kept = builder.withoutPersonal(listed);
  expect(JSON.stringify(kept)).toContain('+44');
  expect(JSON.stringify(kept)).not.toMatch(/a@b\.example|summary/);
  expect(await builder.build(kept)).toEqual(await builder.build(listed));
});

test('what was deleted is missing, never invented', async () => {
  const { 'campaigns/camp_1': _, ...withoutCampaign } = everything;
  expect((await built(withoutCampaign)).read).toMatchObject({
    campaign: { id: 'camp_1', name: 'Summer' },
    missing: ['campaign'],
  });
  const { 'vouchers/B': __, ...withoutVoucher } = everything;
  expect((await built(withoutVoucher)).read).toMatchObject({
    vouchers: [{ code: 'A' }],
    missing: ['vouchers'],
  });
  const single = { ...listed, vouchers: null, voucher: { code: 'A' }, vouchers_id: ['v_A'] };
  expect((await built({}, single)).read).toMatchObject({
    campaign: null,
    vouchers: [{ id: 'v_A', code: 'A', type: null }],
  });
});

test('a customer that the list does not have is looked up', async () => {
  const { customer: _, ...without } = listed;
  const known = { ...everything, 'customers/cust_1': { id: 'cust_1', source_id: 'found' } };
  expect((await built(known, without)).read.customer).toMatchObject({ sourceId: 'found' });
  expect((await built(everything, without)).read.customer).toMatchObject({ id: 'cust_1' });
});
