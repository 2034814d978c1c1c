/** The webhooks of the demo: one for each thing that can become of one. */

import { randomPublicationId, sampleText, sampleWebhook } from '../voucherify/sample.ts';

export type Case = {
  readonly name: string;
  readonly body: string;
  /** Sign with another secret than the bridge's. */
  readonly hasWrongSignature?: true;
};

export function demoCases(): readonly Case[] {
  const plain = sampleText('publication-succeeded');
  const of = (campaignType: string | null) => JSON.stringify(sampleWebhook({ campaignType }));
  const { data, ...envelope } = sampleWebhook() as { data: { publication: object } };
  const noVouchers = {
    ...data,
    publication: { ...data.publication, id: randomPublicationId() },
    vouchers: [],
  };
  return [
    { name: "the vendor's own sample, of 2024, as it stands", body: plain },
    { name: 'the same again', body: plain },
    { name: 'a gift voucher', body: of('GIFT_VOUCHERS') },
    { name: 'a loyalty card', body: of('LOYALTY_PROGRAM') },
    { name: 'a referral code', body: of('REFERRAL_PROGRAM') },
    { name: 'a voucher without a campaign', body: of(null) },
    { name: 'a campaign type not known here', body: of('LUCKY_DRAW') },
    { name: 'another event: voucher.published', body: sampleText('voucher-published') },
    { name: 'a bad signature', body: of('GIFT_VOUCHERS'), hasWrongSignature: true },
    { name: 'signed, but not JSON', body: '{"id": "whs_broken", "type": "publication.succ' },
    {
      name: 'signed, but without vouchers',
      body: JSON.stringify({ ...envelope, data: noVouchers }),
    },
  ];
}
