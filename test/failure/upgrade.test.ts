/**
 * Rolling upgrades under load, as docs/operating.md describes them: setup first, then one process
 * after the other. Versions are checked out from git, and run with this version's packages.
 */

import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startChild } from '../../src/app/child-process.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { startFlow } from '../support/flow.ts';
import { freePort } from '../support/ports.ts';

/** The version before: at a release, the commit of the release before. */
const previousCommit = '2b33fe2';

const run = promisify(execFile);
const root = process.cwd();
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'voucherbus-upgrade-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Returns the program of a version, of which `fill` writes src, schemas and package.json. */
async function versionOf(name: string, fill: (folder: string) => Promise<unknown>) {
  const folder = join(directory, name);
  await mkdir(folder);
  await fill(folder);
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'src/main.ts');
}

const parts = ['src', 'schemas', 'package.json'];

const checkedOut = (commit: string) => async (folder: string) => {
  const archive = join(directory, `${commit}.tar`);
  await run('git', ['archive', '--output', archive, commit, ...parts], { cwd: root });
  await run('tar', ['-xf', archive, '-C', folder]);
};

const current = async (folder: string) => {
  for (const part of parts) await cp(join(root, part), join(folder, part), { recursive: true });
};

/** The next version, whose journal has one more field. */
const withJournalField = async (folder: string) => {
  await current(folder);
  const file = join(folder, 'schemas/JournalRecord.avsc');
  const schema = JSON.parse(await readFile(file, 'utf8')) as { fields: object[] };
  schema.fields.push({ name: 'added', type: ['null', 'string'], default: null });
  await writeFile(file, JSON.stringify(schema));
};

type Started = Awaited<ReturnType<Deployment['start']>>;

async function stop({ child }: Started): Promise<void> {
  child.kill('SIGTERM');
  await child.exited;
}

async function setUp({ env }: Deployment, program: string): Promise<void> {
  const child = startChild(['setup'], env, program);
  expect([await child.exited, child.output()]).toEqual([0, expect.anything()]);
}

test.each([
  ['from the version before', checkedOut(previousCommit), current],
  ['to a version with another journal schema', current, withJournalField],
] as const)('%s, and back: every publication once', async (name, before, after) => {
  const older = await versionOf(`${name} old`.replaceAll(' ', '-'), before);
  const newer = await versionOf(`${name} new`.replaceAll(' ', '-'), after);
  await using deployment = await aDeployment(6, { BRIDGE_PORT: String(await freePort()) });
  await setUp(deployment, older);
  let bridge = await deployment.start('bridge', {}, older);
  let processors = [
    await deployment.start('processor', {}, older),
    await deployment.start('processor', {}, older),
  ];
  let isEnough = false;
  const options = { count: 4_000, concurrency: 10, perSecond: 400 };
  const flow = startFlow(deployment, bridge.url, { ...options, isEnough: () => isEnough });
  const more = async (count: number) => {
    const target = flow.begun() + count;
    await until(async () => flow.begun() >= target, 'more webhooks were sent');
  };
  await more(1_000);
  // There, and back again: an older processor reads what a newer one has written.
  for (const program of [newer, older]) {
    if (program === newer) await setUp(deployment, newer);
    const replaced: Started[] = [];
    for (const processor of processors) {
      replaced.push(await deployment.start('processor', {}, program));
      await more(300);
      await stop(processor);
      await more(300);
    }
    processors = replaced;
    await stop(bridge);
    bridge = await deployment.start('bridge', {}, program);
    await more(300);
  }
  isEnough = true;
  // While the only bridge is replaced, its port refuses connections; the vendor would try again.
  const { counts } = await flow.check({ mayRefuse: true });
  expect(counts['acknowledged']).toBeGreaterThan(3_000);
});
