/**
 * Watches the project's webhook at Voucherify, which disables it after 24 hours of failures. One of
 * all bridges asks. What it finds is shown in /readyz, in metrics and in the log, and
 * does not affect the readiness: the bridge could accept webhooks.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { messageOf } from '../errors.ts';
import { type Client, createClient } from '../kafka/client.ts';
import { Leadership } from '../membership/leadership.ts';
import type { Health } from '../observability/health.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { webhookWatchGroupOf } from '../topics/acls.ts';
import { createCatalog } from '../topics/catalog.ts';
import { webhookChecks, webhookProblems } from '../voucherify/webhook-configuration.ts';
import { type OurWebhooks, openWebhookConfigurations } from './open-webhook-configurations.ts';

type WatchConfig = Config<'kafka' | 'topics' | 'project' | 'management'>;

type Shown = {
  readonly health: Pick<Health, 'note'>;
  readonly metrics: Pick<Metrics, 'webhookConfigured' | 'webhookWatchFailing'>;
  readonly log: Log;
};

export type WebhookWatch = { readonly stop: () => Promise<void> };

/** A change is reported within a minute, also if the vendor is slow. */
const everyMs = 30_000;
const sessionTimeoutMs = 30_000;

/** The part of /readyz. */
const part = 'webhook';

/**
 * Begins to watch once Kafka was reached; without keys of the management API it does nothing. Never
 * throws.
 */
export function watchWebhook(
  config: WatchConfig,
  connected: Promise<void>,
  shown: Shown,
): WebhookWatch {
  const { topics } = config;
  const opened = openWebhookConfigurations(config);
  const topic = createCatalog(topics).reconcile;
  if (!opened || !topic) return { stop: async () => {} };
  const watch = new Watch(opened, shown);
  const client = createClient(config.kafka, shown.log);
  const group = webhookWatchGroupOf(topics.prefix);
  void connected.then(
    () => watch.run(client, { group, topic }),
    () => undefined,
  );
  return { stop: () => watch.stop() };
}

class Watch {
  readonly #ours: OurWebhooks;
  readonly #shown: Shown;
  readonly #stopping = new AbortController();
  #leadership: Leadership | undefined;
  #lastFound: string | undefined;

  constructor(ours: OurWebhooks, shown: Shown) {
    this.#ours = ours;
    this.#shown = shown;
  }

  async run(client: Client, of: { group: string; topic: string }): Promise<void> {
    const { health, metrics, log } = this.#shown;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#lead(client, of);
      } catch (error) {
        if (signal.aborted) return;
        metrics.webhookWatchFailing.set(1);
        health.note(part, `not watched: ${messageOf(error)}`);
        log.error({ err: error }, "Voucherify's webhook is not watched");
        await sleep(everyMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#leadership?.release();
  }

  /** Looks at the webhook while this bridge leads; until the watch is stopped. */
  async #lead(client: Client, of: { group: string; topic: string }): Promise<void> {
    const { health, log } = this.#shown;
    const { signal } = this.#stopping;
    const onElected = (isLeader: boolean) => {
      if (isLeader) return;
      this.#forget();
      health.note(part, 'another bridge asks Voucherify');
    };
    const leadership = await Leadership.join(client, { ...of, sessionTimeoutMs, onElected }, log);
    this.#leadership = leadership;
    try {
      while (!signal.aborted) {
        if (leadership.isHeld) await this.#look();
        const wait = sleep(everyMs, undefined, { signal, ref: false });
        await Promise.race([leadership.nextElection(), wait]);
      }
    } finally {
      this.#forget();
      await leadership.release();
    }
  }

  async #look(): Promise<void> {
    const { health, metrics } = this.#shown;
    try {
      const { targetUrl } = this.#ours;
      const webhooks = await this.#ours.webhooks.list();
      const checks = webhookChecks(webhooks, targetUrl);
      for (const [check, isPassed] of Object.entries(checks)) {
        metrics.webhookConfigured.set({ check }, isPassed ? 1 : 0);
      }
      metrics.webhookWatchFailing.set(0);
      const problems = webhookProblems(webhooks, targetUrl);
      const found = problems.join('; ') || `active, and sends publications to ${targetUrl}`;
      health.note(part, `${found} (asked at ${new Date().toISOString()})`);
      this.#say(found, problems.length > 0);
    } catch (error) {
      const found = `not known: ${messageOf(error)}`;
      metrics.webhookWatchFailing.set(1);
      health.note(part, found);
      this.#say(found, true);
    }
  }

  /** One log line for each change. */
  #say(found: string, isProblem: boolean): void {
    if (found === this.#lastFound) return;
    this.#lastFound = found;
    const { log } = this.#shown;
    const text = "Voucherify's webhook";
    if (isProblem) log.error({ webhook: found }, text);
    else log.info({ webhook: found }, text);
  }

  /** Another bridge shows it from now on. */
  #forget(): void {
    const { metrics } = this.#shown;
    metrics.webhookConfigured.reset();
    metrics.webhookWatchFailing.set(0);
    this.#lastFound = undefined;
  }
}
