/** Builds the output records of an event. Pure. */

import type { PublicationSucceeded } from '../avro/records.ts';
import { disclosed, type PersonalField } from '../enrichment/enrich.ts';
import type { Destination, Routes } from '../routing/routes.ts';

export type Output = {
  readonly topic: string;
  readonly route: string;
  readonly event: PublicationSucceeded;
  /** ce_id: the publication id; for an exploded event, with the voucher's number from 0. */
  readonly id: string;
  /** Undefined: the publication id, and the partition of the input. */
  readonly key: string | undefined;
};

export function outputsOf(
  whole: PublicationSucceeded,
  routes: Routes,
  personalFields: readonly PersonalField[],
): readonly Output[] {
  const destinations = routes.destinationsOf(whole);
  const event = disclosed(whole, personalFields);
  return destinations.flatMap((destination) => {
    const output = (one: PublicationSucceeded, id: string): Output => {
      const { topic, route } = destination;
      return { topic, route, event: one, id, key: keyOf(one, destination) };
    };
    const { publicationId, vouchers } = event;
    return destination.isExploded
      ? vouchers.map((voucher, i) =>
          output({ ...event, vouchers: [voucher] }, `${publicationId}.${i}`),
        )
      : [output(event, publicationId)];
  });
}

/** If the event does not have the id, the publication id is used. */
function keyOf({ customer, campaign }: PublicationSucceeded, { key }: Destination) {
  switch (key) {
    case 'customer':
      return customer?.id ?? undefined;
    case 'campaign':
      return campaign?.id ?? undefined;
    case 'publication':
      return undefined;
  }
}
