/**
 * Looks up at the vendor what a publication lacks: its campaign, where the webhook has none or only a stub, and its customer's source id. All of a
 * batch at once, each thing once, and what was looked up is remembered for a while.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { AppError } from '../errors.ts';
import type { Api, LookupResult } from '../voucherify/api.ts';
import { type JsonObject, Part } from '../voucherify/json-part.ts';
import {
  type Missing,
  orRejection,
  type Publication,
  readCampaign,
} from '../voucherify/publication.ts';
import { Breaker } from './breaker.ts';

export type LookupOptions = {
  /** Requests under way at once. */
  readonly concurrency: number;
  readonly cacheSize: number;
  readonly cacheTtlMs: number;
  /** How long a request may wait for the vendor's rate limit. */
  readonly patienceMs: number;
  /** What becomes of an event that still lacks something: on, with `complete: false`; or it waits, and its partition with it. */
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

/** What is missing of a publication, and can be asked for. Pure. */
function lacksOf({ campaign, customer, missing }: Publication): readonly Lack[] {
  const lacks: Lack[] = [];
  // The vendor takes a campaign's name as well.
  const campaignId = campaign?.id ?? campaign?.name;
  if (campaignId && (campaign?.type === null || missing.includes('campaign')))
    lacks.push({ what: 'campaigns', id: campaignId });
  if (customer?.id && customer.sourceId === null)
    lacks.push({ what: 'customers', id: customer.id });
  return lacks;
}

export class Lookups {
  readonly #api: Api;
  readonly #options: LookupOptions;
  readonly #known: LRUCache<string, Known>;
  readonly #underWay = new Map<string, Promise<Known | undefined>>();
  readonly #breaker = new Breaker();
  #free: number;
  readonly #waiting: (() => void)[] = [];
  #lastFailure = '';

  constructor(api: Api, options: LookupOptions) {
    this.#api = api;
    this.#options = options;
    this.#known = new LRUCache({ max: options.cacheSize, ttl: options.cacheTtlMs });
    this.#free = options.concurrency;
  }

  get isCircuitOpen(): boolean {
    return this.#breaker.isOpen(Date.now());
  }

  /**
   * The same publications, with what they lacked.
   * @throws AppError LOOKUP_UNAVAILABLE, retriable, where something could not be looked up and `onFailure` is `wait`
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
      const text = `can not look up ${names} at Voucherify: ${this.#lastFailure}`;
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

  /** Undefined where it could not be found out. */
  #find({ what, id }: Lack): Promise<Known | undefined> {
    const key = `${what}/${id}`;
    const known = this.#known.get(key);
    if (known) {
      this.#options.onLookup('cached');
      return Promise.resolve(known);
    }
    const underWay = this.#underWay.get(key);
    if (underWay) return underWay;
    const asking = this.#inTurn(() => this.#ask(what, id)).then((answer) => {
      this.#underWay.delete(key);
      if (answer) this.#known.set(key, answer);
      return answer;
    });
    this.#underWay.set(key, asking);
    return asking;
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      return await run();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free += 1;
    }
  }

  async #ask(what: What, id: string): Promise<Known | undefined> {
    const { onLookup, patienceMs } = this.#options;
    for (const giveUpAt = Date.now() + patienceMs; ; ) {
      const pauseMs = this.#api.blockedUntilMs() - Date.now();
      if (Date.now() + pauseMs > giveUpAt)
        return this.#failed('limited', "the vendor's rate limit is reached");
      if (pauseMs > 0) await sleep(pauseMs);
      if (!this.#breaker.enter(Date.now())) return this.#failed('circuit-open', this.#lastFailure);
      const answer: LookupResult = await this.#api.get(what, id);
      switch (answer.kind) {
        case 'found':
          this.#breaker.succeeded();
          onLookup('found');
          return { value: answer.value };
        case 'absent':
          this.#breaker.succeeded();
          onLookup('absent');
          return { value: null };
        case 'limited':
          // The vendor is well: it is asked again when it says so.
          this.#breaker.succeeded();
          continue;
        case 'failed':
          this.#breaker.failed(Date.now());
          return this.#failed('failed', answer.message);
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
  const sought = lacks.filter((_, i) => found[i] === undefined);
  const names = sought.map(({ what }) =>
    what === 'campaigns' ? ('campaign.type' as const) : ('customer.sourceId' as const),
  );
  return [...new Set([...missing, ...names])];
}

function without(missing: readonly Missing[], ...found: readonly Missing[]): readonly Missing[] {
  return missing.filter((name) => !found.includes(name));
}

/** What the vendor says but can not be read counts as not said. */
function withCampaign(publication: Publication, value: JsonObject): Publication {
  const campaign = orRejection(() =>
    readCampaign(new Part({ campaign: value }, '$').part('campaign')),
  );
  return campaign === null || 'reason' in campaign
    ? publication
    : {
        ...publication,
        campaign,
        missing: without(publication.missing, 'campaign', 'campaign.type'),
      };
}

function withSourceId(publication: Publication, value: JsonObject): Publication {
  const sourceId = value['source_id'];
  const { customer } = publication;
  return customer && typeof sourceId === 'string'
    ? {
        ...publication,
        customer: { ...customer, sourceId },
        missing: without(publication.missing, 'customer.sourceId'),
      }
    : publication;
}
