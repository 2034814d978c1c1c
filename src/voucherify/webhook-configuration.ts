/**
 * The webhooks of a project, as configured at Voucherify (management API). The vendor makes a
 * webhook inactive after 24 hours of failures.
 */

import { AppError } from '../errors.ts';
import type { LookupResult, VoucherifyApi } from './api.ts';
import { isObject, type JsonObject } from './json-part.ts';

export type WebhookConfiguration = {
  readonly id: string;
  readonly targetUrl: string;
  readonly events: readonly string[];
  readonly isActive: boolean;
};

const wantedEvent = 'publication.succeeded';

export class WebhookConfigurations {
  readonly #api: Pick<VoucherifyApi, 'call'>;
  readonly #path: string;

  /** @param api with keys of the management API */
  constructor(api: Pick<VoucherifyApi, 'call'>, projectId: string) {
    this.#api = api;
    this.#path = `/management/v1/projects/${encodeURIComponent(projectId)}/webhooks`;
  }

  /** @throws AppError LOOKUP_UNAVAILABLE */
  async list(): Promise<readonly WebhookConfiguration[]> {
    const { data } = expectFound(await this.#api.call('list webhooks', this.#path));
    if (Array.isArray(data)) return data.filter(isObject).map(configurationOf);
    const text = "Voucherify's API: expected `data` in the list of webhooks";
    throw new AppError('LOOKUP_UNAVAILABLE', 'stop', text);
  }

  /** Makes a webhook active, and changes nothing else. @throws AppError LOOKUP_UNAVAILABLE */
  async enable({ id, targetUrl, events }: WebhookConfiguration): Promise<void> {
    const path = `${this.#path}/${encodeURIComponent(id)}`;
    const body = { target_url: targetUrl, events, active: true };
    expectFound(await this.#api.call('update the webhook', path, body, 'PUT'));
  }
}

function expectFound(result: LookupResult): JsonObject {
  switch (result.kind) {
    case 'found':
      return result.value;
    case 'absent':
      throw new AppError(
        'LOOKUP_UNAVAILABLE',
        'stop',
        'the vendor responded 404: expected the id of a project in VOUCHERIFY_PROJECT_ID',
      );
    case 'limited':
      throw new AppError('LOOKUP_UNAVAILABLE', 'retry', 'the rate limit of the vendor is reached');
    case 'failed': {
      const isDenied = result.status === 401 || result.status === 403;
      const hint = isDenied
        ? ': expected keys of the management API (VOUCHERIFY_MANAGEMENT_ID, VOUCHERIFY_MANAGEMENT_TOKEN)'
        : '';
      throw new AppError('LOOKUP_UNAVAILABLE', 'retry', `${result.message}${hint}`);
    }
  }
}

function configurationOf({ id, target_url, events, active }: JsonObject): WebhookConfiguration {
  const names: readonly unknown[] = Array.isArray(events) ? events : [];
  return {
    id: String(id),
    targetUrl: String(target_url),
    events: names.filter((name) => typeof name === 'string'),
    isActive: active === true,
  };
}

/** The conditions under which publications are sent to our address. */
export type WebhookChecks = {
  /** A webhook has our address as its target. */
  readonly target: boolean;
  readonly active: boolean;
  readonly subscribed: boolean;
};

/** Returns the checks of the webhook for our address; of several, the one that comes closest. */
export function webhookChecks(
  webhooks: readonly WebhookConfiguration[],
  targetUrl: string,
): WebhookChecks {
  const ours = webhooks
    .filter((one) => isSameUrl(one.targetUrl, targetUrl))
    .map(({ isActive, events }) => ({
      target: true,
      active: isActive,
      subscribed: events.includes(wantedEvent),
    }));
  const best = ours.find(({ active, subscribed }) => active && subscribed) ?? ours[0];
  return best ?? { target: false, active: false, subscribed: false };
}

/** Returns what is wrong with the webhooks for our address; nothing if it gets publications. */
export function webhookProblems(
  webhooks: readonly WebhookConfiguration[],
  targetUrl: string,
): readonly string[] {
  const { target, active, subscribed } = webhookChecks(webhooks, targetUrl);
  if (!target) return [`no webhook has the target ${targetUrl}`];
  if (active && subscribed) return [];
  const ours = webhooks.filter((one) => isSameUrl(one.targetUrl, targetUrl));
  return ours.flatMap(({ id, isActive, events }) => [
    ...(isActive
      ? []
      : [`webhook ${id} is not active: \`voucherbus webhook enable\` makes it active`]),
    ...(events.includes(wantedEvent)
      ? []
      : [
          `webhook ${id} is not subscribed to ${wantedEvent}: select it in Voucherify's project settings`,
        ]),
  ]);
}

export function isSameUrl(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => (URL.canParse(text) ? new URL(text).href : text));
  return a === b;
}
