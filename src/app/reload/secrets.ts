/**
 * The sources and their secrets, reloaded when WEBHOOK_SECRETS_FILE changes: a rotation, or a new
 * source, needs no restart.
 */

import type { WebhookConfig } from '../../config/config.ts';
import { type Sources, sourcesOf } from '../../config/sources.ts';
import { audit } from '../../observability/audit.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { configOf } from '../environment.ts';
import type { Io } from '../io.ts';
import { onFileChange } from './watch-file.ts';

export class ReloadedSecrets {
  #sources: Sources;
  readonly #stop: () => void;

  /** A file that cannot be read or is wrong keeps the last secrets in force, and is reported. */
  constructor(first: WebhookConfig, io: Io, log: Log, { secretsReloads, reloadFailing }: Metrics) {
    this.#sources = sourcesOf(first);
    const path = process.env['WEBHOOK_SECRETS_FILE'];
    if (path === undefined) {
      this.#stop = () => {};
      return;
    }
    for (const outcome of ['read', 'failed']) secretsReloads.inc({ outcome }, 0);
    reloadFailing.set({ file: 'secrets' }, 0);
    this.#stop = onFileChange(path, () => {
      try {
        this.#sources = sourcesOf(configOf(['webhook'], io).webhook);
        secretsReloads.inc({ outcome: 'read' });
        reloadFailing.set({ file: 'secrets' }, 0);
        audit(log, 'webhook-secrets.change', { file: path, names: namesOf(this.#sources) });
      } catch (error) {
        secretsReloads.inc({ outcome: 'failed' });
        reloadFailing.set({ file: 'secrets' }, 1);
        const text =
          'WEBHOOK_SECRETS_FILE has changed and cannot be used: the last secrets stay in force';
        log.error({ err: error }, text);
      }
    });
  }

  get current(): Sources {
    return this.#sources;
  }

  stop(): void {
    this.#stop();
  }
}

function namesOf(sources: Sources): readonly string[] {
  return [...sources].flatMap(([source, secrets]) =>
    secrets.map(({ name }) => `${source}/${name}`),
  );
}
