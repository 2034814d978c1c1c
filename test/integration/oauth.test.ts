/** OAUTHBEARER tokens, from a token endpoint of our own over real HTTP. */

import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import { createTokenProvider } from '../../src/kafka/oauth.ts';
import { freePort } from '../support/ports.ts';

/** Answers each request with the next body, and keeps what was asked. */
async function anEndpoint(answers: readonly [status: number, body: string][]) {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    asked.push(`${request.headers.authorization} ${Buffer.concat(chunks)}`);
    const [status, body] = answers[asked.length - 1] ?? [500, ''];
    response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    asked,
    provider: createTokenProvider({
      tokenUrl: `http://127.0.0.1:${port}/token`,
      clientId: 'id',
      clientSecret: 's3cret',
    }),
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

test('a token is fetched with the client credentials, and kept while it is valid', async () => {
  await using endpoint = await anEndpoint([[200, '{"access_token":"t1","expires_in":3600}']]);
  expect(await endpoint.provider()).toEqual({ value: 't1' });
  expect(await endpoint.provider()).toEqual({ value: 't1' });
  expect(endpoint.asked).toEqual([
    `Basic ${Buffer.from('id:s3cret').toString('base64')} grant_type=client_credentials`,
  ]);
});

test('a token that is about to expire is renewed', async () => {
  await using endpoint = await anEndpoint([
    [200, '{"access_token":"t1","expires_in":30}'],
    [200, '{"access_token":"t2","expires_in":30}'],
  ]);
  expect(await endpoint.provider()).toEqual({ value: 't1' });
  expect(await endpoint.provider()).toEqual({ value: 't2' });
});

test('a refusal is a retriable error that names the endpoint, and never the secret', async () => {
  await using endpoint = await anEndpoint([[401, '{"error":"invalid_client"}']]);
  const error = await endpoint.provider().catch((one: Error) => one);
  expect(error).toMatchObject({
    code: 'BROKER_UNAVAILABLE',
    recovery: 'retry',
    message: expect.stringContaining('/token: status 401, no token'),
  });
  expect(String(error)).not.toContain('s3cret');
});
