/**
 * Talks to the schema registry: look-ups for the services, registration and compatibility checks
 * for the commands.
 */

import { createRequire } from 'node:module';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import type { RegistryConfig } from '../config/config.ts';
import type { CertificateWatch } from '../credentials/certificate-watch.ts';
import { currentOf } from '../credentials/current.ts';
import { explainConnection } from '../credentials/explain.ts';
import { fetchByClientCredentials } from '../credentials/oidc.ts';
import { TlsMaterial } from '../credentials/tls.ts';
import { cachedToken } from '../credentials/token.ts';
import { AppError, messageOf } from '../errors.ts';
import type { Log } from '../observability/log.ts';
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
  /** Returns the version of the subject that has this id; undefined if none has it. */
  readonly versionOf: (subject: string, id: number) => Promise<number | undefined>;
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
    'latestVersion' | 'version' | 'compatible' | 'registered',
    (
      args: object,
    ) => Promise<{ data: () => { version?: number; is_compatible?: boolean; id?: unknown } }>
  >;
};

/**
 * Connects lazily: every method throws AppError REGISTRY_UNAVAILABLE (retry) while the registry
 * cannot be reached.
 */
export function connectRegistry(
  config: RegistryConfig,
  log: Log,
  certificates?: CertificateWatch | undefined,
): Registry {
  const { ca, cert, key, keyPassphrase: passphrase } = config;
  const context = { peer: 'registry', log, certificates } as const;
  const tls = new TlsMaterial({ ca, cert, key, passphrase }, context);
  const client = new SchemaRegistry({
    host: config.url,
    clientId: 'voucherbus',
    retry: { retries: 1 },
    ...(config.url.startsWith('https:') ? { agent: tls.agent() } : {}),
    middlewares: [inTime, onlyJson, withHeaders(config, log)],
  });
  const { api } = client as unknown as { api: Api };
  const asked = <T>(what: string, request: () => Promise<T>) => ask(config.url, what, request);
  const versions = new Map<string, Promise<number | undefined>>();
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
    versionOf: (subject, id) => {
      const key = `${subject} ${id}`;
      const known = versions.get(key) ?? findVersion(api, config.url, subject, id);
      versions.set(key, known);
      // A failure is not kept, and neither is a version that may be registered later.
      known.then(
        (version) => version ?? versions.delete(key),
        () => versions.delete(key),
      );
      return known;
    },
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

async function findVersion(
  { Subject }: Api,
  url: string,
  subject: string,
  id: number,
): Promise<number | undefined> {
  const latest = await ask(url, `read ${subject}`, () => Subject.latestVersion({ subject }));
  if (latest?.data().id === id) return latest.data().version;
  for (let version = (latest?.data().version ?? 0) - 1; version > 0; version -= 1) {
    const read = await ask(url, `read ${subject} version ${version}`, () =>
      Subject.version({ subject, version }),
    );
    if (read?.data().id === id) return version;
  }
  return undefined;
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
      throw new AppError('REGISTRY_REFUSED', 'stop', `${text}: ${refusalOf(status, error)}`, error);
    }
    if (error instanceof AppError) throw error;
    const reason =
      explainConnection(messageOf(error), {
        name: url,
        role: 'the schema registry',
        prefix: 'SCHEMA_REGISTRY',
      }) ?? messageOf(error);
    throw new AppError('REGISTRY_UNAVAILABLE', 'retry', `${text}: ${reason}`, error);
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
    const status = response.status();
    if (status >= 300 && status < 400) {
      const target = response.header('location');
      const text = `status ${status}, a redirect to ${target}: expected the final address in SCHEMA_REGISTRY_URL`;
      throw new Error(text);
    }
    if (isObject(response.data())) return response;
    throw new Error(notItsOwn(status));
  },
});

const isObject = (data: unknown): data is Record<string, unknown> =>
  typeof data === 'object' && data !== null;

const notItsOwn = (status: number) =>
  `status ${status}, which is not a response of a schema registry's API: is SCHEMA_REGISTRY_URL right?`;

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

/** A status alone says little: which setting to look at does. */
function refusalOf(status: number, error: unknown): string {
  switch (status) {
    case 401:
      return `status 401, it does not accept our login: check SCHEMA_REGISTRY_USERNAME and _PASSWORD, SCHEMA_REGISTRY_TOKEN or SCHEMA_REGISTRY_OAUTH_*`;
    case 403:
      return 'status 403, our login may not do this: grant it there';
    default:
      return messageOf(error);
  }
}

/** Adds the login, as its files are at this time, and SCHEMA_REGISTRY_HEADERS. */
function withHeaders(config: RegistryConfig, log: Log): Middleware {
  const login = loginOf(config, log);
  return () => ({
    prepareRequest: async (next) => {
      const authorization = await login();
      const headers = { ...config.headers, ...(authorization ? { authorization } : {}) };
      return (await next()).enhance({ headers });
    },
  });
}

function loginOf(config: RegistryConfig, log: Log): () => Promise<string | undefined> {
  const { username, password, token, oauthTokenUrl } = config;
  if (oauthTokenUrl !== undefined) {
    const current = cachedToken(fetchByClientCredentials(config, 'SCHEMA_REGISTRY_OAUTH', log));
    return async () => `Bearer ${await current()}`;
  }
  if (token) return async () => `Bearer ${currentOf(token, log)}`;
  if (username && password) {
    return async () => {
      const pair = `${currentOf(username, log)}:${currentOf(password, log)}`;
      return `Basic ${Buffer.from(pair).toString('base64')}`;
    };
  }
  return async () => undefined;
}
