/**
 * Requests to the schema registry: the login that they carry, their time limit, and what their
 * failures mean.
 */

import { createRequire } from 'node:module';
import type { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import type { RegistryConfig } from '../config/config.ts';
import { currentOf } from '../credentials/current.ts';
import { explainConnection } from '../credentials/explain.ts';
import { fetchByClientCredentials } from '../credentials/oidc.ts';
import { cachedToken } from '../credentials/token.ts';
import { AppError, messageOf } from '../errors.ts';
import type { Log } from '../observability/log.ts';

/**
 * Statuses that the registry itself responds with. The client reports an unreachable host as status
 * 400 or 500.
 */
const refusals = new Set([401, 403, 404, 409, 422]);

export async function ask<T>(
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

export const inTime: Middleware = () => ({
  request: (request) => request.enhance({ timeout: responseTimeoutMs }),
});

/** A login page responds 200, too. */
export const onlyJson: Middleware = () => ({
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
 * Distinguishes a response of the registry from one of an ingress or web server in its place. If an
 * ingress responds with 404, valid webhooks must not become dead letters. The registry's own 404
 * has an error code: 40401 (subject), 40402 (version) or 40403 (schema). For an unknown path it has
 * none.
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
export function withHeaders(config: RegistryConfig, log: Log): Middleware {
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
