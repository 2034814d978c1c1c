/**
 * Reads the pages' data from Kafka, through `inspect/`. It connects when it is first asked: the
 * console must work while Kafka is unreachable.
 */

import type { CampaignReference } from '../avro/records.ts';
import { bodyOf, type Letter, readLetters } from '../inspect/dead-letters.ts';
import { maskedBody } from '../inspect/mask.ts';
import { readReferences } from '../inspect/references.ts';
import { Tail } from '../inspect/tail.ts';
import { findTraces, type Trace } from '../inspect/trace.ts';
import type { Client } from '../kafka/client.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import { type Run, readRunLog } from '../reconcile/run-log.ts';
import type { CatalogTopic } from '../topics/catalog.ts';
import type { Deployment } from '../topics/deployment.ts';

/** A deployment to which the console can also write, for redrives. */
type Connected = Deployment & AsyncDisposable & { readonly client: Client };
type Connect = () => Promise<Connected>;

const lettersValidMs = 2_000;

const everything = {
  reason: undefined,
  sourceTopic: undefined,
  sinceMs: 0,
  untilMs: Number.POSITIVE_INFINITY,
  partition: undefined,
  offsets: undefined,
  key: undefined,
} as const;

export type ReconcileRuns = { readonly run: Run | undefined; readonly ended: readonly Run[] };

export class Reads {
  readonly #connect: Connect;
  #deployment: Promise<Connected> | undefined;
  #letters: { readonly atMs: number; readonly all: Promise<readonly Letter[]> } | undefined;

  constructor(connect: Connect) {
    this.#connect = connect;
  }

  /** Finds events by any id, and reads all of raw if it is not a raw key. @throws AppError */
  async traces(id: string): Promise<readonly Trace[]> {
    return (await findTraces(await this.#open(), id, 0, () => {})).found;
  }

  /** Returns the dead letters, of one reason or of all. @throws AppError */
  async letters(reason: string | undefined): Promise<readonly Letter[]> {
    const deployment = await this.#open();
    const known = this.#letters;
    if (known === undefined || performance.now() - known.atMs > lettersValidMs) {
      const all = Array.fromAsync(readLetters(deployment, everything, () => {}));
      this.#letters = { atMs: performance.now(), all };
      // A failure is not kept.
      all.catch(() => {
        this.#letters = undefined;
      });
    }
    const all = (await this.#letters?.all) ?? [];
    return reason === undefined ? all : all.filter((letter) => letter.reason === reason);
  }

  /** Returns one letter and its masked body. @throws AppError */
  async letter(partition: number, offset: number) {
    const deployment = await this.#open();
    if (partition >= deployment.partitions) return undefined;
    const filter = { ...everything, partition, offsets: { from: offset, to: offset } };
    const [letter] = await Array.fromAsync(readLetters(deployment, filter, () => {}));
    return letter && { letter, body: await this.body(letter.record) };
  }

  /** Returns the masked body of a record of raw or of the dead letters. @throws AppError */
  async body(record: Pick<ReadRecord, 'value'>): Promise<string> {
    return bodyOf(await this.#open(), record, maskedBody);
  }

  /** Returns the records of raw that no processor has read yet, by partition. @throws AppError */
  async lag() {
    const { admin, reader, catalog, group, partitions } = await this.#open();
    const committed = await admin.committedOffsets(group, catalog.raw);
    const all = Array.from({ length: partitions }, async (_, partition) => {
      const range = await reader.rangeOf(catalog.raw, partition, 'start', 'high-watermark');
      const position = Math.max(range.from, committed.get(partition) ?? range.from);
      return { partition, records: range.to - position, position, end: range.to };
    });
    return Promise.all(all);
  }

  /** Returns the topics of the deployment. @throws AppError */
  async topics(): Promise<readonly CatalogTopic[]> {
    return (await this.#open()).catalog.topics;
  }

  /** Returns what follows a topic; undefined if it is not one of ours. @throws AppError */
  async tail(name: string): Promise<Tail | undefined> {
    const deployment = await this.#open();
    const topic = deployment.catalog.topics.find((one) => one.name === name);
    return topic && new Tail(deployment, topic);
  }

  /** Returns the company's data on campaigns; undefined if there is no such topic. */
  async references(): Promise<readonly CampaignReference[] | undefined> {
    const topic = await this.#optionalTopic('reference');
    if (topic === undefined) return undefined;
    const all = [...(await readReferences(await this.#open(), topic)).entries.values()].map(
      ({ reference }) => reference,
    );
    return all.sort((a, b) => (a.campaignId < b.campaignId ? -1 : 1));
  }

  /** Reads something else of the deployment. @throws AppError */
  async with<T>(read: (deployment: Connected) => Promise<T>): Promise<T> {
    return read(await this.#open());
  }

  /** Returns the runs of reconcile: the latest, and those that ended. @throws AppError */
  async reconcileRuns(): Promise<ReconcileRuns> {
    const { reader, registry } = await this.#open();
    const topic = await this.#optionalTopic('reconcile');
    return topic ? readRunLog({ reader, registry }, topic) : { run: undefined, ended: [] };
  }

  async close(): Promise<void> {
    const opened = await this.#deployment?.catch(() => undefined);
    await opened?.[Symbol.asyncDispose]();
  }

  /** Returns the topic that a setting adds; undefined if it was not created. */
  async #optionalTopic(role: 'reference' | 'reconcile'): Promise<string | undefined> {
    const { admin, catalog } = await this.#open();
    const topic = catalog[role];
    return topic && (await admin.describe([topic])).has(topic) ? topic : undefined;
  }

  #open(): Promise<Connected> {
    if (this.#deployment === undefined) {
      const opening = this.#connect();
      this.#deployment = opening;
      opening.catch(() => {
        this.#deployment = undefined;
      });
    }
    return this.#deployment;
  }
}
