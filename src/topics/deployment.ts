/** A running deployment, seen from outside: what reads its topics, and what they are. */

import type { Registry } from '../avro/registry.ts';
import type { Admin } from '../kafka/admin.ts';
import type { Reader } from '../kafka/log-reader.ts';
import type { Catalog } from './catalog.ts';

export type Deployment = {
  readonly reader: Reader;
  readonly admin: Admin;
  readonly registry: Registry;
  readonly catalog: Catalog;
  readonly group: string;
  readonly partitions: number;
};
