/** Grants and takes away what `voucherbus acl print` prints. */

import { parseArgs } from 'node:util';
import type { Environment } from '../../src/app/child-process.ts';
import { clientOf } from './prepared.ts';
import { run } from './run.ts';

// Not before the patches of src/kafka are in place.
const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } =
  await import('kafkajs');

/** One operation of a printed line. */
export type Granted = {
  readonly principal: string;
  readonly operation: string;
  readonly resource: 'topic' | 'group' | 'transactional id';
  readonly name: string;
  readonly isPrefix: boolean;
};

/** Runs `acl print`, and reads its lines as `kafka-acls.sh` does. */
export async function printedAcls(env: Environment): Promise<readonly Granted[]> {
  const principals = ['bridge', 'processor', 'setup', 'operator'].flatMap((role) => [
    `--${role}`,
    `User:${role}`,
  ]);
  const { messages } = await run(['acl', 'print', ...principals], env);
  const lines = messages.split('\n').filter((line) => line.startsWith('kafka-acls.sh '));
  return lines.flatMap((line) => {
    const { values } = parseArgs({
      args: line.split(' ').slice(1),
      options: {
        'bootstrap-server': { type: 'string' },
        'command-config': { type: 'string' },
        add: { type: 'boolean' },
        'allow-principal': { type: 'string', default: '' },
        operation: { type: 'string', multiple: true, default: [] },
        topic: { type: 'string' },
        group: { type: 'string' },
        'transactional-id': { type: 'string' },
        'resource-pattern-type': { type: 'string' },
      },
    });
    const { topic, group, 'transactional-id': transactionalId } = values;
    return values.operation.map((operation) => ({
      principal: values['allow-principal'],
      operation: operation.replaceAll(/([a-z])([A-Z])/g, '$1_$2').toUpperCase(),
      resource: topic ? 'topic' : group ? 'group' : 'transactional id',
      name: topic ?? group ?? transactionalId ?? '',
      isPrefix: values['resource-pattern-type'] === 'prefixed',
    }));
  });
}

const entryOf = ({ principal, operation, resource, name, isPrefix }: Granted) => ({
  principal,
  host: '*',
  operation: AclOperationTypes[operation as keyof typeof AclOperationTypes],
  permissionType: AclPermissionTypes.ALLOW,
  resourceName: name,
  resourceType:
    AclResourceTypes[resource.toUpperCase().replace(' ', '_') as keyof typeof AclResourceTypes],
  resourcePatternType: isPrefix ? ResourcePatternTypes.PREFIXED : ResourcePatternTypes.LITERAL,
});

/** @param env of an administrator */
export async function openAcls(env: Environment) {
  const admin = clientOf(env).admin();
  await admin.connect();
  return {
    grant: async (acls: readonly Granted[]) => {
      await admin.createAcls({ acl: acls.map(entryOf) });
    },
    take: async (acl: Granted) => {
      await admin.deleteAcls({ filters: [entryOf(acl)] });
    },
    [Symbol.asyncDispose]: () => admin.disconnect(),
  };
}
