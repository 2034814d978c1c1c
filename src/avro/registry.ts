/**
 * Talks to the schema registry: look-ups for the services, registration and compatibility checks
 * for the commands.
 */

import { COMPATIBILITY, SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import type { RegistryConfig } from '../config/config.ts';
import type { CertificateWatch } from '../credentials/certificate-watch.ts';
import { TlsMaterial } from '../credentials/tls.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../observability/log.ts';
import { ask, inTime, onlyJson, withHeaders } from './registry-requests.ts';
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
    'latestVersion' | 'version' | 'compatible' | 'registered' | 'updateConfig',
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
  const registry: Context = { api, url: config.url };
  const versions = new Map<string, Promise<number | undefined>>();
  const avro = (schema: string) => ({ type: SchemaType.AVRO as const, schema });

  return {
    url: config.url,
    idOf: (subject, schema) => findId(registry, subject, schema),
    schemaText: (id) =>
      asked(`fetch schema ${id}`, async () => {
        const schema: unknown = await client.getSchema(id);
        if (schema === undefined) throw new Error('the response has no schema');
        return JSON.stringify(schema);
      }),
    versionOf: (subject, id) => {
      const key = `${subject} ${id}`;
      const known = versions.get(key) ?? findVersion(registry, subject, id);
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
      ).catch((error: unknown) =>
        endRegistration(registry, error, { subject, schema, compatibility }),
      );
      if (registered) return registered.id;
      throw new AppError('SCHEMA_INCOMPATIBLE', 'stop', `${subject} could not be registered`);
    },
    isCompatible: async (subject, schema) => {
      const newest = (await latestOf(registry, subject))?.version ?? 0;
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

type Context = { readonly api: Api; readonly url: string };

function findId(
  { api, url }: Context,
  subject: string,
  schema: string,
): Promise<number | undefined> {
  return ask(url, `look up ${subject}`, async () => {
    const { id } = (await api.Subject.registered({ subject, body: { schema } })).data();
    if (typeof id !== 'number') throw new Error('the response has no id');
    return id;
  });
}

/** Returns the latest version of a subject; undefined if there is no such subject. */
async function latestOf({ api, url }: Context, subject: string) {
  const latest = await ask(url, `read ${subject}`, () => api.Subject.latestVersion({ subject }));
  return latest?.data();
}

async function findVersion(
  context: Context,
  subject: string,
  id: number,
): Promise<number | undefined> {
  const { api, url } = context;
  const latest = await latestOf(context, subject);
  if (latest?.id === id) return latest.version;
  for (let version = (latest?.version ?? 0) - 1; version > 0; version -= 1) {
    const read = await ask(url, `read ${subject} version ${version}`, () =>
      api.Subject.version({ subject, version }),
    );
    if (read?.data().id === id) return version;
  }
  return undefined;
}

type Registration = {
  readonly subject: string;
  readonly schema: string;
  readonly compatibility: Compatibility;
};

/**
 * Sets the level that a first registration did not come to: it stored the schema, and then its
 * response was lost, or it was killed.
 * @throws the error, if it was not this
 */
async function endRegistration(
  context: Context,
  error: unknown,
  { subject, schema, compatibility }: Registration,
): Promise<{ readonly id: number }> {
  const isOfLevel = error instanceof AppError && error.code === 'SCHEMA_INCOMPATIBLE';
  const id = isOfLevel ? await findId(context, subject, schema) : undefined;
  if (id === undefined) throw error;
  if ((await latestOf(context, subject))?.version !== 1) throw error;
  const { api, url } = context;
  await ask(url, `set the compatibility of ${subject}`, () =>
    api.Subject.updateConfig({ subject, body: { compatibility } }),
  );
  return { id };
}
