/** The subjects of the catalog's topics, their schemas, and the registered ids. */

import type { Registry } from '../avro/registry.ts';
import { type SchemaName, schemas } from '../avro/schemas.ts';
import { AppError } from '../errors.ts';
import { type Catalog, subjectOf } from './catalog.ts';

export type Subject = {
  readonly subject: string;
  readonly topic: string;
  readonly schema: SchemaName;
};

export function subjectsOf(catalog: Catalog): readonly Subject[] {
  return catalog.topics.flatMap(({ name, schema }) =>
    schema === undefined ? [] : [{ subject: subjectOf(name), topic: name, schema }],
  );
}

/**
 * Returns the registered id of each topic's schema; undefined if this build's schema is not
 * registered.
 * @throws AppError REGISTRY_UNAVAILABLE
 */
export async function lookUpIds(
  registry: Pick<Registry, 'idOf'>,
  catalog: Catalog,
): Promise<ReadonlyMap<string, number | undefined>> {
  const found = await Promise.all(
    subjectsOf(catalog).map(async ({ subject, topic, schema }) => {
      const id = await registry.idOf(subject, schemas[schema].text);
      return [topic, id] as const;
    }),
  );
  return new Map(found);
}

/**
 * Returns the ids if every schema is registered.
 * @throws AppError SCHEMA_MISSING with every subject
 */
export function expectIds(
  ids: ReadonlyMap<string, number | undefined>,
  registryUrl: string,
): (topic: string) => number {
  const missing = [...ids].filter(([, id]) => id === undefined).map(([topic]) => topic);
  if (missing.length === 0) return (topic) => ids.get(topic) ?? -1;
  const lines = [
    `schemas of this version are not registered at ${registryUrl}:`,
    ...missing.map((topic) => `  ${subjectOf(topic)}`),
    'Run `voucherbus schemas check` to see whether they are compatible, `voucherbus schemas register` to register them.',
  ];
  throw new AppError('SCHEMA_MISSING', 'stop', lines.join('\n'));
}
