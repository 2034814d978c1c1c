/**
 * Finds the publications that Voucherify made and that never reached us, and backfills them.
 * Voucherify's export of a window is the census; each of its rows is joined with what the journal
 * and raw tell. What does not join is looked up in the vendor's list, which knows the ids, and the
 * journal decides by id.
 */

import { AppError, messageOf } from '../errors.ts';
import type { JsonObject } from '../voucherify/json-part.ts';
import type { Backfill } from './backfill-record.ts';
import type { BodyBuilder } from './body.ts';
import { joinKey, Precision, type Row, readCensus, type UnitMs } from './census.ts';
import { codesOf, findPublications } from './find.ts';
import { KeyCounts } from './key-counts.ts';
import type { KnownPublications } from './known.ts';
import { type Gap, missingOf, type Report, type Undecided } from './report.ts';
import type { Run, RunLog } from './run-log.ts';
import type { Vendor, Window } from './vendor.ts';

export type ReconcileOptions = {
  readonly window: Window;
  /** The arguments: a run that was killed goes on if they are the same. */
  readonly request: string;
  /** Younger rows may be in flight: missing ones are not looked up. */
  readonly overlapMs: number;
  /** Older publications are backfilled only if an operator allows it. */
  readonly dedupWindowMs: number;
  readonly isStaleAllowed: boolean;
};

export type ReconcileContext = {
  readonly vendor: Vendor;
  readonly runLog: RunLog;
  readonly known: (run: Run, unitMs: UnitMs) => KnownPublications;
  readonly bodies: BodyBuilder;
  /** Writes one backfill to raw; undefined for a dry run. */
  readonly write: ((run: Run, backfill: Backfill) => Promise<void>) | undefined;
  readonly onProgress: (text: string) => void;
  /** @throws AppError if another instance reconciles */
  readonly expectLease: () => Promise<void>;
};

/** Rows that are looked up before the census is read again: they are held in memory. */
const rowsAtOnce = 10_000;

const catchUpEveryMs = 1_000;

/** A run that was killed is given up after this time: its window is then too old. */
const resumableMs = 6 * 3_600_000;

/** Downloads may break off; the export stays available. */
const maxDownloads = 5;

const maxExports = 3;

type TimedRow = Row & { readonly createdAtMs: number };

/** @throws AppError */
export async function reconcile(
  options: ReconcileOptions,
  context: ReconcileContext,
): Promise<Report> {
  const reconciliation = new Reconciliation(options, context);
  return reconciliation.run();
}

class Reconciliation {
  readonly #options: ReconcileOptions;
  readonly #context: ReconcileContext;
  readonly #nowMs = Date.now();
  readonly #missing: Gap[] = [];
  readonly #undecided: Undecided[] = [];
  /** Publications that were looked up, by id: several rows may lead to one. */
  readonly #handled = new Set<string>();
  /** Rows whose publications were looked up, by join key. */
  readonly #resolved = new Set<string>();
  /** Keys that a row of the census has used up. */
  readonly #used = new KeyCounts();
  #backfilled = 0;
  #caughtUpAt = 0;
  /** Rows that did not join, and whose publications had reached us nevertheless. */
  #falseAlarms = 0;

  constructor(options: ReconcileOptions, context: ReconcileContext) {
    this.#options = options;
    this.#context = context;
  }

  async run(): Promise<Report> {
    const { runLog, vendor, onProgress } = this.#context;
    const { request, window } = this.#options;
    const killed = runLog.run;
    const isResumed = killed !== undefined && isResumable(killed, request, this.#nowMs);
    const begun = isResumed ? killed : await runLog.begin(request, window);
    const { run, url } = await this.#census(begun);
    const precision = new Precision();
    await this.#eachRow(url, run, 'reading the census', (row) => precision.add(row));
    const { unitMs } = precision;
    const known = this.#context.known(run, unitMs);
    await known.catchUp(onProgress);
    const counts = await this.#join(url, run, known, unitMs);
    for (let { unjoined, isCut } = counts; unjoined.length > 0; ) {
      await this.#resolve(unjoined, run, known, unitMs);
      if (!isCut) break;
      ({ unjoined, isCut } = await this.#join(url, run, known, unitMs));
    }
    await known.catchUp(onProgress);
    const { rows, present, parked, inFlight, withoutCampaign } = counts;
    const apiCalls = vendor.calls;
    const report: Report = {
      runId: run.runId,
      isResumed,
      isExecuted: this.#context.write !== undefined,
      since: run.since,
      until: run.until,
      rows,
      present: present + this.#falseAlarms,
      parked,
      inFlight,
      missing: this.#missing,
      backfilled: this.#backfilled,
      backfilledEarlier: Math.max(0, known.backfilled - this.#backfilled),
      undecided: [...counts.unreadable, ...this.#undecided],
      withoutCampaign,
      apiCalls,
      callsLeft: vendor.callsLeft,
    };
    const { backfilled, callsLeft = null } = report;
    const result = { rows, missing: missingOf(report), backfilled, apiCalls, callsLeft };
    await runLog.finish({ ...run, ...result });
    return report;
  }

  /** Returns the URL of the export: of the one that an earlier attempt created, if there is one. */
  async #census(run: Run): Promise<{ run: Run; url: string }> {
    const { vendor, runLog } = this.#context;
    let current = run;
    for (let created = 0; ; created += 1) {
      const { exportId, since: sinceMs, until: untilMs } = current;
      const url = exportId === null ? undefined : await vendor.exportUrl(exportId);
      if (url !== undefined) return { run: current, url };
      if (created === maxExports) {
        const text = `Voucherify could not make the export of publications, ${maxExports} times: try a shorter window (--since, --until)`;
        throw new AppError('LOOKUP_UNAVAILABLE', 'retry', text);
      }
      const next = await vendor.createExport({ sinceMs, untilMs });
      current = await runLog.update({ ...current, exportId: next });
    }
  }

  /** Calls `onRow` for the rows of the window; a download that breaks off is read again. */
  async #eachRow(url: string, run: Run, what: string, onRow: (row: Row) => void): Promise<void> {
    const { vendor, onProgress } = this.#context;
    let done = 1;
    for (let downloads = 1; ; downloads += 1) {
      try {
        for await (const row of readCensus(vendor.download(url))) {
          // A second download continues where the first one broke off.
          if (row.line <= done) continue;
          done = row.line;
          if (isInWindow(row, run)) onRow(row);
          onProgress(`${what}: ${row.line - 1} rows`);
        }
        return;
      } catch (error) {
        if (downloads >= maxDownloads) throw error;
        onProgress(`${messageOf(error)}; downloading it again`);
      }
    }
  }

  /** Joins the census with what is known, and returns the rows that do not join. */
  async #join(url: string, run: Run, known: KnownPublications, unitMs: UnitMs) {
    await this.#context.expectLease();
    const used = this.#used;
    used.clear();
    const counts = {
      rows: 0,
      present: 0,
      parked: {} as Record<string, number>,
      inFlight: 0,
      withoutCampaign: 0,
      unreadable: [] as Undecided[],
      unjoined: [] as TimedRow[],
      isCut: false,
    };
    await this.#eachRow(url, run, 'joining the census with the journal', (row) => {
      counts.rows += 1;
      if (row.campaign === null) counts.withoutCampaign += 1;
      if (row.createdAtMs === undefined) {
        counts.unreadable.push({ line: row.line, codes: row.codes, reason: 'its date is no date' });
        return;
      }
      const timed = { ...row, createdAtMs: row.createdAtMs };
      const status = statusOf(timed, known, used, unitMs);
      switch (status?.kind) {
        case 'present':
          counts.present += 1;
          return;
        case 'in-flight':
          counts.inFlight += 1;
          return;
        case 'parked':
          counts.parked[status.reason] = (counts.parked[status.reason] ?? 0) + 1;
          return;
        case undefined:
          break;
      }
      if (this.#nowMs - timed.createdAtMs < this.#options.overlapMs) counts.inFlight += 1;
      else if (this.#resolved.has(rowKey(timed))) return;
      else if (counts.unjoined.length < rowsAtOnce) counts.unjoined.push(timed);
      else counts.isCut = true;
    });
    return counts;
  }

  async #resolve(
    rows: readonly TimedRow[],
    run: Run,
    known: KnownPublications,
    unitMs: UnitMs,
  ): Promise<void> {
    const { onProgress, expectLease, vendor } = this.#context;
    for (const [index, row] of rows.entries()) {
      await expectLease();
      if (this.#resolved.has(rowKey(row))) continue;
      const left = vendor.callsLeft === undefined ? '' : `, ${vendor.callsLeft} calls left`;
      onProgress(`looking up rows that did not join: ${index} of ${rows.length}${left}`);
      const publications = await this.#lookUp(row, run, unitMs);
      this.#resolved.add(rowKey(row));
      await this.#catchUp(known);
      const before = this.#missing.length;
      for (const publication of publications) {
        this.#resolveSiblings(publication, row);
        await this.#handle(publication, row, run, known);
      }
      if (publications.length > 0 && this.#missing.length === before) this.#falseAlarms += 1;
    }
  }

  /**
   * Reads what has come in the meantime. (If a webhook comes in this second, the backfill is its
   * duplicate.)
   */
  async #catchUp(known: KnownPublications): Promise<void> {
    if (performance.now() - this.#caughtUpAt < catchUpEveryMs) return;
    await known.catchUp(() => {});
    this.#caughtUpAt = performance.now();
  }

  /** Rows of the other vouchers of a publication lead to the same publication. */
  #resolveSiblings(publication: JsonObject, { customerId, createdAtMs }: TimedRow): void {
    for (const code of codesOf(publication)) {
      this.#resolved.add(rowKey({ codes: [code], customerId, createdAtMs }));
    }
  }

  /** Asks the vendor, unless an earlier attempt of the run has done so. */
  async #lookUp(row: TimedRow, run: Run, unitMs: UnitMs): Promise<readonly JsonObject[]> {
    const { vendor, runLog, bodies } = this.#context;
    const earlier = runLog.rowOf(rowKey(row));
    if (earlier !== undefined && earlier.length > 0) return earlier;
    const { publications: listed, problem } = await findPublications(row, vendor, unitMs);
    if (problem !== undefined) {
      this.#undecided.push({ line: row.line, codes: row.codes, reason: problem });
      return [];
    }
    const publications = listed.map((one) => bodies.withoutPersonal(one));
    await runLog.addRow(rowKey(row), run, publications);
    return publications;
  }

  async #handle(
    publication: JsonObject,
    row: TimedRow,
    run: Run,
    known: KnownPublications,
  ): Promise<void> {
    const publicationId = String(publication['id']);
    if (this.#handled.has(publicationId)) return;
    this.#handled.add(publicationId);
    if (known.statusOf(publicationId) !== undefined) return;
    const createdAt = String(publication['created_at']);
    const { customerId } = row;
    const { dedupWindowMs, isStaleAllowed } = this.#options;
    const isTooOld = !isStaleAllowed && this.#nowMs - row.createdAtMs > dedupWindowMs;
    const gap = { publicationId, codes: codesOf(publication), customerId, createdAt };
    const { write, bodies } = this.#context;
    if (write === undefined || isTooOld) {
      this.#missing.push({ ...gap, isTooOld, isBackfilled: false });
      return;
    }
    const asOfMs = Date.now();
    const body = await bodies.build(publication);
    await write(run, { publicationId, body, asOfMs, createdAt });
    this.#backfilled += 1;
    this.#missing.push({ ...gap, isTooOld, isBackfilled: true });
  }
}

function isResumable(
  { finishedAt, request, startedAt }: Run,
  asked: string,
  nowMs: number,
): boolean {
  return finishedAt === null && request === asked && nowMs - startedAt < resumableMs;
}

function isInWindow({ createdAtMs }: Row, { since, until }: Run): boolean {
  return createdAtMs === undefined || (createdAtMs >= since && createdAtMs < until);
}

/** Identifies what a row is about, whatever the precision of its time. */
function rowKey({
  codes,
  customerId,
  createdAtMs,
}: Pick<TimedRow, 'codes' | 'customerId' | 'createdAtMs'>): string {
  return joinKey(codes[0] ?? '', customerId, createdAtMs, 1);
}

/**
 * Returns the status of the publication that the row means. Two publications may have the same key
 * if times are coarse, so each row uses up one.
 */
function statusOf(row: TimedRow, known: KnownPublications, used: KeyCounts, unitMs: UnitMs) {
  const codes = row.codes.length === 0 ? [''] : row.codes;
  for (const code of codes) {
    const key = joinKey(code, row.customerId, row.createdAtMs, unitMs);
    const status = known.statusOfKey(key, used.countOf(key) + 1);
    if (status === undefined) continue;
    used.add(key);
    return status;
  }
  return undefined;
}
