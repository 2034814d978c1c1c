/** The routes, read again when their file changes. What is not valid, or leads to a topic that is not there, changes nothing and says so. */

import type { Registry } from '../../avro/registry.ts';
import type { TopicsConfig } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { Admin } from '../../kafka/admin.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { EventEncoders } from '../../processor/event-encoders.ts';
import { type Catalog, publicationTopicsOf, subjectOf } from '../../topics/catalog.ts';
import { topicProblems } from '../../topics/start-checks.ts';
import { lookUpIds } from '../../topics/subjects.ts';
import { type ReadRoutes, routesOf } from '../routes-file.ts';
import { followFile } from './watch-file.ts';

export type FollowedRoutes = { readonly current: () => ReadRoutes; readonly stop: () => void };

type Context = {
  readonly config: TopicsConfig;
  readonly admin: Admin;
  readonly registry: Registry;
  readonly encoders: EventEncoders;
  readonly log: Log;
  readonly metrics: Metrics;
};

export function followRoutes(first: ReadRoutes, context: Context): FollowedRoutes {
  const { config, encoders, log, metrics } = context;
  let current = first;
  const path = config.routesFile;
  if (path === undefined) return { current: () => current, stop: () => {} };
  for (const outcome of ['read', 'failed']) metrics.routesReloads.inc({ outcome }, 0);
  const look = async () => {
    try {
      const next = routesOf(path, config);
      if (next.routes.version === current.routes.version) return;
      const ids = await fitnessOf(next.catalog, context);
      for (const topic of publicationTopicsOf(next.catalog)) {
        encoders.add(topic, ids.get(topic) ?? -1);
      }
      // The next transaction takes them; the one in hand has taken the others.
      current = next;
      metrics.routesReloads.inc({ outcome: 'read' });
      log.info({ version: next.routes.version }, 'the routes were read again');
    } catch (error) {
      metrics.routesReloads.inc({ outcome: 'failed' });
      const text = 'ROUTES_FILE has changed and can not be used: the routes stay as they were';
      log.error({ err: error }, text);
    }
  };
  let turn: Promise<void> = Promise.resolve();
  const inTurn = () => {
    turn = turn.then(look);
  };
  return { current: () => current, stop: followFile(path, inTurn) };
}

/**
 * The schema ids of the topics, where all are there and fit.
 * @throws AppError TOPIC_UNFIT, SCHEMA_MISSING, with every problem
 */
export async function fitnessOf(
  catalog: Catalog,
  { admin, registry }: Pick<Context, 'admin' | 'registry'>,
): Promise<ReadonlyMap<string, number | undefined>> {
  const existing = await admin.describe(catalog.topics.map(({ name }) => name));
  const problems = topicProblems(catalog, existing);
  if (problems.length > 0) {
    const text = `the routes lead to topics that are not fit: ${problems.join('; ')}. \`voucherbus setup\` makes them`;
    throw new AppError('TOPIC_UNFIT', 'stop', text);
  }
  const ids = await lookUpIds(registry, catalog);
  const missing = [...ids].filter(([, id]) => id === undefined).map(([topic]) => subjectOf(topic));
  if (missing.length > 0) {
    const text = `schemas are not registered: ${missing.join(', ')}. \`voucherbus setup\` registers them`;
    throw new AppError('SCHEMA_MISSING', 'stop', text);
  }
  return ids;
}
