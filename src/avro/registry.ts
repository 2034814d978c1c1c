/**
 * Talks to the schema registry: look-ups for the services, registration and compatibility checks
 * for the commands.
 */

import { Agent as HttpsAgent } from 'node:https';
import { createRequire } from 'node:module';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import type { RegistryConfig } from '../config/config.ts';
import { AppError, messageOf } from '../errors.ts';
import type { Compatibility } from './schemas.ts';

export type Registry = {
  readonly url: string;
  /**
   * Returns the id under which the subject has exactly this schema; undefined if it does not have
   * it.
   */
  readonly idOf: (subject: string, schema: string) => Promise<number | undefined>;
  /** Returns the schema with this id; undefined if the registry does not have it. */
  readonly schemaText: (id: number) => Promise<string | undefined>;
  /**
   * Registers the schema, and sets the subject's compatibility at the first registration.
   * @throws AppError SCHEMA_INCOMPATIBLE
   */
  readonly register: (subject: string, schema: string, level: Compatibility) => Promise<number>;
  /**
   * Returns whether every registered version of the subject is compatible with this schema. True if
   * there is no subject yet.
   */
  readonly isCompatible: (subject: string, schema: string) => Promise<boolean>;
};

/**
 * The requests that the client makes but does not offer. The version is pinned, and
 * `test/integration/registry.test.ts` covers them.
 */
type Api = {
  readonly Subject: Record<
    'latestVersion' | 'compatible' | 'registered',
    (
      args: object,
    ) => Promise<{ data: () => { version?: number; is_compatible?: boolean; id?: unknown } }>
  >;
};

/**
 * Connects lazily: every method throws AppError REGISTRY_UNAVAILABLE (retry) while the registry
 * cannot be reached.
 */
export function connectRegistry(config: RegistryConfig): Registry {
  const client = new SchemaRegistry({
    host: config.url,
    clientId: 'voucherbus',
    retry: { retries: 1 },
    ...(config.username && config.password
      ? { auth: { username: config.username, password: config.password } }
      : {}),
    ...(config.ca ? { agent: new HttpsAgent({ ca: config.ca, keepAlive: true }) } : {}),
    middlewares: [inTime, onlyJson, ...(config.token ? [bearer(config.token)] : [])],
  });
  const { api } = client as unknown as { api: Api };
  const asked = <T>(what: string, request: () => Promise<T>) => ask(config.url, what, request);
  const avro = (schema: string) => ({ type: SchemaType.AVRO as const, schema });

  return {
    url: config.url,
    idOf: (subject, schema) =>
      asked(`look up ${subject}`, async () => {
        const { id } = (await api.Subject.registered({ subject, body: { schema } })).data();
        if (typeof id !== 'number') throw new Error('the response has no id');
        return id;
      }),
    schemaText: (id) =>
      asked(`fetch schema ${id}`, async () => {
        const schema: unknown = await client.getSchema(id);
        if (schema === undefined) throw new Error('the response has no schema');
        return JSON.stringify(schema);
      }),
    register: async (subject, schema, compatibility) => {
      const registered = await asked(`register ${subject}`, () =>
        client.register(avro(schema), { subject, compatibility: COMPATIBILITY[compatibility] }),
      );
      if (registered) return registered.id;
      throw new AppError('SCHEMA_INCOMPATIBLE', 'stop', `${subject} could not be registered`);
    },
    isCompatible: async (subject, schema) => {
      const latest = await asked(`read ${subject}`, () => api.Subject.latestVersion({ subject }));
      const newest = latest?.data().version ?? 0;
      for (let version = 1; version <= newest; version += 1) {
        const answer = await asked(`check ${subject} version ${version}`, () =>
          api.Subject.compatible({ subject, version, body: { schema } }),
        );
        if (answer?.data().is_compatible === false) return false;
      }
      return true;
    },
  };
}

/**
 * Statuses that the registry itself responds with. The client reports an unreachable host as status
 * 400 or 500.
 */
const refusals = new Set([401, 403, 404, 409, 422]);

async function ask<T>(
  url: string,
  what: string,
  request: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await request();
  } catch (error) {
    const { status, body } = responseIn(error);
    const text = `cannot ${what} at the schema registry ${url}`;
    const isRefused = status === 401 || status === 403;
    if (status !== undefined && refusals.has(status) && !isRefused && !isItsOwn(status, body)) {
      throw new AppError('REGISTRY_UNAVAILABLE', 'retry', `${text}: ${notItsOwn(status)}`);
    }
    if (status === 404) return undefined;
    if (error instanceof Error && /[Cc]ompatib/.test(error.name + error.message)) {
      throw new AppError('SCHEMA_INCOMPATIBLE', 'stop', `${text}: ${error.message}`, error);
    }
    if (status !== undefined && refusals.has(status)) {
      throw new AppError('REGISTRY_REFUSED', 'stop', `${text}: ${messageOf(error)}`, error);
    }
    throw new AppError('REGISTRY_UNAVAILABLE', 'retry', `${text}: ${messageOf(error)}`, error);
  }
}

type ErrorResponse = { readonly status: number | undefined; readonly body: unknown };

function responseIn(error: unknown): ErrorResponse {
  const { status, body } = error as { status?: unknown; body?: unknown };
  return { status: typeof status === 'number' ? status : undefined, body };
}

type Middleware = NonNullable<
  ConstructorParameters<typeof SchemaRegistry>[0]['middlewares']
>[number];

/** Time-out of a request: neither the start nor an unknown schema id may wait forever. */
const responseTimeoutMs = 5_000;

const inTime: Middleware = () => ({
  request: (request) => request.enhance({ timeout: responseTimeoutMs }),
});

/** A login page responds 200, too. */
const onlyJson: Middleware = () => ({
  response: async (next) => {
    const response = await next();
    if (isObject(response.data())) return response;
    throw new Error(notItsOwn(response.status()));
  },
});

const isObject = (data: unknown): data is Record<string, unknown> =>
  typeof data === 'object' && data !== null;

const notItsOwn = (status: number) =>
  `status ${status}, which is no answer of a schema registry's API: is SCHEMA_REGISTRY_URL right?`;

/**
 * Distinguishes a response of the registry from one of an ingress or web server in its place. A 404
 * of an ingress must not turn valid webhooks into dead letters. The registry's own 404 has an error
 * code: 40401 (subject), 40402 (version) or 40403 (schema). An unknown path has none.
 */
function isItsOwn(status: number, body: unknown): boolean {
  const code = isObject(body) ? String(body['error_code']) : '';
  return status === 404 ? /^404\d\d$/.test(code) : /^\d{3,5}$/.test(code);
}

type ErrorMiddleware = (params: object) => {
  response(next: () => Promise<unknown>): Promise<unknown>;
};

/**
 * Reads the error code from the response: the client's errors keep its message and drop its body
 * (version pinned, test/integration/registry.test.ts).
 */
function keepBodies(): void {
  const path = '@kafkajs/confluent-schema-registry/dist/api/middleware/errorMiddleware';
  const part = createRequire(import.meta.url)(path) as { default: ErrorMiddleware };
  const original = part.default;
  part.default = (params) => ({
    response: async (next) => {
      let body: unknown;
      const watched = () =>
        next().catch((response: { data?: () => unknown }) => {
          body = response.data?.();
          throw response;
        });
      try {
        return await original(params).response(watched);
      } catch (error) {
        throw error instanceof Error ? Object.assign(error, { body }) : error;
      }
    },
  });
}

keepBodies();

function bearer(token: string): Middleware {
  return () => ({
    request: (request) => request.enhance({ headers: { Authorization: `Bearer ${token}` } }),
  });
}
