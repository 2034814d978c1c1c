/** Whether the registry still has our schemas under the ids that records carry. One that was made again, or restored from elsewhere, counts anew. */

import type { Registry } from '../avro/registry.ts';
import { AppError } from '../errors.ts';
import { type Catalog, subjectOf } from './catalog.ts';
import { lookUpIds } from './subjects.ts';

export type IdWatch = {
  /** Rejects, ASSUMPTION_BROKEN and fatal, where an id is another one now. */
  readonly ended: Promise<never>;
  readonly stop: () => void;
};

const betweenLooksMs = 60_000;

/** @param idOf the ids that were looked up at the start */
export function watchSchemaIds(
  registry: Pick<Registry, 'idOf'>,
  catalog: Catalog,
  idOf: (topic: string) => number,
  everyMs = betweenLooksMs,
): IdWatch {
  const ended = Promise.withResolvers<never>();
  ended.promise.catch(() => undefined);
  const look = async () => {
    for (const [topic, id] of await lookUpIds(registry, catalog)) {
      if (id === idOf(topic)) continue;
      const found = id === undefined ? 'is not registered any more' : `has the id ${id}`;
      const text = `the schema of ${subjectOf(topic)} ${found}, expected ${idOf(topic)}: the schema registry was made again or restored from another. Records that are written with the old id could not be read, or would be read by another schema. Restore the registry's ids, or run \`voucherbus setup\` and start again to write with the new ones`;
      ended.reject(new AppError('ASSUMPTION_BROKEN', 'stop', text));
    }
  };
  // While the registry is unreachable there is nothing to compare.
  const timer = setInterval(() => void look().catch(() => undefined), everyMs);
  return { ended: ended.promise, stop: () => clearInterval(timer) };
}
