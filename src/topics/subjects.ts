/** Which schema stands under which subject, and what is not yet registered. */

import type { Registry } from '../avro/registry.ts';
import { type SchemaName, schemas } from '../avro/schemas.ts';
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

/** The registered id of each topic's schema; undefined where this build's schema is not registered. @throws AppError REGISTRY_UNAVAILABLE */
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
