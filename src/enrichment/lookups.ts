/**
 * Looks up at the vendor what a publication lacks: its campaign, if the webhook has none or only a
 * stub, and its customer's source id. A batch is looked up at once, each object once, and the
 * results are cached for a while.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { AppError } from '../errors.ts';
import type { VoucherifyApi } from '../voucherify/api.ts';
import { type JsonObject, Part } from '../voucherify/json-part.ts';
import {
  type Missing,
  orRejection,
  type Publication,
  readCampaign,
} from '../voucherify/publication.ts';
import { Breaker } from './breaker.ts';

export type LookupOptions = {
  /** Requests in flight at once. */
  readonly concurrency: number;
  readonly cacheSize: number;
  readonly cacheTtlMs: number;
  /** How long a request may wait for the vendor's rate limit. */
  readonly maxWaitMs: number;
  /**
   * The handling of an event that still lacks something: it is forwarded with `complete: false`, or
   * it waits with its partition.
   */
  readonly onFailure: 'forward-incomplete' | 'wait';
  readonly onLookup: (outcome: LookupOutcome) => void;
};

export const lookupOutcomes = [
  'found',
  'absent',
  'cached',
  'limited',
  'failed',
  'circuit-open',
] as const;
export type LookupOutcome = (typeof lookupOutcomes)[number];

type What = 'campaigns' | 'customers';
type Lack = { readonly what: What; readonly id: string };

/** null: the vendor does not know it. */
type Known = { readonly value: JsonObject | null };

/** Returns what a publication lacks and a look-up can find. Pure. */
function lacksOf({ campaign, customer, missing }: Publication): readonly Lack[] {
  const lacks: Lack[] = [];
  // The vendor accepts a campaign's name as well.
  const campaignId = campaign?.id ?? campaign?.name;
  if (campaignId && (campaign?.type === null || missing.includes('campaign')))
    lacks.push({ what: 'campaigns', id: campaignId });
  if (customer?.id && customer.sourceId === null)
    lacks.push({ what: 'customers', id: customer.id });
  return lacks;
}

export class Lookups {
  readonly #api: Pick<VoucherifyApi, 'get' | 'blockedUntilMs'>;
  readonly #options: LookupOptions;
  readonly #cache: LRUCache<string, Known>;
  readonly #inFlight = new Map<string, Promise<Known | undefined>>();
  readonly #breaker = new Breaker();
  #freeSlots: number;
  readonly #waiting: (() => void)[] = [];
  #lastFailure = '';

  constructor(api: Pick<VoucherifyApi, 'get' | 'blockedUntilMs'>, options: LookupOptions) {
    this.#api = api;
    this.#options = options;
    this.#cache = new LRUCache({ max: options.cacheSize, ttl: options.cacheTtlMs });
    this.#freeSlots = options.concurrency;
  }

  get isCircuitOpen(): boolean {
    return this.#breaker.isOpen(Date.now());
  }

  /**
   * Returns the same publications with what they lacked.
   * @throws AppError LOOKUP_UNAVAILABLE if something could not be looked up and `onFailure` is
   * `wait`
   */
  async complete(publications: readonly Publication[]): Promise<readonly Publication[]> {
    return Promise.all(publications.map((publication) => this.#completeOne(publication)));
  }

  async #completeOne(publication: Publication): Promise<Publication> {
    const lacks = lacksOf(publication);
    if (lacks.length === 0) return publication;
    const found = await Promise.all(lacks.map((lack) => this.#find(lack)));
    const isComplete = found.every((known) => known !== undefined);
    if (!isComplete && this.#options.onFailure === 'wait') {
      const names = lacks.map(({ what, id }) => `${what}/${id}`).join(', ');
      const text = `cannot look up ${names} at Voucherify: ${this.#lastFailure}`;
      throw new AppError('LOOKUP_UNAVAILABLE', 'retry', text);
    }
    // A field that the vendor does not know either stays in `missing`.
    let completed: Publication = isComplete
      ? publication
      : { ...publication, missing: stillMissing(publication, lacks, found) };
    lacks.forEach(({ what }, i) => {
      const value = found[i]?.value;
      if (value)
        completed =
          what === 'campaigns' ? withCampaign(completed, value) : withSourceId(completed, value);
    });
    return completed;
  }

  /** Returns undefined if the look-up failed. */
  #find({ what, id }: Lack): Promise<Known | undefined> {
    const key = `${what}/${id}`;
    const cached = this.#cache.get(key);
    if (cached) {
      this.#options.onLookup('cached');
      return Promise.resolve(cached);
    }
    const inFlight = this.#inFlight.get(key);
    if (inFlight) return inFlight;
    const request = this.#inSlot(() => this.#request(what, id)).then((known) => {
      this.#inFlight.delete(key);
      if (known) this.#cache.set(key, known);
      return known;
    });
    this.#inFlight.set(key, request);
    return request;
  }

  async #inSlot<T>(run: () => Promise<T>): Promise<T> {
    if (this.#freeSlots === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#freeSlots -= 1;
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#freeSlots += 1;
    }
  }

  async #request(what: What, id: string): Promise<Known | undefined> {
    const { onLookup, maxWaitMs } = this.#options;
    for (const giveUpAt = Date.now() + maxWaitMs; ; ) {
      const pauseMs = this.#api.blockedUntilMs - Date.now();
      if (Date.now() + pauseMs > giveUpAt)
        return this.#failed('limited', "the vendor's rate limit is reached");
      if (pauseMs > 0) await sleep(pauseMs);
      if (!this.#breaker.enter(Date.now())) return this.#failed('circuit-open', this.#lastFailure);
      const result = await this.#api.get(what, id);
      switch (result.kind) {
        case 'found':
          this.#breaker.succeeded();
          onLookup('found');
          return { value: result.value };
        case 'absent':
          this.#breaker.succeeded();
          onLookup('absent');
          return { value: null };
        case 'limited':
          // The vendor works, so the next request follows when it says so.
          this.#breaker.succeeded();
          continue;
        case 'failed':
          this.#breaker.failed(Date.now());
          return this.#failed('failed', result.message);
      }
    }
  }

  #failed(outcome: LookupOutcome, message: string): undefined {
    this.#lastFailure = message;
    this.#options.onLookup(outcome);
  }
}

/** Adds the fields whose look-up failed to those that the webhook lacks. */
function stillMissing(
  { missing }: Publication,
  lacks: readonly Lack[],
  found: readonly (Known | undefined)[],
): readonly Missing[] {
  const failed = lacks.filter((_, i) => found[i] === undefined);
  const names = failed.map(({ what }) =>
    what === 'campaigns' ? ('campaign.type' as const) : ('customer.sourceId' as const),
  );
  return [...new Set([...missing, ...names])];
}

function without(missing: readonly Missing[], ...found: readonly Missing[]): readonly Missing[] {
  return missing.filter((name) => !found.includes(name));
}

/** A campaign that cannot be read counts as not found. */
function withCampaign(publication: Publication, value: JsonObject): Publication {
  const result = orRejection(() => {
    const part = new Part({ campaign: value }, '$').part('campaign');
    return { kind: 'campaign' as const, campaign: readCampaign(part) };
  });
  if (result.kind === 'rejection' || result.campaign === null) return publication;
  const missing = without(publication.missing, 'campaign', 'campaign.type');
  return { ...publication, campaign: result.campaign, missing };
}

function withSourceId(publication: Publication, value: JsonObject): Publication {
  const sourceId = value['source_id'];
  const { customer } = publication;
  if (!customer || typeof sourceId !== 'string') return publication;
  const missing = without(publication.missing, 'customer.sourceId');
  return { ...publication, customer: { ...customer, sourceId }, missing };
}
