/**
 * A server that responds at SCHEMA_REGISTRY_URL but is not a registry: none of its responses
 * counts, and no request waits forever.
 */

import { randomUUID } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import { expect, test } from 'vitest';
import { connectRegistry } from '../../src/avro/registry.ts';
import { schemas } from '../../src/avro/schemas.ts';
import { readConfig } from '../../src/config/read.ts';
import { createLog } from '../../src/observability/log.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, until } from '../support/deployment.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/run.ts';
import { post } from '../support/webhooks.ts';

/** An HTTP server in the place of a registry. */
async function inItsPlace(handle: RequestListener) {
  const server = createServer(handle);
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${port}`;
  const env = { SCHEMA_REGISTRY_URL: url };
  const { registry: config } = readConfig(['registry'], { env, readFile: () => '' });
  return {
    url,
    registry: connectRegistry(config, createLog('silent', 'test')),
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function real() {
  const { registry: config } = readConfig(['registry'], { env: process.env, readFile: () => '' });
  return { url: config.url, registry: connectRegistry(config, createLog('silent', 'test')) };
}

const { text } = schemas.RawWebhook;

test.each([
  ['404 of an ingress', 404, 'text/plain', 'default backend - 404'],
  ['404 of a web framework', 404, 'application/json', '{"title":"Not found","status":404}'],
  ['404 of a registry for a path it does not have', 404, 'application/json', '{"error_code":404}'],
  ['200 of a login page', 200, 'text/html', '<html>log in</html>'],
  ['200 of something else', 200, 'application/json', '{"ok":true}'],
])('%s says nothing of a schema: the registry counts as away', async (_, status, type, body) => {
  await using place = await inItsPlace((__, response) => {
    response.writeHead(status, { 'content-type': type }).end(body);
  });
  const away = { code: 'REGISTRY_UNAVAILABLE', recovery: 'retry' };
  await expect(place.registry.schemaText(1)).rejects.toMatchObject(away);
  await expect(place.registry.idOf('raw-value', text)).rejects.toMatchObject(away);
  if (status === 404) {
    await expect(place.registry.isCompatible('raw-value', text)).rejects.toMatchObject(away);
  }
});

test.each([40401, 40402, 40403])('its own error code %i is a response', async (code) => {
  await using place = await inItsPlace((_, response) => {
    response
      .writeHead(404, { 'content-type': 'application/vnd.schemaregistry.v1+json' })
      .end(JSON.stringify({ error_code: code, message: 'not found' }));
  });
  expect(await place.registry.schemaText(1)).toBeUndefined();
  expect(await place.registry.idOf('raw-value', text)).toBeUndefined();
});

test('schemas check reports no schema as compatible at an address that is not a registry', async () => {
  await using deployment = await aDeployment(1);
  await using place = await inItsPlace((_, response) => {
    response.writeHead(404).end('default backend - 404');
  });
  const env = { ...deployment.env, SCHEMA_REGISTRY_URL: place.url, START_TIMEOUT: '2s' };
  const { code, messages } = await run(['schemas', 'check'], env);
  expect(code).toBe(1);
  expect(messages).toContain('is SCHEMA_REGISTRY_URL right?');
  expect(messages).not.toContain('compatible');
});

test('a registry that accepts and does not respond: the start gives up after START_TIMEOUT', async () => {
  await using deployment = await aDeployment(1);
  await using place = await inItsPlace(() => {});
  const env = { ...deployment.env, SCHEMA_REGISTRY_URL: place.url, START_TIMEOUT: '3s' };
  const { code, output } = await run(['processor'], env);
  expect(code).toBe(1);
  expect(output).toContain('gave up after 3 s (START_TIMEOUT)');
});

test('a registry that hangs later does not matter for our own schemas', async () => {
  await using deployment = await aDeployment(1);
  let isHanging = false;
  await using place = await inItsPlace(async (request, response) => {
    if (isHanging) return;
    const body = Buffer.concat(await request.toArray());
    const { method = 'GET', headers, url } = request;
    const answer = await fetch(`${deployment.env['SCHEMA_REGISTRY_URL']}${url}`, {
      method,
      headers: { 'content-type': headers['content-type'] ?? 'application/json' },
      ...(body.length > 0 ? { body } : {}),
    });
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(await answer.text());
  });
  const registry = { SCHEMA_REGISTRY_URL: place.url };
  const bridge = await deployment.start('bridge', registry);
  await deployment.start('processor', registry);
  isHanging = true;
  await post(bridge.url, aBody({ publicationId: 'pub_1' }));
  await until(async () => (await deployment.outputs()).length === 1, 'it comes out');
});

test('a first registration whose response was lost is ended: the subject gets its level', async () => {
  const { registry, url } = real();
  const subject = `test-${randomUUID()}-value`;
  const post = (path: string, body: object) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify(body),
    });
  expect((await post(`/subjects/${subject}/versions`, { schema: text })).status).toBe(200);
  const id = await registry.register(subject, text, 'BACKWARD_TRANSITIVE');
  expect(id).toBe(await registry.idOf(subject, text));
  expect(await registry.versionOf(subject, id)).toBe(1);
  expect(await (await fetch(`${url}/config/${subject}`)).json()).toEqual({
    compatibilityLevel: 'BACKWARD_TRANSITIVE',
  });
  // Another level of a subject with other schemas is someone's decision.
  const other = JSON.stringify({ type: 'record', name: 'Other', fields: [] });
  await expect(registry.register(subject, other, 'FULL_TRANSITIVE')).rejects.toMatchObject({
    code: 'SCHEMA_INCOMPATIBLE',
  });
});
