/**
 * Watches whether the registry still has our schemas under the ids that records carry. A registry
 * that was recreated, or restored from another, assigns new ids.
 */

import type { Registry } from '../avro/registry.ts';
import { AppError } from '../errors.ts';
import { type Catalog, subjectOf } from './catalog.ts';
import { lookUpIds } from './subjects.ts';

const pollEveryMs = 60_000;

export class SchemaIdWatch {
  readonly #ended = Promise.withResolvers<never>();
  readonly #timer: NodeJS.Timeout;

  /** @param idOf returns the ids that were looked up at the start */
  constructor(
    registry: Pick<Registry, 'idOf'>,
    catalog: Catalog,
    idOf: (topic: string) => number,
    everyMs = pollEveryMs,
  ) {
    this.#ended.promise.catch(() => undefined);
    const compare = async () => {
      for (const [topic, id] of await lookUpIds(registry, catalog)) {
        if (id !== idOf(topic)) this.#ended.reject(otherId(topic, id, idOf(topic)));
      }
    };
    // While the registry is unreachable there is nothing to compare.
    this.#timer = setInterval(() => void compare().catch(() => undefined), everyMs);
  }

  /** Rejects with AppError ASSUMPTION_BROKEN if an id has changed. */
  get ended(): Promise<never> {
    return this.#ended.promise;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function otherId(topic: string, id: number | undefined, expected: number): AppError {
  const found = id === undefined ? 'is not registered any more' : `has the id ${id}`;
  const text = `the schema of ${subjectOf(topic)} ${found}, expected ${expected}: the schema registry was recreated or restored from another. Records with the old id cannot be read, or are read by another schema. Restore the registry's ids, or run \`voucherbus setup\` and restart to write with the new ones`;
  return new AppError('ASSUMPTION_BROKEN', 'stop', text);
}
