/**
 * The identity of the deployment to which the journal's offsets belong. An offset is valid only in
 * its own log: a recreated topic, a restored or mirrored cluster, and a truncated log use the same
 * numbers again. So the journal records its deployment. Pure.
 */

import { hash } from 'node:crypto';
import type { DeploymentIdentity } from '../avro/records.ts';

const identityBytes = 8;

/** The identity in records of versions that did not write one. */
export const noIdentity: Buffer = Buffer.alloc(identityBytes);

/** The topics to which the positions refer. */
export type CoreTopics = { readonly raw: string; readonly journal: string };

export function identityOf({ group, partitions, topicIds }: DeploymentIdentity): Buffer {
  const text = JSON.stringify([group, partitions, Object.entries(topicIds).sort()]);
  return Buffer.from(hash('sha256', text, 'hex').slice(0, 2 * identityBytes), 'hex');
}

/**
 * The deployment is recorded in full this often per window, so that retention never deletes the
 * last full record.
 */
const toldPerWindow = 8;

/** Returns whether the next record must contain the deployment in full. */
export function isDeploymentDue(
  recorded: {
    readonly deployment: DeploymentIdentity | undefined;
    readonly deploymentAtMs: number;
  },
  found: DeploymentIdentity,
  nowMs: number,
  windowMs: number,
): boolean {
  const { deployment, deploymentAtMs } = recorded;
  return (
    deployment === undefined ||
    nowMs - deploymentAtMs > windowMs / toldPerWindow ||
    !isSameDeployment(deployment, found)
  );
}

/** Returns whether two deployments agree on every topic, too. */
function isSameDeployment(a: DeploymentIdentity, b: DeploymentIdentity): boolean {
  const names = Object.keys(a.topicIds);
  return (
    a.group === b.group &&
    a.partitions === b.partitions &&
    names.length === Object.keys(b.topicIds).length &&
    names.every((name) => a.topicIds[name] === b.topicIds[name])
  );
}

export type Difference =
  | { readonly kind: 'group'; readonly expected: string; readonly found: string }
  | { readonly kind: 'partitions'; readonly expected: number; readonly found: number }
  | {
      readonly kind: 'topic';
      readonly topic: string;
      readonly expected: string;
      readonly found: string;
    };

/**
 * Compares the recorded deployment with the current one. Ignores topics that only one of them has,
 * since routes change.
 */
export function differencesOf(
  recorded: DeploymentIdentity,
  found: DeploymentIdentity,
): readonly Difference[] {
  const differences: Difference[] = [];
  if (recorded.group !== found.group) {
    differences.push({ kind: 'group', expected: recorded.group, found: found.group });
  }
  if (recorded.partitions !== found.partitions) {
    const { partitions: expected } = recorded;
    differences.push({ kind: 'partitions', expected, found: found.partitions });
  }
  for (const [topic, expected] of Object.entries(recorded.topicIds)) {
    const id = found.topicIds[topic];
    if (id !== undefined && id !== expected) {
      differences.push({ kind: 'topic', topic, expected, found: id });
    }
  }
  return differences;
}

const adoptCommand = '`voucherbus adopt` shows what accepting it would mean, and does it';

/** Describes a difference: the value found, the value expected, and the command that decides. */
export function describeDifference(difference: Difference, { raw, journal }: CoreTopics): string {
  switch (difference.kind) {
    case 'group':
      return `${journal} belongs to CONSUMER_GROUP "${difference.expected}", found "${difference.found}": two groups on one journal would forward every publication twice. If the new group replaces the old one, stop the processors of the old one; ${adoptCommand}`;
    case 'partitions':
      return `${raw} has ${difference.found} partitions, the journal was written for ${difference.expected}: publication ids have moved away from the memory of them, and repeats would pass. This cannot be adopted: create a second deployment under a new TOPIC_PREFIX and switch the webhook to it`;
    case 'topic': {
      const consequence =
        difference.topic === raw
          ? 'the positions in the journal belong to another log'
          : 'what was written to it before is not there any more';
      return `${difference.topic} has the topic id ${difference.found}, expected ${difference.expected}: it was recreated, or the cluster was restored or mirrored, so ${consequence}. ${adoptCommand}`;
    }
  }
}

/** The owner of a journal: the identity in its last record, and its last full deployment. */
export type Owner = {
  readonly identity: Buffer;
  readonly deployment: DeploymentIdentity | undefined;
};

/** Returns every reason why the journal does not belong to this deployment. */
export function ownerProblems(
  owner: Owner,
  found: { readonly identity: Buffer; readonly deployment: DeploymentIdentity },
  core: CoreTopics,
): readonly string[] {
  if (owner.deployment) {
    const differences = differencesOf(owner.deployment, found.deployment);
    return differences.map((one) => describeDifference(one, core));
  }
  if (owner.identity.equals(noIdentity) || owner.identity.equals(found.identity)) return [];
  return [
    `${core.journal} was written by another deployment (identity ${owner.identity.toString('hex')}, expected ${found.identity.toString('hex')}): the journal or ${core.raw} was recreated. ${adoptCommand}`,
  ];
}

/** Describes a log that was truncated and written again from a lower offset. */
export function describeTruncation(raw: string, partition: number, position: number): string {
  return `${raw}/${partition}: the record before the position ${position} is not the one that was processed: the log was truncated (an unclean leader election) or replaced. ${adoptCommand}`;
}
