/**
 * The progress of runs, on a compacted topic: the latest run, those that ended, and what the vendor
 * has been asked about the rows of its census.
 */

import { randomBytes } from 'node:crypto';
import { Decoder } from '../avro/decoder.ts';
import { createEncoder, type Encoder } from '../avro/encoder.ts';
import type { ReconcileProgress } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { digestOf } from '../digest.ts';
import { expectStored, type Writer } from '../kafka/writer.ts';
import type { Deployment } from '../topics/deployment.ts';
import { isObject, type JsonObject } from '../voucherify/json-part.ts';
import type { Window } from './vendor.ts';

export type Run = Omit<ReconcileProgress, 'publications'>;

const runKey = 'run';
const endedKeyOf = ({ runId }: Run) => `run ${runId}`;
const keptRuns = 50;
const writeTimeoutMs = 30_000;

export class RunLog {
  readonly #writer: Writer;
  readonly #encode: Encoder<ReconcileProgress>;
  /** By name: the publications of a row as JSON, until they are asked for, to save memory. */
  readonly #rows = new Map<string, readonly string[]>();
  /** The oldest first. */
  #ended: readonly Run[] = [];
  #run: Run | undefined;

  private constructor(writer: Writer, schemaId: number) {
    this.#writer = writer;
    this.#encode = createEncoder(schemas.ReconcileProgress.type, schemaId);
  }

  /** @throws AppError */
  static async open(
    source: Pick<Deployment, 'reader' | 'registry'>,
    topic: string,
    schemaId: number,
    writer: Writer,
  ): Promise<RunLog> {
    const log = new RunLog(writer, schemaId);
    const { run, ended, rows } = await readRunLog(source, topic);
    log.#run = run;
    log.#ended = ended;
    for (const [name, publications] of rows) log.#rows.set(name, publications);
    return log;
  }

  /** The latest run, whether it has ended or not. */
  get run(): Run | undefined {
    return this.#run;
  }

  /** Begins a run; one that was killed is given up. @throws AppError */
  async begin(request: string, { sinceMs: since, untilMs: until }: Window): Promise<Run> {
    await this.#forgetRows();
    const runId = `rec_${randomBytes(8).toString('hex')}`;
    const started = { runId, request, since, until, startedAt: Date.now() };
    const reconciledUntil = this.#run?.reconciledUntil ?? null;
    const nothing = { exportId: null, finishedAt: null, apiCalls: 0 };
    const unknown = { rows: null, missing: null, backfilled: null, callsLeft: null };
    return this.update({ ...started, ...nothing, ...unknown, reconciledUntil });
  }

  /** @throws AppError */
  async update(run: Run): Promise<Run> {
    await this.#write(runKey, { ...run, publications: [] });
    this.#run = run;
    return run;
  }

  /** @param run with its result. @throws AppError */
  async finish(run: Run): Promise<void> {
    const reconciledUntil = run.missing === 0 ? reconciledBy(run) : run.reconciledUntil;
    const ended = { ...run, reconciledUntil, finishedAt: Date.now() };
    // First: a run that is killed between the two is resumed, and writes it again.
    await this.#write(endedKeyOf(ended), { ...ended, publications: [] });
    await this.update(ended);
    await this.#forgetRows();
    const all = [...this.#ended, ended];
    this.#ended = all.slice(-keptRuns);
    await this.#remove(all.slice(0, -keptRuns).map(endedKeyOf));
  }

  /** Returns what the vendor listed for a row earlier in this run, once: it is forgotten then. */
  rowOf(key: string): readonly JsonObject[] | undefined {
    const name = nameOf(key);
    const publications = this.#rows.get(name);
    if (publications !== undefined) this.#rows.set(name, []);
    return publications?.map(parsed).filter(isObject);
  }

  /** @throws AppError */
  async addRow(key: string, run: Run, publications: readonly JsonObject[]): Promise<void> {
    await this.#write(nameOf(key), {
      ...run,
      publications: publications.map((one) => JSON.stringify(one)),
    });
    this.#rows.set(nameOf(key), []);
  }

  async #forgetRows(): Promise<void> {
    await this.#remove([...this.#rows.keys()]);
    this.#rows.clear();
  }

  async #remove(keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const removed = keys.map((key) => ({ key, value: null }));
    expectStored(await this.#writer.write(removed, writeTimeoutMs));
  }

  async #write(key: string, progress: ReconcileProgress): Promise<void> {
    const value = this.#encode(progress);
    expectStored(await this.#writer.write([{ key, value }], writeTimeoutMs));
  }
}

/** Reads the latest run, the rows that it looked up, and the runs that ended. @throws AppError */
export async function readRunLog(
  { reader, registry }: Pick<Deployment, 'reader' | 'registry'>,
  topic: string,
) {
  const rows = new Map<string, readonly string[]>();
  const ended = new Map<string, Run>();
  let latest: Run | undefined;
  const decoder = new Decoder<ReconcileProgress>(schemas.ReconcileProgress.type, registry);
  const range = await reader.rangeOf(topic, 0, 'start', 'end');
  for await (const { key, value } of reader.records(range)) {
    const name = key?.toString() ?? '';
    if (value === null) {
      rows.delete(name);
      ended.delete(name);
    }
    const result = await decoder.decodeOne(value);
    if (result.kind === 'undecodable') continue;
    const { publications, ...run } = result.value;
    if (name === runKey) latest = run;
    else if (name === endedKeyOf(run)) ended.set(name, run);
    else rows.set(name, publications);
  }
  const byStart = (a: Run, b: Run) => a.startedAt - b.startedAt;
  return { run: latest, ended: [...ended.values()].sort(byStart), rows };
}

/** A window that begins later than the last one ended leaves a break, which no run covers. */
function reconciledBy({ since, until, reconciledUntil }: Run): number | null {
  if (reconciledUntil === null) return until;
  return since <= reconciledUntil ? Math.max(until, reconciledUntil) : reconciledUntil;
}

/** Row keys contain codes of vouchers and ids of customers. */
const nameOf = (key: string) => `row ${digestOf(key).toString('hex')}`;

function parsed(text: string): unknown {
  return JSON.parse(text);
}
