/** The customer of a publication. Personal data is read only on demand. */

import type { Part } from './json-part.ts';

export type Customer = {
  readonly id: string | null;
  readonly sourceId: string | null;
  /** The webhook does not say whether it has one. */
  readonly isSourceIdMissing: boolean;
  readonly region: string | null;
  readonly metadata: Record<string, string>;
  /** Read only when a configuration asks for personal data. */
  readonly personal: () => PersonalData;
};

export type PersonalData = {
  readonly name: string | null;
  readonly email: string | null;
  readonly phone: string | null;
  readonly birthdate: number | null;
  readonly address: Address | null;
};

type Address = {
  readonly line1: string | null;
  readonly line2: string | null;
  readonly postalCode: string | null;
  readonly city: string | null;
  readonly state: string | null;
  readonly country: string | null;
};

/**
 * `data.customer` is the short form, `data.publication.customer` the long one; either may be
 * absent.
 */
export function readCustomer(
  short: Part | null,
  long: Part | null,
  publication: Part,
): Customer | null {
  const customer = short ?? long;
  const id = customer?.text('id') ?? long?.text('id') ?? publication.text('customer_id');
  if (customer === null) {
    return id === null
      ? null
      : {
          id,
          sourceId: publication.text('tracking_id'),
          isSourceIdMissing: publication.text('tracking_id') === null,
          region: null,
          metadata: {},
          personal: noPersonalData,
        };
  }
  // Each form may have fields that the other lacks; if both have one, the short form wins.
  const both = short && long ? long.map('metadata', 'scalars') : {};
  const metadata = { ...both, ...customer.map('metadata', 'scalars') };
  const sourceId =
    customer.text('source_id') ?? long?.text('source_id') ?? publication.text('tracking_id');
  const isSaid = 'source_id' in customer.value || (long !== null && 'source_id' in long.value);
  return {
    id,
    sourceId,
    isSourceIdMissing: sourceId === null && !isSaid,
    region: metadata['region'] ?? null,
    metadata,
    personal: () => readPersonal(customer, long ?? customer),
  };
}

const noPersonalData = (): PersonalData => ({
  name: null,
  email: null,
  phone: null,
  birthdate: null,
  address: null,
});

function readPersonal(short: Part, long: Part): PersonalData {
  return {
    name: short.text('name') ?? long.text('name'),
    email: short.text('email') ?? long.text('email'),
    phone: long.text('phone'),
    birthdate: long.days('birthdate'),
    address: readAddress(long.part('address')),
  };
}

function readAddress(address: Part | null): Address | null {
  if (address === null) return null;
  return {
    line1: address.text('line_1'),
    line2: address.text('line_2'),
    postalCode: address.text('postal_code'),
    city: address.text('city'),
    state: address.text('state'),
    country: address.text('country'),
  };
}
