/**
 * schemas/bridge.openapi.yaml describes what the running bridge answers, all of it and nothing
 * else.
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Problem, problems } from '../../src/bridge/problems.ts';
import { sign, signatureHeader } from '../../src/voucherify/signature.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, secret, until } from '../support/deployment.ts';
import { exchange, type RawAnswer } from '../support/raw-http.ts';

type Reference = { readonly $ref?: string };
type Response = Reference & {
  readonly headers?: Record<string, Reference>;
  readonly content: Record<string, { readonly schema: object }>;
};
type Document = Record<string, unknown> & {
  readonly paths: Record<string, { post: { responses: Record<string, Response> } }>;
};

const text = await readFile(new URL('../../schemas/bridge.openapi.yaml', import.meta.url), 'utf8');
const openapi = parse(text) as Document;
const responses = openapi.paths['/webhooks/{source}']?.post.responses ?? {};

const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addSchema({ ...openapi, $id: 'bridge' });

function resolved<T extends Reference>(node: T): T {
  if (node.$ref === undefined) return node;
  const steps = node.$ref.slice('#/'.length).split('/');
  return steps.reduce<unknown>(
    (part, step) => (part as Record<string, unknown>)[step],
    openapi,
  ) as T;
}

/** Returns how a response differs from the description. */
function faultsOf({ status, head, body }: RawAnswer): unknown {
  const described = responses[String(status)];
  if (!described) return `${status} is not described`;
  const { headers = {}, content } = resolved(described);
  const mediaType = /^content-type: (\S+)/im.exec(head)?.[1] ?? '';
  const schema = content[mediaType]?.schema;
  if (!schema) return `${mediaType} is not described for ${status}`;
  const missing = Object.keys(headers).filter(
    (name) => !head.toLowerCase().includes(`\n${name}: `),
  );
  if (missing.length > 0) return `${missing} is missing`;
  const validate = ajv.compile({ allOf: [withAbsoluteReferences(schema)] });
  return validate(JSON.parse(body)) ? [] : validate.errors;
}

const withAbsoluteReferences = (schema: object): object =>
  JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"bridge#/'));

const seen = new Map<string, RawAnswer>();

let spool: string;
let deployment: Deployment;
let broken: Deployment;
beforeAll(async () => {
  spool = await mkdtemp(join(tmpdir(), 'voucherbus-spool-'));
  deployment = await aDeployment(1, { RESPONSE_TIMEOUT: '2s', BODY_MAX_BYTES: '64KiB' });
  broken = await aDeployment(1, { RESPONSE_TIMEOUT: '5s', IN_FLIGHT_MAX_REQUESTS: '1' });
});
afterAll(async () => {
  await Promise.all([deployment, broken].map((one) => one[Symbol.asyncDispose]()));
  await rm(spool, { recursive: true });
});

const path = '/webhooks/voucherify';
const head = (lines: string, target = path, method = 'POST') =>
  `${method} ${target} HTTP/1.1\r\nhost: x\r\n${lines}\r\n`;
const signed = () => {
  const body = aBody();
  const lines = `${signatureHeader}: ${sign(body, secret)}\r\ncontent-length: ${body.length}\r\n`;
  return `${head(lines)}${body}`;
};
const empty = 'content-length: 0\r\n';

/** Without one the body is not read. */
const plausible = `${signatureHeader}: ${'0'.repeat(64)}\r\n`;

const provocations: readonly (readonly [name: string, request: () => string])[] = [
  ['stored', signed],
  ['malformed-request', () => 'NOT HTTP AT ALL\r\n\r\n'],
  ['no-signature', () => head(empty)],
  ['wrong-signature', () => head(`${signatureHeader}: 00\r\n${empty}`)],
  ['unknown-path', () => head(empty, '/elsewhere')],
  ['wrong-method', () => head('', path, 'GET')],
  ['slow-head', () => head('').slice(0, -2)],
  ['slow-body', () => `${head(`${plausible}content-length: 10\r\n`)}{`],
  ['too-large', () => head(`${plausible}content-length: 65537\r\n`)],
  ['headers-too-large', () => head(`x: ${'x'.repeat(17_000)}\r\n${empty}`)],
];

const nameOf = ({ body }: RawAnswer) => {
  const { type, status } = JSON.parse(body) as { type?: string; status: string };
  return type?.split(':').at(-1) ?? status;
};
const see = (answer: RawAnswer | undefined, name: string) => {
  expect(answer && nameOf(answer)).toBe(name);
  seen.set(name, answer as RawAnswer);
  expect(faultsOf(answer as RawAnswer)).toEqual([]);
};

test('the description is OpenAPI 3.1', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(text);
  expect([valid, errors, validator.version]).toEqual([true, undefined, '3.1']);
});

test('a response that differs from the description is found', () => {
  const head = 'HTTP/1.1 202\r\ncontent-type: application/json';
  const answer = { status: 202, head, body: '{"status":"stored","topic":"t","partition":0}' };
  expect(faultsOf(answer)).not.toEqual([]);
  expect(faultsOf({ ...answer, body: '{"status":"spooled"}' })).toEqual([]);
  expect(faultsOf({ ...answer, status: 200 })).toBe('200 is not described');
});

test('every response of a healthy bridge is as described', async () => {
  const { url } = await deployment.start('bridge');
  await Promise.all(
    provocations.map(async ([name, request]) => {
      see((await exchange(url, [request()])).answers[0], name);
    }),
  );
});

test('the responses to a forbidden sender, in an outage, and under too much load are as described', async () => {
  const strict = await deployment.start('bridge', { ALLOWED_SENDERS: 'eu1' });
  see((await exchange(strict.url, [signed()])).answers[0], 'sender-not-allowed');
  const plain = await broken.start('bridge');
  const spooling = await broken.start('bridge', { SPOOL_DIR: spool, SPOOL_AFTER: '1s' });
  await broken.admin.remove([broken.catalog.raw]);
  const waiting = exchange(plain.url, [signed()]);
  const refused = await until(async () => {
    const [answer] = (await exchange(plain.url, [signed()])).answers;
    return answer && nameOf(answer) === 'too-many-in-flight' && answer;
  }, 'the only place is taken');
  see(refused, 'too-many-in-flight');
  see((await waiting).answers[0], 'not-stored');
  see((await exchange(spooling.url, [signed()])).answers[0], 'spooled');
});

test('every described response was seen, and every problem in the code is described', () => {
  expect(new Set([...seen.values()].map(({ status }) => String(status)))).toEqual(
    new Set(Object.keys(responses)),
  );
  const described = new Set(
    [...text.matchAll(/urn:voucherbus:problem:([a-z-]+)/g)].map(([, slug]) => slug),
  );
  const slugs = Object.values<Problem>(problems).map(({ slug }) => slug);
  expect(described).toEqual(new Set(slugs));
  expect(new Set(seen.keys())).toEqual(new Set([...slugs, 'stored', 'spooled']));
});
