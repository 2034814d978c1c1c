/**
 * Builds the body that a webhook would have had, in the vendor's envelope shape, from what
 * Voucherify's API tells of a publication. What the API does not tell is null, never invented.
 */

import { isObject, type JsonObject } from '../voucherify/json-part.ts';
import { codesOf } from './find.ts';
import type { Vendor } from './vendor.ts';

/** Fields that a webhook's objects have; the API's have more. */
const voucherFields = [
  ...['id', 'code', 'type', 'active', 'object', 'campaign', 'campaign_id', 'category_id'],
  ...['categories', 'discount', 'gift', 'loyalty_card', 'holder_id', 'referrer_id', 'metadata'],
  ...['start_date', 'expiration_date', 'created_at', 'updated_at', 'is_referral_code'],
];
const redemptionFields = [
  ...['quantity', 'redeemed_quantity', 'redeemed_amount', 'redeemed_points'],
];
const campaignFields = [
  ...['id', 'name', 'type', 'campaign_type', 'active', 'object', 'auto_join', 'join_once'],
  ...['start_date', 'expiration_date', 'category_id', 'metadata', 'voucher', 'created_at'],
  ...['updated_at', 'is_referral_code'],
];
const publicationFields = [
  ...['id', 'object', 'result', 'channel', 'metadata', 'source_id', 'created_at'],
  ...['customer_id', 'tracking_id', 'vouchers_id'],
];
const customerFields = ['id', 'object', 'source_id', 'metadata'];

export type BodyOptions = {
  readonly projectId: string | null;
  /** The vendor's names of the personal fields of a customer that events may carry. */
  readonly personalFields: readonly string[];
};

export class BodyBuilder {
  readonly #vendor: Pick<Vendor, 'get'>;
  readonly #options: BodyOptions;
  /** By id or name: the campaigns, null if they were deleted. */
  readonly #campaigns = new Map<string, JsonObject | null>();

  constructor(vendor: Pick<Vendor, 'get'>, options: BodyOptions) {
    this.#vendor = vendor;
    this.#options = options;
  }

  /** Leaves out what a webhook does not have, and personal data that events may not carry. */
  withoutPersonal(listed: JsonObject): JsonObject {
    const { customer } = listed;
    const own = isObject(customer) ? { customer: this.#pickCustomer(customer) } : {};
    return { ...pick(listed, [...publicationFields, 'voucher', 'vouchers']), ...own };
  }

  /** @param listed a publication as listed by the vendor. @throws AppError */
  async build(listed: JsonObject): Promise<JsonObject> {
    const vouchers: JsonObject[] = [];
    for (const code of codesOf(listed)) vouchers.push(await this.#voucher(code, listed));
    const campaign = await this.#campaign(vouchers);
    const customer = await this.#customer(listed);
    const createdAt = listed['created_at'];
    return {
      id: null,
      project_id: this.#options.projectId,
      created_at: createdAt,
      type: 'publication.succeeded',
      data: {
        user: null,
        campaign,
        customer,
        vouchers,
        publication: { ...pick(listed, publicationFields), customer },
      },
      source: null,
      event: {
        id: null,
        type: 'publication.succeeded',
        created_at: createdAt,
        group_id: null,
        event_source: null,
      },
    };
  }

  /** Returns what is left of a voucher that was deleted: what the list says, at least its code. */
  async #voucher(code: string, { voucher: listed }: JsonObject): Promise<JsonObject> {
    const found = await this.#vendor.get('vouchers', code);
    const voucher = found ?? (isObject(listed) ? listed : { code });
    const { redemption } = voucher;
    return {
      ...pick(voucher, voucherFields),
      ...(isObject(redemption) && { redemption: pick(redemption, redemptionFields) }),
    };
  }

  async #campaign(vouchers: readonly JsonObject[]): Promise<JsonObject | null> {
    const [name] = vouchers.flatMap(({ campaign_id, campaign }) => campaign_id ?? campaign ?? []);
    if (typeof name !== 'string') return null;
    const known = this.#campaigns.get(name);
    if (known !== undefined) return known;
    const found = await this.#vendor.get('campaigns', name);
    const campaign = found ? pick(found, campaignFields) : null;
    this.#campaigns.set(name, campaign);
    return campaign;
  }

  async #customer({ customer, customer_id }: JsonObject): Promise<JsonObject | null> {
    const found =
      isObject(customer) || typeof customer_id !== 'string'
        ? customer
        : await this.#vendor.get('customers', customer_id);
    return isObject(found) ? this.#pickCustomer(found) : null;
  }

  #pickCustomer(customer: JsonObject): JsonObject {
    return pick(customer, [...customerFields, ...this.#options.personalFields]);
  }
}

function pick(object: JsonObject, fields: readonly string[]): JsonObject {
  return Object.fromEntries(
    fields.flatMap((field) => (field in object ? [[field, object[field]]] : [])),
  );
}
