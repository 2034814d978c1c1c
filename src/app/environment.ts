/** Reads the configuration from the process's environment. */

import { readFileSync } from 'node:fs';
import type { Config, Group } from '../config/config.ts';
import { readConfig } from '../config/read.ts';
import type { Io } from './io.ts';

export function configOf<G extends Group>(wanted: readonly G[], io: Io): Config<G> {
  return readConfig(wanted, { env: process.env, readFile: io.readFile });
}

/** Returns whether the variable has a value. */
export function isEnvironmentSet(name: string): boolean {
  return Boolean(process.env[name]);
}

/** The version in package.json, which is beside src in a checkout and in the image. */
export const version: string = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
).version;
