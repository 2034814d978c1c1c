/**
 * A running deployment as commands see it from outside: clients to read its topics, and what they
 * are.
 */

import type { Registry } from '../avro/registry.ts';
import type { Admin } from '../kafka/admin.ts';
import type { LogReader } from '../kafka/log-reader.ts';
import type { Catalog } from './catalog.ts';

export type Deployment = {
  readonly reader: LogReader;
  readonly admin: Admin;
  readonly registry: Registry;
  readonly catalog: Catalog;
  readonly group: string;
  readonly partitions: number;
};
