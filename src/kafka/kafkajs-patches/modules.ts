/**
 * Access to KafkaJS's internal modules. The patches are for exactly one version; with any other
 * they would break silently, so nothing starts.
 */

import { createRequire } from 'node:module';
import { AppError } from '../../errors.ts';

const require = createRequire(import.meta.url);
const supportedVersion = '2.2.4';

/**
 * Returns the exports of a module of KafkaJS, for example `network/connection`. The caller names
 * their type.
 */
export function internalModule<T>(path: string): T {
  return require(`kafkajs/src/${path}`) as T;
}

/** Returns the prototype of the class that a module exports. */
export function prototypeOf<T>(path: string): T {
  return internalModule<{ readonly prototype: T }>(path).prototype;
}

/** @throws AppError ASSUMPTION_BROKEN */
export function checkVersion(): void {
  const { version } = require('kafkajs/package.json') as { version: string };
  if (version === supportedVersion) return;
  const text = `kafkajs is ${version}: the patches in src/kafka/kafkajs-patches are for exactly ${supportedVersion}`;
  throw new AppError('ASSUMPTION_BROKEN', 'stop', text);
}

/**
 * Replaces the exports of a module. Modules that have read the exports before would keep the old
 * ones.
 * @throws AppError ASSUMPTION_BROKEN if another module has loaded it before
 */
export function replaceModule(path: string, exports: unknown): void {
  const name = require.resolve(`kafkajs/src/${path}`);
  const reader = Object.values(require.cache).find((one) =>
    one?.children.some(({ filename }) => filename === name),
  );
  if (reader) {
    const text = `kafkajs/src/${path} was loaded by ${reader.filename} before it was replaced: expected replaceModule first`;
    throw new AppError('ASSUMPTION_BROKEN', 'stop', text);
  }
  require(name);
  const module = require.cache[name];
  if (module) module.exports = exports;
}
