/** The commands' messages when something is missing, and their changes to topics and schemas. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { type Environment, startChild } from '../../src/app/child-process.ts';
import { schemas } from '../../src/avro/schemas.ts';
import { subjectOf } from '../../src/topics/catalog.ts';
import { aDeployment, until } from '../support/deployment.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/run.ts';

const fresh: Environment = {
  ...process.env,
  TOPIC_PREFIX: `none-${Date.now()}`,
  WEBHOOK_SECRETS: 's',
  PARTITIONS: '2',
  ADMIN_PORT: '0',
  BRIDGE_PORT: '0',
  START_TIMEOUT: '1s',
};

test.each(['bridge', 'processor'])(
  'the %s reports every problem of its configuration',
  async (name) => {
    const { code, messages } = await run([name], {
      PATH: process.env['PATH'],
      DEDUP_WINDOW: 'soon',
    });
    expect(code).toBe(2);
    expect(messages).toContain('KAFKA_BROKERS is not set');
    expect(messages).toContain('SCHEMA_REGISTRY_URL is not set');
    expect(messages).toContain('DEDUP_WINDOW is "soon"');
    expect(messages.includes('WEBHOOK_SECRETS is not set')).toBe(name === 'bridge');
  },
);

test.each(['bridge', 'processor'])(
  'without Kafka the %s waits for START_TIMEOUT, reports for what, and gives up',
  async (name) => {
    const brokers = `127.0.0.1:${await freePort()}`;
    const { code, output, messages } = await run([name], { ...fresh, KAFKA_BROKERS: brokers });
    expect(code).toBe(1);
    expect(output).toContain('waiting: cannot connect to Kafka');
    expect(messages).toContain('gave up after 1 s (START_TIMEOUT): cannot connect to Kafka');
    expect(messages).not.toContain('    at ');
  },
);

test.each(['bridge', 'processor'])(
  'without its topics the %s names them and the command to run',
  async (name) => {
    const { code, messages } = await run([name], fresh);
    expect(code).toBe(1);
    expect(messages).toContain(`topic ${fresh['TOPIC_PREFIX']}.webhooks.raw does not exist`);
    expect(messages).toContain('voucherbus topics apply');
    expect(messages).not.toContain('    at ');
  },
);

test('without its schemas a service names the subjects and the command to run; with a dead registry it gives up', async () => {
  const env = { ...fresh, TOPIC_PREFIX: `noschema-${Date.now()}` };
  expect((await run(['topics', 'apply'], env)).code).toBe(0);
  const missing = await run(['processor'], env);
  expect(missing.code).toBe(1);
  expect(missing.messages).toContain(`${env.TOPIC_PREFIX}.publications.journal-value`);
  expect(missing.messages).toContain('voucherbus schemas register');
  const dead = await run(['bridge'], {
    ...env,
    SCHEMA_REGISTRY_URL: `http://127.0.0.1:${await freePort()}`,
  });
  expect(dead.code).toBe(1);
  expect(dead.messages).toContain('gave up after 1 s (START_TIMEOUT): cannot look up');
  expect(dead.messages).not.toContain('    at ');
});

test('a service whose log has no reader any more still ends on SIGTERM', async () => {
  await using deployment = await aDeployment(1);
  const port = await freePort();
  const child = spawn(process.execPath, ['src/main.ts', 'bridge'], {
    env: { ...deployment.env, ADMIN_PORT: String(port) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await until(
    async () => (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined))?.ok,
    'the bridge is ready',
  );
  child.stdout.destroy();
  child.stderr.destroy();
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});

test('a port in use is reported with its setting', async () => {
  await using deployment = await aDeployment(1);
  const { admin } = await deployment.start('bridge');
  const { code, messages } = await run(['bridge'], {
    ...deployment.env,
    ADMIN_PORT: new URL(admin).port,
  });
  expect(code).toBe(1);
  expect(messages).toContain('(ADMIN_PORT)');
});

test.each(['1', '2'])("the bridge's own port too, with %s workers", async (workers) => {
  await using deployment = await aDeployment(1);
  const { url } = await deployment.start('bridge');
  const { code, messages } = await run(['bridge'], {
    ...deployment.env,
    BRIDGE_PORT: new URL(url).port,
    BRIDGE_WORKERS: workers,
  });
  expect(code).toBe(1);
  expect(messages).toContain('(BRIDGE_PORT)');
});

test('topics: plan shows, apply creates, a second plan is empty, growth of raw is refused', async () => {
  const env = { ...fresh, TOPIC_PREFIX: `topics-${Date.now()}` };
  const raw = `${env.TOPIC_PREFIX}.webhooks.raw`;
  expect((await run(['topics', 'plan'], env)).messages).toContain(
    `create ${raw}: 2 partitions, 1 replicas, retention 14 d`,
  );
  expect((await run(['topics', 'apply'], env)).messages).toContain(`done: create ${raw}`);
  expect(await run(['topics', 'plan'], env)).toMatchObject({
    code: 0,
    messages: 'the 9 topics match the catalog',
  });
  const grown = await run(['topics', 'plan'], { ...env, PARTITIONS: '4' });
  expect(grown.code).toBe(1);
  expect(grown.messages).toContain(`REFUSED ${raw}: it has 2 partitions, PARTITIONS is 4`);
  const retention = await run(['topics', 'apply'], { ...env, OUTPUT_RETENTION: '7d' });
  expect(retention.messages).toContain('retention.ms 1209600000 to 604800000');
  expect((await run(['topics', 'plan'], { ...env, OUTPUT_RETENTION: '7d' })).messages).toBe(
    'the 9 topics match the catalog',
  );
});

test('schemas: check names missing ones, register registers with the compatibility, an incompatible version is reported', async () => {
  const env = { ...fresh, TOPIC_PREFIX: `schemas-${Date.now()}` };
  const missing = await run(['schemas', 'check'], env);
  expect(missing.code).toBe(1);
  expect(missing.messages.split('\n')).toHaveLength(8);
  expect(missing.messages).toContain('MISSING');
  const registered = await run(['schemas', 'register'], env);
  expect(registered.messages).toMatch(
    /done: registered .*\.webhooks\.raw-value \(id \d+, BACKWARD_TRANSITIVE\)/,
  );
  expect(registered.messages).toMatch(
    /done: registered .*\.publications\.journal-value \(id \d+, FULL_TRANSITIVE\)/,
  );
  expect(await run(['schemas', 'check'], env)).toMatchObject({ code: 0 });
});

test('the registry refuses a schema that would break readers, and check reports it beforehand', async () => {
  await using deployment = await aDeployment(1);
  const { registry, catalog } = deployment;
  const subject = subjectOf(catalog.publications.other);
  const schema = JSON.parse(schemas.PublicationSucceeded.text);
  const required = JSON.stringify({
    ...schema,
    fields: [...schema.fields, { name: 'shop', type: 'string', doc: '' }],
  });
  expect(await registry.isCompatible(subject, required)).toBe(false);
  await expect(registry.register(subject, required, 'FULL_TRANSITIVE')).rejects.toMatchObject({
    code: 'SCHEMA_INCOMPATIBLE',
  });
  const optional = JSON.stringify({
    ...schema,
    fields: [...schema.fields, { name: 'shop', type: ['null', 'string'], default: null, doc: '' }],
  });
  expect(await registry.isCompatible(subject, optional)).toBe(true);
  const id = await registry.register(subject, optional, 'FULL_TRANSITIVE');
  expect(await registry.schemaText(id)).toContain('"shop"');
  expect(await registry.schemaText(2_000_000_000)).toBeUndefined();
});

test('an unknown command prints the known ones', async () => {
  const { code, messages } = await run(['procesor'], {});
  expect(code).toBe(2);
  expect(messages).toContain('there is no command "procesor"');
  expect(messages).toContain('processor     reads the raw topic');
});

test('a service with workers that waits for Kafka ends at once on SIGTERM', async () => {
  await using deployment = await aDeployment(1);
  const port = await freePort();
  const env = { ...deployment.env, PROCESSOR_WORKERS: '2', KAFKA_BROKERS: `127.0.0.1:${port}` };
  const child = startChild(['processor'], env);
  await until(async () => child.output().includes('waiting: '), 'it waits');
  const startedAt = performance.now();
  child.kill('SIGTERM');
  expect(await child.exited).not.toBeNull();
  // A worker that does not hear it is killed after 40 s.
  expect(performance.now() - startedAt).toBeLessThan(30_000);
});

test('a bridge that may open fewer files than CONNECTIONS_MAX warns at start', async () => {
  await using deployment = await aDeployment(1, { CONNECTIONS_MAX: '100000', START_TIMEOUT: '1s' });
  const main = new URL('../../src/main.ts', import.meta.url).pathname;
  const script = `ulimit -n 5000; exec "${process.execPath}" "${main}" bridge`;
  const env = { ...deployment.env, KAFKA_BROKERS: `127.0.0.1:${await freePort()}` };
  const child = spawn('bash', ['-c', script], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const said = (await child.stdout.toArray()).join('');
  expect(said).toContain(
    'this process may open 5000 files (ulimit -n), fewer than CONNECTIONS_MAX',
  );
});
