/** Reads, checks and compiles the file that ROUTES_FILE names. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TopicsConfig } from '../config/config.ts';
import { readRoutes, suffixesOf } from '../config/routes-file.ts';
import { AppError, messageOf } from '../errors.ts';
import { builtinRoutes, compileRoutes, type Routes } from '../routing/routes.ts';
import { type Catalog, createCatalog } from '../topics/catalog.ts';

export type ReadRoutes = {
  readonly routes: Routes;
  /** The parts of the topic names after `publications.`. */
  readonly catalog: Catalog;
};

/** @throws AppError CONFIG_INVALID with every problem and its line */
export function routesOf(path: string | undefined, config: TopicsConfig): ReadRoutes {
  if (path === undefined) {
    const catalog = createCatalog(config);
    return { catalog, routes: builtinRoutes(catalog) };
  }
  return routesIn(textOf(path), path, config);
}

/** @param name of the file, for messages. @throws AppError CONFIG_INVALID as `routesOf` */
export function routesIn(text: string, name: string, config: TopicsConfig): ReadRoutes {
  const read = readRoutes(text);
  if (read.kind === 'invalid') {
    const lines = read.problems.map((problem) => `  ${name}: ${problem}`);
    throw new AppError(
      'CONFIG_INVALID',
      'stop',
      ['the routes are not valid:', ...lines].join('\n'),
    );
  }
  const version = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const topicOf = (suffix: string) => `${config.prefix}.publications.${suffix}`;
  return {
    catalog: createCatalog(config, suffixesOf(read.file)),
    routes: compileRoutes(read.file, version, topicOf),
  };
}

/**
 * Returns the topics of a deployment, including those of its routes file.
 * @throws AppError CONFIG_INVALID
 */
export function catalogOf(config: TopicsConfig): Catalog {
  return routesOf(config.routesFile, config).catalog;
}

/** @throws AppError CONFIG_INVALID */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new AppError(
      'CONFIG_INVALID',
      'stop',
      `cannot read the routes: ${messageOf(error)}`,
      error,
    );
  }
}
