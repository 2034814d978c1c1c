/** The webhooks of the demo: one for each possible decision. */

import { sampleText, sampleWebhook } from '../voucherify/sample.ts';

export type DemoWebhook = {
  readonly name: string;
  readonly body: string;
  /** The expected decision; the demo fails on any other. */
  readonly expected:
    | 'refused'
    | 'duplicate'
    | `forwarded ${string}`
    | `dead-lettered ${string}`
    | `ignored ${string}`;
};

export function demoWebhooks(): readonly DemoWebhook[] {
  const plain = sampleText('publication-succeeded');
  const of = (campaignType: string | null) => JSON.stringify(sampleWebhook({ campaignType }));
  const { data, ...envelope } = sampleWebhook() as { data: { publication: object } };
  const noVouchers = { ...envelope, data: { ...data, vouchers: [] } };
  return [
    {
      name: "the vendor's own sample, of 2024, unchanged",
      body: plain,
      expected: 'forwarded discount-coupons',
    },
    { name: 'the same again', body: plain, expected: 'duplicate' },
    { name: 'a gift voucher', body: of('GIFT_VOUCHERS'), expected: 'forwarded gift-vouchers' },
    { name: 'a loyalty card', body: of('LOYALTY_PROGRAM'), expected: 'forwarded loyalty-program' },
    {
      name: 'a referral code',
      body: of('REFERRAL_PROGRAM'),
      expected: 'forwarded referral-program',
    },
    { name: 'a voucher without a campaign', body: of(null), expected: 'forwarded no-campaign' },
    { name: 'an unknown campaign type', body: of('LUCKY_DRAW'), expected: 'forwarded other' },
    {
      name: 'another event: voucher.published',
      body: sampleText('voucher-published'),
      expected: 'ignored voucher.published',
    },
    { name: 'a bad signature', body: of('GIFT_VOUCHERS'), expected: 'refused' },
    {
      name: 'signed, but not JSON',
      body: '{"id": "whs_broken", "type": "publication.succ',
      expected: 'dead-lettered invalid-json',
    },
    {
      name: 'signed, but without vouchers',
      body: JSON.stringify(noVouchers),
      expected: 'dead-lettered invalid-publication',
    },
  ];
}
