/** The repairs replace parts of one exact KafkaJS: with any other version they would break silently, so nothing starts. */

import { createRequire } from 'node:module';
import { AppError } from '../../errors.ts';

/** KafkaJS is CommonJS; its parts are reached by their path. */
export const requirePart = createRequire(import.meta.url);

const supportedVersion = '2.2.4';

export function checkVersion(): void {
  const { version } = requirePart('kafkajs/package.json') as { version: string };
  if (version !== supportedVersion) {
    throw new AppError(
      'ASSUMPTION_BROKEN',
      'stop',
      `kafkajs is ${version}: the repairs in src/kafka/repairs are for exactly ${supportedVersion}`,
    );
  }
}

/** Puts `replacement` in the place of a part's exports. Works only before another part has read them. */
export function replacePart(path: string, replacement: unknown): void {
  requirePart(path);
  const module = requirePart.cache[requirePart.resolve(path)];
  if (module) module.exports = replacement;
}
