/**
 * Reads the CSV of Voucherify's export of publications: the census, row by row. What a row looks
 * like is documented only in part, so every plausible form is read: one row per voucher or one per
 * publication; times to the millisecond, second or minute; column names as fields or as titles.
 */

import { Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { AppError } from '../errors.ts';
import { msOf } from '../voucherify/json-part.ts';

export type Row = {
  /** Line of the CSV, from 2: the first one has the names. */
  readonly line: number;
  /**
   * The codes that the row may mean. Several may stand in one field. Empty if it names none, as it
   * may where a publication has several.
   */
  readonly codes: readonly string[];
  readonly customerId: string | null;
  /** Milliseconds since 1970; undefined if it cannot be read. */
  readonly createdAtMs: number | undefined;
  readonly channel: string | null;
  readonly campaign: string | null;
};

/** The precision of the census's times, in milliseconds. */
export type UnitMs = 1 | 1_000 | 60_000;

type Columns = Readonly<Record<string, string | undefined>>;

const needed = ['voucher_code', 'customer_id', 'date'];

/** @throws AppError LOOKUP_UNAVAILABLE if it is not the expected CSV, or breaks off */
export async function* readCensus(csv: AsyncIterable<Uint8Array>): AsyncGenerator<Row> {
  const parser = parse({ bom: true, columns: namesOf, skip_empty_lines: true });
  const source = Readable.from(csv, { objectMode: false });
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  let line = 1;
  try {
    for await (const columns of parser as AsyncIterable<Columns>) {
      line += 1;
      yield rowOf(columns, line);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    const text = `the export breaks off, or is not the expected CSV, after line ${line}`;
    throw new AppError('LOOKUP_UNAVAILABLE', 'retry', text, error);
  } finally {
    source.destroy();
  }
}

/** Returns the names of the columns as the API names the fields: "Voucher code" is voucher_code. */
function namesOf(header: readonly string[]): string[] {
  const names = header.map((name) =>
    name
      .trim()
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '_'),
  );
  const missing = needed.filter((name) => !names.includes(name));
  if (missing.length === 0) return names;
  const text = `the export has the columns ${names.join(', ')}: expected also ${missing.join(', ')}`;
  throw new AppError('LOOKUP_UNAVAILABLE', 'stop', text);
}

function rowOf(columns: Columns, line: number): Row {
  const { voucher_code = '', date = '', channel, campaign, customer_id } = columns;
  return {
    line,
    codes: codesOf(voucher_code),
    customerId: customer_id || null,
    createdAtMs: date === '' ? undefined : msOf(date),
    channel: channel || null,
    campaign: campaign || null,
  };
}

function codesOf(text: string): readonly string[] {
  const parts = text.split(/[,;|]/).map((part) => part.trim());
  // A single code may contain a separator.
  return [...new Set([...parts, text])].filter((code) => code !== '');
}

/** Finds out how precise the times of a census are. */
export class Precision {
  #unitMs: UnitMs = 60_000;

  add({ createdAtMs }: Row): void {
    if (createdAtMs === undefined) return;
    if (createdAtMs % 1_000 !== 0) this.#unitMs = 1;
    else if (createdAtMs % 60_000 !== 0 && this.#unitMs !== 1) this.#unitMs = 1_000;
  }

  get unitMs(): UnitMs {
    return this.#unitMs;
  }
}

/**
 * Returns the key under which a row and a publication are the same. The channel is left out: the
 * export may write it in another way, and the others identify a publication.
 * @param code '' for a publication of several vouchers whose row names none
 */
export function joinKey(
  code: string,
  customerId: string | null,
  createdAtMs: number,
  unitMs: UnitMs,
): string {
  return `${code}\n${customerId ?? ''}\n${Math.floor(createdAtMs / unitMs)}`;
}
