/** Groups the webhook secrets by source. */

import { AppError } from '../errors.ts';
import type { WebhookConfig } from './config.ts';

type NamedSecret = { readonly name: string; readonly key: string };
export type Sources = ReadonlyMap<string, readonly NamedSecret[]>;

export function sourcesOf({ secrets, source: defaultSource }: WebhookConfig): Sources {
  const sources = new Map<string, NamedSecret[]>();
  for (const { source = defaultSource, name, key } of secrets) {
    sources.set(source, [...(sources.get(source) ?? []), { name, key }]);
  }
  return sources;
}

/**
 * Returns the secret that signs webhooks to this address, for commands that play the vendor.
 * @throws AppError CONFIG_INVALID if its source has none
 */
export function signingKey(url: string, webhook: WebhookConfig): string {
  const path = URL.canParse(url) ? new URL(url).pathname : '';
  const source = path.split('/').at(-1) ?? '';
  const sources = sourcesOf(webhook);
  const key = sources.get(source)?.[0]?.key;
  if (key !== undefined) return key;
  const text = `${url} names the source "${source}": expected /webhooks/<source> with one that has a secret (${[...sources.keys()].join(', ')})`;
  throw new AppError('CONFIG_INVALID', 'stop', text);
}
