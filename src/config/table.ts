/**
 * Renders the configuration as a Markdown table, for `voucherbus config` and docs/configuration.md.
 */

import { allSettings, type Group } from './config.ts';

const usedBy: Record<Group, string> = {
  kafka: 'all',
  registry: 'all',
  start: 'all',
  topics: 'all',
  operation: 'bridge, processor',
  webhook: 'bridge, send, verify',
  bridge: 'bridge',
  processor: 'processor',
  lookup: 'processor, reconcile',
  project: 'processor, reconcile, webhook, bridge',
  management: 'webhook, bridge',
  console: 'console',
};

export function configTable(): string {
  const rows = allSettings().map(({ group, setting: { env, doc, options } }) => {
    const fallback =
      options.default !== undefined
        ? options.default === ''
          ? '(none)'
          : `\`${options.default}\``
        : options.optional
          ? ''
          : '**required**';
    return `| \`${env}\` | ${fallback} | ${doc.replaceAll('|', '\\|')} | ${usedBy[group]} |`;
  });
  return ['| variable | default | meaning | used by |', '|---|---|---|---|', ...rows].join('\n');
}
