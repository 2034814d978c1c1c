/** The schema registry: look-ups for the running services, registration and compatibility checks for the command line. */

import { Agent as HttpsAgent } from 'node:https';
import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import type { RegistryConfig } from '../config/config.ts';
import { AppError, messageOf } from '../errors.ts';
import type { Compatibility } from './schemas.ts';

export type Registry = {
  readonly url: string;
  /** The id under which a subject holds exactly this schema; undefined where it does not. */
  readonly idOf: (subject: string, schema: string) => Promise<number | undefined>;
  /** The schema with this id; undefined where the registry has none. */
  readonly schemaText: (id: number) => Promise<string | undefined>;
  /** Registers, and sets the subject's compatibility at the first registration. @throws AppError SCHEMA_INCOMPATIBLE */
  readonly register: (subject: string, schema: string, level: Compatibility) => Promise<number>;
  /** Whether every registered version of the subject is compatible with this schema; no subject yet: yes. */
  readonly isCompatible: (subject: string, schema: string) => Promise<boolean>;
};

/** The requests that the client makes but does not offer: version pinned in package.json, covered by the integration test of this room. */
type Api = {
  readonly Subject: Record<
    'latestVersion' | 'compatible',
    (args: object) => Promise<{ data: () => { version?: number; is_compatible?: boolean } }>
  >;
};

/** Connecting is lazy: every method throws AppError REGISTRY_UNAVAILABLE, retriable, while the registry can not be reached. */
export function connectRegistry(config: RegistryConfig): Registry {
  const client = new SchemaRegistry({
    host: config.url,
    clientId: 'voucherbus',
    retry: { retries: 1 },
    ...(config.username && config.password
      ? { auth: { username: config.username, password: config.password } }
      : {}),
    ...(config.ca ? { agent: new HttpsAgent({ ca: config.ca, keepAlive: true }) } : {}),
    ...(config.token ? { middlewares: [bearer(config.token)] } : {}),
  });
  const { api } = client as unknown as { api: Api };
  const asked = <T>(what: string, request: () => Promise<T>) => ask(config.url, what, request);
  const avro = (schema: string) => ({ type: SchemaType.AVRO as const, schema });

  return {
    url: config.url,
    idOf: (subject, schema) =>
      asked(`look up ${subject}`, () => client.getRegistryIdBySchema(subject, avro(schema))),
    schemaText: async (id) => {
      const schema = await asked(`fetch schema ${id}`, () => client.getSchema(id));
      return schema === undefined ? undefined : JSON.stringify(schema);
    },
    register: async (subject, schema, compatibility) => {
      const registered = await asked(`register ${subject}`, () =>
        client.register(avro(schema), { subject, compatibility: COMPATIBILITY[compatibility] }),
      );
      if (registered) return registered.id;
      throw new AppError('SCHEMA_INCOMPATIBLE', 'fatal', `${subject} could not be registered`);
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

/** Statuses that are the registry's own answer. Others are no answer: the client reports an unreachable host as status 400 or 500. */
const refusals = new Set([401, 403, 409, 422]);

async function ask<T>(
  url: string,
  what: string,
  request: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await request();
  } catch (error) {
    const status = statusOf(error);
    if (status === 404 || isNotFound(error)) return undefined;
    const cannot = `can not ${what} at the schema registry ${url}`;
    if (error instanceof Error && /[Cc]ompatib/.test(error.name + error.message)) {
      throw new AppError('SCHEMA_INCOMPATIBLE', 'fatal', `${cannot}: ${error.message}`, error);
    }
    if (status !== undefined && refusals.has(status)) {
      throw new AppError('REGISTRY_REFUSED', 'fatal', `${cannot}: ${messageOf(error)}`, error);
    }
    throw new AppError(
      'REGISTRY_UNAVAILABLE',
      'retriable',
      `${cannot}: ${messageOf(error)}`,
      error,
    );
  }
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { status?: unknown }).status;
  return typeof status === 'number' ? status : undefined;
}

/** getRegistryIdBySchema wraps a 404 in an error of its own, without the status. */
function isNotFound(error: unknown): boolean {
  return error instanceof Error && error.name === 'ConfluentSchemaRegistryError';
}

type Middleware = NonNullable<
  ConstructorParameters<typeof SchemaRegistry>[0]['middlewares']
>[number];

function bearer(token: string): Middleware {
  return () => ({
    request: (request) => request.enhance({ headers: { Authorization: `Bearer ${token}` } }),
  });
}
