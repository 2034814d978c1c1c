/** Permissions by the names of Kafka's ACLs, and the error of those that are missing. */

import { AppError } from '../errors.ts';

export type Operation =
  | 'READ'
  | 'WRITE'
  | 'CREATE'
  | 'ALTER'
  | 'DELETE'
  | 'DESCRIBE'
  | 'DESCRIBE_CONFIGS'
  | 'ALTER_CONFIGS';

export type Resource = 'topic' | 'group' | 'transactional id' | 'cluster';

export type Permission = {
  readonly operation: Operation;
  readonly resource: Resource;
  readonly name: string;
};

export function permission(operation: Operation, resource: Resource, name: string): Permission {
  return { operation, resource, name };
}

/** The principal of a client, and the permissions that its request needs. */
export type Access = {
  readonly principal: string;
  readonly needs: readonly Permission[];
};

/** Kafka's error types by the resource that they are about. */
const resourceOfType: Readonly<Record<string, Resource>> = {
  TOPIC_AUTHORIZATION_FAILED: 'topic',
  GROUP_AUTHORIZATION_FAILED: 'group',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'transactional id',
  CLUSTER_AUTHORIZATION_FAILED: 'cluster',
};

/** Returns whether the error type says that an ACL is missing. */
export function isDenial(type: string | undefined): boolean {
  return resourceOfType[type ?? ''] !== undefined;
}

/**
 * Returns the error of a request that was refused for lack of permission: of the permissions that
 * it needs, those on the kind of resource that the refusal is about.
 */
export function denialOf(type: string | undefined, access: Access, cause?: unknown): AppError {
  const resource = resourceOfType[type ?? ''];
  return denial(
    { ...access, needs: access.needs.filter((one) => one.resource === resource) },
    cause,
  );
}

/** Returns the error of missing permissions. An ACL may be granted while the service runs. */
export function denial(access: Access, cause?: unknown): AppError {
  const lines = access.needs.map((need) => describeDenial(need, access.principal));
  return new AppError('PERMISSION_MISSING', 'retry', lines.join('; '), cause);
}

export function describeDenial({ operation, resource, name }: Permission, principal: string) {
  // Kafka answers alike for topics that may not be described and for those that do not exist.
  const doubt = operation === 'DESCRIBE' && resource === 'topic' ? ' (or it does not exist)' : '';
  return `no permission for ${operation} on ${resource} ${name}${doubt}: expected an ACL that allows it to ${principal} (\`voucherbus acl print\`)`;
}
