/**
 * The routes, reloaded when ROUTES_FILE changes. A file that is invalid, or leads to a topic that
 * does not exist, changes nothing and is reported.
 */

import type { Registry } from '../../avro/registry.ts';
import { SerialQueue } from '../../concurrency/serial-queue.ts';
import type { TopicsConfig } from '../../config/config.ts';
import type { Admin } from '../../kafka/admin.ts';
import { audit } from '../../observability/audit.ts';
import type { Log } from '../../observability/log.ts';
import type { Metrics } from '../../observability/metrics.ts';
import type { EventEncoders } from '../../processor/event-encoders.ts';
import { type Catalog, publicationTopicsOf } from '../../topics/catalog.ts';
import { expectFit, topicProblems } from '../../topics/start-checks.ts';
import { expectIds, lookUpIds } from '../../topics/subjects.ts';
import { type ReadRoutes, routesOf } from '../routes-file.ts';
import { onFileChange } from './watch-file.ts';

type Context = {
  readonly config: TopicsConfig;
  readonly admin: Pick<Admin, 'describe'>;
  readonly registry: Registry;
  readonly encoders: Pick<EventEncoders, 'add'>;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'routesReloads' | 'reloadFailing'>;
};

export class ReloadedRoutes {
  readonly #context: Context;
  #current: ReadRoutes;
  readonly #stop: () => void;

  constructor(first: ReadRoutes, context: Context) {
    this.#context = context;
    this.#current = first;
    const { config, metrics } = context;
    const path = config.routesFile;
    if (path === undefined) {
      this.#stop = () => {};
      return;
    }
    for (const outcome of ['read', 'failed']) metrics.routesReloads.inc({ outcome }, 0);
    metrics.reloadFailing.set({ file: 'routes' }, 0);
    const reloads = new SerialQueue();
    this.#stop = onFileChange(path, () => void reloads.run(() => this.#reload(path)));
  }

  get current(): ReadRoutes {
    return this.#current;
  }

  stop(): void {
    this.#stop();
  }

  async #reload(path: string): Promise<void> {
    const { config, admin, registry, encoders, log, metrics } = this.#context;
    try {
      const next = routesOf(path, config);
      if (next.routes.version === this.#current.routes.version) {
        metrics.reloadFailing.set({ file: 'routes' }, 0);
        return;
      }
      const schemaId = await expectDeployable(next.catalog, admin, registry);
      for (const topic of publicationTopicsOf(next.catalog)) encoders.add(topic, schemaId(topic));
      // The next transaction uses them; the current one has begun with the old ones.
      const before = this.#current.routes.version;
      this.#current = next;
      metrics.routesReloads.inc({ outcome: 'read' });
      metrics.reloadFailing.set({ file: 'routes' }, 0);
      audit(log, 'routes.change', { from: before, to: next.routes.version, file: path });
    } catch (error) {
      metrics.routesReloads.inc({ outcome: 'failed' });
      metrics.reloadFailing.set({ file: 'routes' }, 1);
      const text = 'ROUTES_FILE has changed and cannot be used: the last routes stay in force';
      log.error({ err: error }, text);
    }
  }
}

/**
 * Returns the schema ids of the catalog's topics if all topics and schemas exist and fit.
 * @throws AppError TOPIC_UNFIT, SCHEMA_MISSING, with every problem
 */
export async function expectDeployable(
  catalog: Catalog,
  admin: Pick<Admin, 'describe'>,
  registry: Registry,
): Promise<(topic: string) => number> {
  const existing = await admin.describe(catalog.topics.map(({ name }) => name));
  expectFit(topicProblems(catalog, existing));
  return expectIds(await lookUpIds(registry, catalog), registry.url);
}
