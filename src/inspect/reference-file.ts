/** Reads reference data from a CSV file with a column campaignId, or from JSON. Pure. */

import { parse } from 'csv-parse/sync';

export type Row = {
  readonly campaignId: string;
  readonly attributes: Readonly<Record<string, string>>;
};

/** @throws Error that says what was expected, with the line or the index */
export function rowsOf(text: string, isJson: boolean): readonly Row[] {
  const rows = isJson ? fromJson(text) : fromCsv(text);
  const seen = new Set<string>();
  for (const { campaignId } of rows) {
    if (seen.has(campaignId))
      throw new Error(`${campaignId} stands there twice: expected each campaign once`);
    seen.add(campaignId);
  }
  return rows;
}

function fromCsv(text: string): readonly Row[] {
  const records = parse(text, {
    columns: true,
    bom: true,
    trim: true,
    skip_empty_lines: true,
    info: true,
  }) as unknown as readonly { record: Record<string, string>; info: { lines: number } }[];
  return records.map(({ record, info }) => row(record, `line ${info.lines}`));
}

function fromJson(text: string): readonly Row[] {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value))
    throw new Error('expected a JSON array of objects, each with a campaignId');
  return value.map((item, i) => row(item, `[${i}]`));
}

function row(value: unknown, position: string): Row {
  if (typeof value !== 'object' || value === null)
    throw new Error(`${position}: expected an object`);
  const { campaignId, ...rest } = value as Record<string, unknown>;
  if (typeof campaignId !== 'string' || campaignId === '') {
    throw new Error(`${position}: expected a campaignId`);
  }
  const attributes: Record<string, string> = {};
  for (const [name, attribute] of Object.entries(rest)) {
    // An empty cell is no attribute.
    if (attribute === '' || attribute === null) continue;
    attributes[name] = typeof attribute === 'string' ? attribute : JSON.stringify(attribute);
  }
  return { campaignId, attributes };
}
