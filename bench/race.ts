/**
 * The result of a benchmark: contestants, what was measured of each in each run, and what we
 * promise of the ratio.
 */

import { median, spreadOf } from './setting.ts';

export type Measure = {
  readonly label: string;
  readonly digits: number;
  /** Whether more or less is better. */
  readonly better: 'more' | 'less';
  /** Ratios of ours to the first peer: the floor and the goal. */
  readonly aim?: { readonly floor: number; readonly goal: number };
};

export type Values<K extends string> = Readonly<Record<K, number>>;

export type Race<N extends string = string, K extends string = string> = {
  readonly title: string;
  /** Ours is the first. */
  readonly contestants: readonly N[];
  readonly measures: Readonly<Record<K, Measure>>;
  /** One after the other, in turns. */
  readonly runs: Readonly<Record<N, readonly Values<K>[]>>;
};

/** Every contestant once a run: A B A B. */
export async function inTurns<N extends string, V>(
  contestants: readonly N[],
  count: number,
  once: (name: N, run: number) => Promise<V>,
): Promise<Record<N, V[]>> {
  const runs = Object.fromEntries(contestants.map((name) => [name, [] as V[]])) as Record<N, V[]>;
  for (let run = 1; run <= count; run += 1) {
    for (const name of contestants) runs[name].push(await once(name, run));
  }
  return runs;
}

export type Row = {
  readonly label: string;
  readonly better: Measure['better'];
  readonly cells: readonly string[];
  /** Ours by each peer's, of medians. */
  readonly ratios: readonly number[];
  readonly aim: Measure['aim'];
};

export function rowsOf({ contestants, measures, runs }: Race): readonly Row[] {
  return Object.entries(measures).map(([key, { label, digits, better, aim }]) => {
    const values = contestants.map((name) => (runs[name] ?? []).map((run) => run[key] as number));
    const [ours = Number.NaN, ...peers] = values.map(median);
    return {
      label,
      better,
      // A contestant has no value for what it cannot do.
      cells: values.map((list) => (list.every(Number.isFinite) ? spreadOf(list, digits) : '–')),
      ratios: peers.map((peer) => ours / peer),
      aim,
    };
  });
}

/** Whether a ratio keeps to the floor. */
export function keeps({ better, aim }: Pick<Row, 'better' | 'aim'>, ratio: number): boolean {
  if (aim === undefined) return true;
  return better === 'more' ? ratio >= aim.floor : ratio <= aim.floor;
}

/** Returns the title and a Markdown table. */
export function tableOf(race: Race): readonly string[] {
  const { title, contestants } = race;
  const [, ...peers] = contestants;
  const rows = rowsOf(race);
  const hasAims = rows.some(({ aim }) => aim !== undefined);
  const heads = [
    '',
    ...contestants,
    ...peers.map((peer) => `ratio to ${peer}`),
    ...(hasAims ? ['floor → goal'] : []),
  ];
  const lines = rows.map(({ label, cells, ratios, better, aim }) => {
    const shown = ratios.map((ratio, i) => {
      const text = Number.isFinite(ratio) ? ratio.toFixed(2) : '–';
      return i === 0 && !keeps({ better, aim }, ratio) ? `${text} (not met)` : text;
    });
    const aims = aim ? `${aim.floor} → ${aim.goal}` : '';
    return `| ${[label, ...cells, ...shown, ...(hasAims ? [aims] : [])].join(' | ')} |`;
  });
  return [
    title,
    '',
    `| ${heads.join(' | ')} |`,
    `|---|${heads
      .slice(1)
      .map(() => '--:|')
      .join('')}`,
    ...lines,
  ];
}

/** One run of a point of a curve. */
export type Sample = {
  readonly cpuMicros: number;
  /** From the start of the process until every partition has committed something. */
  readonly startMs: number;
  readonly memoryMb: number;
};

/** The result of `make flat`: how the cost of an event changes with one size. */
export type Curve = {
  readonly of: string;
  readonly date: string;
  readonly events: number;
  readonly points: readonly { readonly at: number; readonly samples: readonly Sample[] }[];
};

/** Returns a Markdown table. */
export function curveTableOf({ of, points }: Curve): readonly string[] {
  const lines = points.map(({ at, samples }) => {
    const spread = (value: (sample: Sample) => number, digits: number) =>
      spreadOf(samples.map(value), digits);
    const cells = [
      at,
      spread(({ cpuMicros }) => cpuMicros, 1),
      spread(({ startMs }) => startMs / 1_000, 1),
      spread(({ memoryMb }) => memoryMb, 0),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const head = `| ${of} | CPU µs per event | start until every partition is at work, s | largest memory, MB |`;
  return [head, '|--:|--:|--:|--:|', ...lines];
}
