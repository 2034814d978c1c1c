/**
 * A deployment of its own for one test: topics and schemas under a fresh prefix on the shared
 * cluster, and the means to look at them.
 */

import { randomBytes } from 'node:crypto';
import { type Child, type Environment, startChild } from '../../src/app/child-process.ts';
import { Decoder } from '../../src/avro/decoder.ts';
import type { JournalRecord, PublicationSucceeded } from '../../src/avro/records.ts';
import { schemas } from '../../src/avro/schemas.ts';
import { poll } from '../../src/concurrency/retry.ts';
import { LogReader } from '../../src/kafka/log-reader.ts';
import type { ReadRecord } from '../../src/kafka/protocol/record-batch-reader.ts';
import { decodedValue } from './decoded-value.ts';
import { prepared } from './prepared.ts';

export const secret = 'test-secret';

export type Deployment = Awaited<ReturnType<typeof aDeployment>>;

/** @param settings further environment variables of the services */
export async function aDeployment(partitions = 3, settings: Environment = {}) {
  const prefix = `test-${randomBytes(4).toString('hex')}`;
  const env: Environment = {
    ...process.env,
    TOPIC_PREFIX: prefix,
    CONSUMER_GROUP: prefix,
    PARTITIONS: String(partitions),
    WEBHOOK_SECRETS: `main:${secret}`,
    BRIDGE_HOST: '127.0.0.1',
    BRIDGE_PORT: '0',
    ADMIN_HOST: '127.0.0.1',
    ADMIN_PORT: '0',
    SESSION_TIMEOUT: '6s',
    // One process each, which a test may kill; several: workers.test.ts.
    BRIDGE_WORKERS: '1',
    PROCESSOR_WORKERS: '1',
    ...settings,
  };
  const { catalog, client, admin, registry, schemaId } = await prepared(env);
  const reader = new LogReader(client);
  const children: Child[] = [];

  /**
   * Every committed record of a topic, partition by partition, once no transaction is open: a
   * commit is answered before its markers are written.
   */
  const readAll = async (
    topic: string,
  ): Promise<readonly (ReadRecord & { partition: number })[]> => {
    const records: (ReadRecord & { partition: number })[] = [];
    for (let partition = 0; partition < partitions; partition += 1) {
      const from = await reader.offsetOf(topic, partition, 'start');
      const to = await until(async () => {
        const end = await reader.offsetOf(topic, partition, 'high-watermark');
        return end === (await reader.offsetOf(topic, partition, 'end')) && { end };
      }, `no transaction is open on ${topic}/${partition}`);
      for await (const record of reader.records({ topic, partition, from, to: to.end })) {
        records.push(Object.assign(record, { partition }));
      }
    }
    return records;
  };

  const decodeAll = async <T>(topic: string, schema: 'PublicationSucceeded' | 'JournalRecord') => {
    const decoder = new Decoder<T>(schemas[schema].type, registry);
    const records = await readAll(topic);
    await decoder.prepare(records.map(({ value }) => value));
    return records.map((record) => ({
      ...record,
      headers: record.headers,
      event: decodedValue(decoder.decode(record.value)),
    }));
  };

  const launch = (name: 'bridge' | 'processor', extra?: Environment, program?: string): Child => {
    const child = startChild([name], { ...env, ...extra }, program);
    children.push(child);
    return child;
  };

  return {
    env,
    prefix,
    catalog,
    client,
    admin,
    reader,
    registry,
    partitions,
    schemaId,
    readAll,
    journal: () => decodeAll<JournalRecord>(catalog.journal, 'JournalRecord'),
    outputs: async () => {
      const topics = Object.entries(catalog.publications);
      const all = await Promise.all(
        topics.map(async ([kind, topic]) =>
          (await decodeAll<PublicationSucceeded>(topic, 'PublicationSucceeded')).map((record) => ({
            ...record,
            kind,
          })),
        ),
      );
      return all.flat();
    },
    /** Starts a service and does not wait. */
    launch,
    /**
     * Starts a service and waits until its log says that it runs.
     * @param program of another version
     */
    start: async (name: 'bridge' | 'processor', extra?: Environment, program?: string) => {
      const child = launch(name, extra, program);
      const line = await child.said(
        name === 'bridge' ? 'the bridge is ready' : 'the processor is running',
      );
      const admin = `http://127.0.0.1:${line['adminPort']}`;
      return { child, admin, url: `http://127.0.0.1:${line['port']}${line['path']}` };
    },
    [Symbol.asyncDispose]: async () => {
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(children.map(({ exited }) => exited));
      await Promise.all([reader.close(), admin.close()]);
    },
  };
}

/** A metric's value, summed over its labels. */
export async function metric(admin: string, name: string): Promise<number> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  const values = text.split('\n').filter((line) => line.startsWith(name));
  return values.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Repeats the query until it returns something. @throws Error after 60 s */
export async function until<T>(
  query: () => Promise<T | undefined | false>,
  what: string | (() => string),
): Promise<T> {
  const timeoutError = () =>
    new Error(`not within 60 s: ${typeof what === 'string' ? what : what()}`);
  const found = async () => {
    const result = await query();
    return result === false ? undefined : result;
  };
  return poll(found, { everyMs: 100, timeoutMs: 60_000, timeoutError });
}
