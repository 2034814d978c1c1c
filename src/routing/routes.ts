/**
 * Routes events to topics. The built-in routes have one topic per campaign type, one for no
 * campaign and one for unknown types. Pure.
 */

import type { CampaignType, PublicationSucceeded } from '../avro/records.ts';
import type { Condition, RouteSpec, RoutesFile } from '../config/routes-file.ts';
import type { Catalog, PublicationTopic } from '../topics/catalog.ts';

export type Destination = {
  readonly topic: string;
  /** Name of the route. */
  readonly route: string;
  /** The entity whose id is the record's key. */
  readonly key: RouteSpec['key'];
  /** Whether to send one event per voucher. */
  readonly isExploded: boolean;
};

export type Routes = {
  /** The version of the routes, recorded in the journal and in a header of each output. */
  readonly version: string;
  /** Returns the destinations; none means a dead letter. */
  readonly destinationsOf: (event: PublicationSucceeded) => readonly Destination[];
  /** The routes for people, in their order; the last one is the default, if there is one. */
  readonly outline: readonly RouteOutline[];
};

type RouteOutline = {
  readonly name: string;
  /** The conditions, for example `campaign.type: GIFT_VOUCHERS`; empty if it takes the rest. */
  readonly when: string;
  readonly topics: readonly string[];
};

/**
 * PROMOTION campaigns have no codes to publish (voucherify docs). If one arrives, it is `other`.
 */
const byType: Readonly<Record<CampaignType, PublicationTopic>> = {
  DISCOUNT_COUPONS: 'discount-coupons',
  GIFT_VOUCHERS: 'gift-vouchers',
  LOYALTY_PROGRAM: 'loyalty-program',
  REFERRAL_PROGRAM: 'referral-program',
  PROMOTION: 'other',
  UNKNOWN: 'other',
};

export function builtinRoutes({ publications }: Pick<Catalog, 'publications'>): Routes {
  const destinations = Object.fromEntries(
    Object.entries(publications).map(([route, topic]) => [
      route,
      [{ topic, route, key: 'publication', isExploded: false }],
    ]),
  ) as unknown as Record<PublicationTopic, readonly Destination[]>;
  return {
    version: 'builtin',
    destinationsOf: ({ campaign }) =>
      destinations[campaign === null ? 'no-campaign' : byType[campaign.type]],
    outline: Object.entries(publications).map(([name, topic]) => {
      const types = Object.entries(byType).flatMap(([type, its]) => (its === name ? [type] : []));
      const when = types.length === 0 ? 'no campaign' : `campaign.type: ${types.join(', ')}`;
      return { name, when, topics: [topic] };
    }),
  };
}

/** @param topicOf returns the full name of a topic for its part after `publications.` */
export function compileRoutes(
  { match, routes, default: rest }: RoutesFile,
  version: string,
  topicOf: (suffix: string) => string,
): Routes {
  const destinations = (to: string | readonly string[], spec: Omit<RouteSpec, 'when' | 'to'>) =>
    [to].flat().map((suffix): Destination => {
      return { topic: topicOf(suffix), route: spec.name, key: spec.key, isExploded: spec.explode };
    });
  const compiled = routes.map((route) => ({
    tests: Object.entries(route.when).map(([field, condition]) => {
      const values = reader(field);
      const holds = predicate(condition);
      return (event: PublicationSucceeded) => holds(values(event));
    }),
    destinations: destinations(route.to, route),
  }));
  const otherwise =
    rest === 'park'
      ? []
      : destinations(rest, { name: 'default', key: 'publication', explode: false });
  const candidates = candidatesAmong(routes);
  const outlineOf = (name: string, when: string, its: readonly Destination[]) => {
    return { name, when, topics: its.map(({ topic }) => topic) };
  };
  return {
    version,
    outline: [
      ...routes.map((route) =>
        outlineOf(route.name, conditionsOf(route), destinations(route.to, route)),
      ),
      ...(otherwise.length > 0 ? [outlineOf('default', '', otherwise)] : []),
    ],
    destinationsOf: (event) => {
      const fits = (i: number) => compiled[i]?.tests.every((test) => test(event));
      const destinationsAt = (i: number) => compiled[i]?.destinations ?? [];
      if (match === 'first') {
        const found = candidates(event).find(fits);
        return found === undefined ? otherwise : destinationsAt(found);
      }
      const found = candidates(event).filter(fits).flatMap(destinationsAt);
      return found.length > 0 ? found : otherwise;
    },
  };
}

function conditionsOf({ when }: RouteSpec): string {
  const texts = Object.entries(when).map(([field, condition]) => {
    const isText = typeof condition === 'string';
    return `${field}: ${isText ? condition : JSON.stringify(condition)}`;
  });
  return texts.join(', ');
}

/**
 * Finds the routes that may match an event, by number and in order, without testing each. A route
 * that needs certain values of a field is indexed by them. If there are several such fields, the
 * one that distinguishes most routes is used.
 */
function candidatesAmong(
  routes: readonly RouteSpec[],
): (event: PublicationSucceeded) => readonly number[] {
  const pins = routes.map(({ when }) =>
    Object.entries(when).flatMap(([field, condition]) => {
      const values = valuesOf(condition);
      return values === undefined ? [] : [{ field, values }];
    }),
  );
  const variety = new Map<string, Set<string>>();
  for (const { field, values } of pins.flat()) {
    variety.set(field, (variety.get(field) ?? new Set()).union(new Set(values)));
  }
  const varietyOf = ({ field }: { readonly field: string }) => variety.get(field)?.size ?? 0;
  const always: number[] = [];
  const fields = new Map<string, Map<string, number[]>>();
  pins.forEach((list, route) => {
    const [pin] = list.toSorted((a, b) => varietyOf(b) - varietyOf(a));
    if (pin === undefined) {
      always.push(route);
      return;
    }
    const under = fields.get(pin.field) ?? new Map<string, number[]>();
    fields.set(pin.field, under);
    for (const value of pin.values) under.set(value, [...(under.get(value) ?? []), route]);
  });
  const readers = [...fields].map(([field, under]) => ({ values: reader(field), under }));
  return (event) => {
    const found = new Set(always);
    for (const { values, under } of readers) {
      for (const value of values(event)) {
        for (const route of under.get(value) ?? []) found.add(route);
      }
    }
    return [...found].sort((a, b) => a - b);
  };
}

/** Returns the values of a field: none, one, or, for vouchers, several. */
function reader(field: string): (event: PublicationSucceeded) => readonly string[] {
  const one = (value: string | null | undefined) =>
    value === null || value === undefined ? [] : [value];
  const [, holder = '', name = ''] =
    /^(campaign\.|customer\.|voucher\.)?metadata\.(.+)$/.exec(field) ?? [];
  if (name !== '') {
    const own = (map: Readonly<Record<string, string>> | undefined) =>
      map && Object.hasOwn(map, name) ? one(map[name]) : [];
    switch (holder) {
      case 'campaign.':
        return ({ campaign }) => own(campaign?.metadata);
      case 'customer.':
        return ({ customer }) => own(customer?.metadata);
      case 'voucher.':
        return ({ vouchers }) => vouchers.flatMap(({ metadata }) => own(metadata));
      default:
        return ({ metadata }) => own(metadata);
    }
  }
  if (field.startsWith('reference.')) {
    const attribute = field.slice('reference.'.length);
    return ({ reference }) => {
      const { attributes = {} } = reference ?? {};
      return Object.hasOwn(attributes, attribute) ? one(attributes[attribute]) : [];
    };
  }
  switch (field) {
    case 'campaign.type':
      return ({ campaign }) => one(campaign?.typeText);
    case 'campaign.id':
      return ({ campaign }) => one(campaign?.id);
    case 'campaign.name':
      return ({ campaign }) => one(campaign?.name);
    case 'voucher.type':
      return ({ vouchers }) => vouchers.map(({ type }) => type);
    case 'channel':
      return ({ channel }) => one(channel);
    case 'project':
      return ({ projectId }) => one(projectId);
    case 'source':
      return ({ source }) => one(source);
    case 'region':
      return ({ customer }) => one(customer?.region);
    default:
      throw new Error(
        `a route asks for ${field}: expected a field that config/routes-file.ts allows`,
      );
  }
}

/** Returns the values of which a condition needs one; undefined if it needs something else. */
function valuesOf(condition: Condition): readonly string[] | undefined {
  if (Array.isArray(condition)) return condition.map(String);
  return typeof condition === 'object' ? undefined : [String(condition)];
}

/**
 * Returns whether a condition holds. One of several values is enough; `not` holds if none matches.
 */
function predicate(condition: Condition): (values: readonly string[]) => boolean {
  if (Array.isArray(condition) || typeof condition !== 'object') {
    const wanted = new Set(valuesOf(condition));
    return (values) => values.some((value) => wanted.has(value));
  }
  if ('prefix' in condition) {
    const { prefix } = condition;
    return (values) => values.some((value) => value.startsWith(prefix));
  }
  if ('exists' in condition) {
    const { exists } = condition;
    return (values) => values.length > 0 === exists;
  }
  const holds = predicate(condition.not);
  return (values) => !holds(values);
}
