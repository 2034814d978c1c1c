/**
 * The least permissions of each role, as Kafka's ACLs. READ, WRITE and ALTER include DESCRIBE, and
 * ALTER_CONFIGS includes DESCRIBE_CONFIGS (Kafka's documentation, "Operations and Resources").
 */

import type { Operation, Resource } from '../kafka/permissions.ts';
import type { Catalog } from './catalog.ts';

/** `operator`: trace, dead-letters, adopt, reference, reconcile and verify. */
export const roles = ['bridge', 'processor', 'setup', 'operator'] as const;
export type Role = (typeof roles)[number];

export type Acl = {
  readonly resource: Exclude<Resource, 'cluster'>;
  readonly pattern: 'literal' | 'prefixed';
  readonly name: string;
  readonly operations: readonly Operation[];
};

type Deployment = {
  /** TOPIC_PREFIX. */
  readonly prefix: string;
  readonly group: string;
  readonly catalog: Pick<Catalog, 'raw' | 'deadLetters' | 'journal' | 'reference' | 'reconcile'>;
};

/** Returns the consumer group whose leader may reconcile: one at a time. */
export function reconcileGroupOf(group: string): string {
  return `${group}.reconcile`;
}

/** Returns the consumer group of the bridges, whose leader watches Voucherify's webhook. */
export function webhookWatchGroupOf(prefix: string): string {
  return `${prefix}.webhook-watch`;
}

export function aclsOf(role: Role, { prefix, group, catalog }: Deployment): readonly Acl[] {
  const { raw, deadLetters, journal, reference, reconcile } = catalog;
  const all = (...operations: Operation[]): Acl => ({
    resource: 'topic',
    pattern: 'prefixed',
    name: `${prefix}.`,
    operations,
  });
  const on = (name: string | undefined, ...operations: Operation[]): readonly Acl[] =>
    name === undefined ? [] : [{ resource: 'topic', pattern: 'literal', name, operations }];
  const inGroup: Acl = {
    resource: 'group',
    pattern: 'literal',
    name: group,
    operations: ['READ'],
  };
  // One per partition of the journal.
  const leases: Acl = {
    resource: 'transactional id',
    pattern: 'prefixed',
    name: `${journal}.`,
    operations: ['WRITE'],
  };
  switch (role) {
    case 'bridge':
      return [
        all('DESCRIBE', 'DESCRIBE_CONFIGS'),
        ...on(raw, 'WRITE'),
        // To elect the one that watches Voucherify's webhook.
        ...(reconcile === undefined ? [] : [{ ...inGroup, name: webhookWatchGroupOf(prefix) }]),
      ];
    case 'processor':
      return [
        all('DESCRIBE_CONFIGS'),
        ...on(raw, 'READ'),
        ...on(journal, 'READ'),
        ...on(reference, 'READ'),
        // The journal, and every topic that routes may name.
        {
          resource: 'topic',
          pattern: 'prefixed',
          name: `${prefix}.publications.`,
          operations: ['WRITE'],
        },
        ...on(deadLetters, 'WRITE'),
        inGroup,
        leases,
      ];
    case 'setup':
      // It commits the group's first offsets.
      return [all('CREATE', 'ALTER', 'ALTER_CONFIGS'), ...on(raw, 'READ'), inGroup];
    case 'operator':
      return [
        all('READ', 'DESCRIBE_CONFIGS'),
        ...on(raw, 'WRITE'),
        ...on(journal, 'WRITE'),
        ...on(reference, 'WRITE'),
        ...on(reconcile, 'WRITE'),
        inGroup,
        ...(reconcile === undefined ? [] : [{ ...inGroup, name: reconcileGroupOf(group) }]),
        leases,
      ];
  }
}

/** Returns an operation or resource as `kafka-acls` and Strimzi write it: DescribeConfigs. */
function camel(text: string): string {
  return text
    .toLowerCase()
    .split(/[ _]/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}

const flags = {
  topic: '--topic',
  group: '--group',
  'transactional id': '--transactional-id',
} as const;

/** Returns the arguments of `kafka-acls.sh` that add one ACL. */
export function kafkaAclsArguments(
  { resource, pattern, name, operations }: Acl,
  principal: string,
): readonly string[] {
  return [
    ...['--add', '--allow-principal', principal],
    ...operations.flatMap((operation) => ['--operation', camel(operation)]),
    ...[flags[resource], name, '--resource-pattern-type', pattern],
  ];
}

/** Returns Strimzi's KafkaUser with these ACLs, as an object for YAML. */
export function kafkaUser(acls: readonly Acl[], principal: string, cluster: string) {
  const name = principal.replace(/^User:(CN=)?/, '');
  return {
    apiVersion: 'kafka.strimzi.io/v1',
    kind: 'KafkaUser',
    metadata: { name, labels: { 'strimzi.io/cluster': cluster } },
    spec: {
      authorization: {
        type: 'simple',
        acls: acls.map(({ resource, pattern, name: of, operations }) => ({
          resource: { type: strimziTypes[resource], name: of, patternType: kafkaPatterns[pattern] },
          operations: operations.map(camel),
        })),
      },
    },
  };
}

const strimziTypes = {
  topic: 'topic',
  group: 'group',
  'transactional id': 'transactionalId',
} as const;

const kafkaPatterns = { literal: 'literal', prefixed: 'prefix' } as const;
