import { expect, test } from 'vitest';
import type { DeploymentIdentity } from '../../../src/avro/records.ts';
import {
  identityOf,
  isDeploymentDue,
  noIdentity,
  ownerProblems,
} from '../../../src/journal/deployment-identity.ts';

const core = { raw: 'raw', journal: 'journal' };
const deployment: DeploymentIdentity = {
  group: 'voucherbus',
  partitions: 3,
  topicIds: { raw: 'AAA', journal: 'BBB', out: 'CCC' },
  isAdopted: false,
};
const of = (changes: Partial<DeploymentIdentity>) => {
  const changed = { ...deployment, ...changes };
  return { deployment: changed, identity: identityOf(changed) };
};
const owner = of({});

test('a journal belongs to the deployment that wrote it, whether that was adopted or not', () => {
  expect(ownerProblems(owner, of({}), core)).toEqual([]);
  expect(ownerProblems(of({ isAdopted: true }), of({}), core)).toEqual([]);
});

test('a journal without identities is accepted', () => {
  expect(ownerProblems({ identity: noIdentity, deployment: undefined }, of({}), core)).toEqual([]);
});

test.each([
  ['raw', { topicIds: { ...deployment.topicIds, raw: 'XXX' } }, 'belong to another log'],
  ['an output', { topicIds: { ...deployment.topicIds, out: 'XXX' } }, 'is not there any more'],
  ['the journal', { topicIds: { ...deployment.topicIds, journal: 'X' } }, 'expected BBB'],
  ['the group', { group: 'other' }, 'CONSUMER_GROUP "voucherbus", found "other"'],
  [
    'the number of partitions',
    { partitions: 6 },
    'has 6 partitions, the journal was written for 3',
  ],
])('another %s is a problem, with what was found and expected', (_, changes, text) => {
  const problems = ownerProblems(owner, of(changes), core);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(text);
});

test('an identity without its deployment is a problem, too', () => {
  const unexplained = { identity: owner.identity, deployment: undefined };
  expect(ownerProblems(unexplained, of({ group: 'other' }), core)[0]).toContain('voucherbus adopt');
});

test('a topic that routes add or remove is no difference', () => {
  const added = of({ topicIds: { ...deployment.topicIds, more: 'DDD' } });
  expect(ownerProblems(owner, added, core)).toEqual([]);
  expect(ownerProblems(added, owner, core)).toEqual([]);
});

test('the journal records its deployment at first, after a change, and every eighth of the window', () => {
  const windowMs = 800;
  const told = { deployment, deploymentAtMs: 1_000 };
  expect(isDeploymentDue({ ...told, deployment: undefined }, deployment, 1_000, windowMs)).toBe(
    true,
  );
  expect(isDeploymentDue(told, deployment, 1_100, windowMs)).toBe(false);
  expect(isDeploymentDue(told, deployment, 1_101, windowMs)).toBe(true);
  expect(isDeploymentDue(told, { ...deployment, group: 'b' }, 1_000, windowMs)).toBe(true);
});
