/** Configuration from the process's environment, for the command that asks. */

import type { Config, Group } from '../config/config.ts';
import { readConfig } from '../config/read.ts';
import type { Io } from './command.ts';

export function configOf<G extends Group>(wanted: readonly G[], io: Io): Config<G> {
  return readConfig(wanted, { env: process.env, readFile: io.readFile });
}

export const version = process.env['npm_package_version'] ?? '0.1.0';
