/**
 * The setting of every benchmark: topics and schemas of a prefix of its own on the cluster of the
 * environment, and how it speaks.
 */

import { prepared } from '../test/support/prepared.ts';

export type Setting = Awaited<ReturnType<typeof prepare>>;

export async function prepare(
  prefix: string,
  partitions: number,
  extra: Readonly<Record<string, string>> = {},
) {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ...extra,
    TOPIC_PREFIX: prefix,
    PARTITIONS: String(partitions),
    // The peers write both.
    PERSONAL_DATA: 'sourceId,metadata',
  };
  return { env, ...(await prepared(env)) };
}

/** Returns how many records of raw the group has processed, over all partitions. */
export async function committed(group: string, { admin, catalog }: Setting): Promise<number> {
  return sumOf(await admin.committedOffsets(group, catalog.raw));
}

export function sumOf(offsets: ReadonlyMap<number, number>): number {
  return [...offsets.values()].reduce((sum, offset) => sum + offset, 0);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The median, and the least and the greatest. */
export function spreadOf(values: readonly number[], digits: number): string {
  const [least, greatest] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${least.toFixed(digits)}–${greatest.toFixed(digits)})`;
}

export function say(line: string): void {
  process.stderr.write(`· ${line}\n`);
}
