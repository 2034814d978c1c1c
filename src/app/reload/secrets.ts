/** The sources and their secrets, read again when their file changes: a rotation, or a new source, needs no restart. */

import type { WebhookConfig } from '../../config/config.ts';
import { type Sources, sourcesOf } from '../../config/sources.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import { configOf } from '../environment.ts';
import type { Io } from '../io.ts';
import { followFile } from './watch-file.ts';

export type FollowedSources = { readonly current: () => Sources; readonly stop: () => void };

/** A file that can not be read or is wrong keeps the secrets that were read last, and says so. Without WEBHOOK_SECRETS_FILE nothing is followed. */
export function followSources(
  first: WebhookConfig,
  io: Io,
  log: Log,
  { secretsReloads }: Metrics,
): FollowedSources {
  let sources = sourcesOf(first);
  const path = process.env['WEBHOOK_SECRETS_FILE'];
  if (path === undefined) return { current: () => sources, stop: () => {} };
  for (const outcome of ['read', 'failed']) secretsReloads.inc({ outcome }, 0);
  const look = () => {
    try {
      sources = sourcesOf(configOf(['webhook'], io).webhook);
      secretsReloads.inc({ outcome: 'read' });
      log.info({ names: namesOf(sources) }, 'the webhook secrets were read again');
    } catch (error) {
      secretsReloads.inc({ outcome: 'failed' });
      log.error(
        { err: error },
        'WEBHOOK_SECRETS_FILE has changed and can not be used: the secrets stay as they were',
      );
    }
  };
  return { current: () => sources, stop: followFile(path, look) };
}

function namesOf(sources: Sources): readonly string[] {
  return [...sources].flatMap(([source, secrets]) =>
    secrets.map(({ name }) => `${source}/${name}`),
  );
}
