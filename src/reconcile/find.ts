/** Finds, in Voucherify's list of publications, those that a row of the census means. */

import { isObject, type JsonObject, msOf } from '../voucherify/json-part.ts';
import type { Row, UnitMs } from './census.ts';
import { lastPage, type PublicationFilter, pageSize, type Vendor } from './vendor.ts';

export type Found = {
  /** As listed by the vendor. */
  readonly publications: readonly JsonObject[];
  /** Set if there are none: why it cannot be decided whether something is missing. */
  readonly problem: string | undefined;
};

/** @throws AppError */
export async function findPublications(
  row: Row & { readonly createdAtMs: number },
  vendor: Pick<Vendor, 'publications'>,
  unitMs: UnitMs,
): Promise<Found> {
  const { codes, customerId } = row;
  const ofCustomer = customerId === null ? {} : { customer: customerId };
  if (codes.length === 0 && customerId === null) {
    return { publications: [], problem: 'its row names neither a voucher nor a customer' };
  }
  const filters: readonly PublicationFilter[] =
    codes.length === 0 ? [ofCustomer] : codes.map((voucher) => ({ voucher, ...ofCustomer }));
  for (const filter of filters) {
    const publications = await searchBack(row, filter, vendor, unitMs);
    if (publications.length > 0) return { publications, problem: undefined };
  }
  const problem = "Voucherify's list does not name it: deleted since, or beyond its last page";
  return { publications: [], problem };
}

/** Pages back until the list is older than the row: the list has no filter by time. */
async function searchBack(
  row: Row & { readonly createdAtMs: number },
  filter: PublicationFilter,
  vendor: Pick<Vendor, 'publications'>,
  unitMs: UnitMs,
): Promise<readonly JsonObject[]> {
  const unit = (ms: number) => Math.floor(ms / unitMs);
  const wanted = unit(row.createdAtMs);
  const found: JsonObject[] = [];
  for (let page = 1; page <= lastPage; page += 1) {
    const publications = await vendor.publications(filter, page);
    const times = publications.map(({ created_at }) =>
      unit(msOf(String(created_at)) ?? Number.NaN),
    );
    found.push(...publications.filter((one, i) => times[i] === wanted && isOf(one, row)));
    const isOlder = times.some((time) => time < wanted);
    if (isOlder || publications.length < pageSize) break;
  }
  return found;
}

/** Returns whether the publication succeeded, and is the row's customer's. */
function isOf(publication: JsonObject, { customerId }: Row): boolean {
  const { result, customer_id, customer, id } = publication;
  const listed = customer_id ?? (isObject(customer) ? customer['id'] : undefined) ?? null;
  const isSame = customerId === null || listed === null || listed === customerId;
  return typeof id === 'string' && isSame && result !== 'FAILURE';
}

/** Returns the codes of a listed publication: one object, or bare codes. */
export function codesOf({ voucher, vouchers }: JsonObject): readonly string[] {
  const several: readonly unknown[] = Array.isArray(vouchers) ? vouchers : [];
  const all = [...several, voucher].map((one) => (isObject(one) ? one['code'] : one));
  return [...new Set(all.filter((code) => typeof code === 'string'))];
}
