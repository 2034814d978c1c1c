/** To which topic a publication goes. The built-in routes: one topic for each campaign type, one for no campaign, one for types not known here. */

import type { CampaignRecord, CampaignType } from '../codec/records.ts';
import type { Catalog, PublicationTopic } from '../topics/catalog.ts';

export type Routes = {
  /** Stands in the journal beside each batch that these routes decided. */
  readonly version: string;
  readonly topicOf: (event: { readonly campaign: CampaignRecord | null }) => string;
};

/** PROMOTION campaigns have no codes to publish (voucherify docs); should one come, it is `other`. */
const byType: Readonly<Record<CampaignType, PublicationTopic>> = {
  DISCOUNT_COUPONS: 'discount-coupons',
  GIFT_VOUCHERS: 'gift-vouchers',
  LOYALTY_PROGRAM: 'loyalty-program',
  REFERRAL_PROGRAM: 'referral-program',
  PROMOTION: 'other',
  UNKNOWN: 'other',
};

export function builtinRoutes({ publications }: Pick<Catalog, 'publications'>): Routes {
  return {
    version: 'builtin',
    topicOf: ({ campaign }) =>
      publications[campaign === null ? 'no-campaign' : byType[campaign.type]],
  };
}
