/** The result of a reconciliation, and its text for people. Pure. */

/** A publication that never reached us. */
export type Gap = {
  readonly publicationId: string;
  readonly codes: readonly string[];
  readonly customerId: string | null;
  /** ISO 8601, as the vendor writes it. */
  readonly createdAt: string;
  /** Older than DEDUP_WINDOW: backfilled only with --allow-stale. */
  readonly isTooOld: boolean;
  readonly isBackfilled: boolean;
};

/** A row of which it cannot be said whether its publication is missing. */
export type Undecided = {
  /** Line of the export. */
  readonly line: number;
  readonly codes: readonly string[];
  readonly reason: string;
};

export type Report = {
  readonly runId: string;
  readonly isResumed: boolean;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly until: number;
  /** Rows of the census; a publication of several vouchers may have several. */
  readonly rows: number;
  readonly present: number;
  /** By reason. */
  readonly parked: Readonly<Record<string, number>>;
  /** On raw and not processed, or younger than the overlap. */
  readonly inFlight: number;
  readonly missing: readonly Gap[];
  readonly backfilled: number;
  /** By an attempt of this run that was killed; they count as present. */
  readonly backfilledEarlier: number;
  readonly undecided: readonly Undecided[];
  readonly withoutCampaign: number;
  readonly isExecuted: boolean;
  /** Calls of this attempt; those of attempts that were killed are not known. */
  readonly apiCalls: number;
  /** As the vendor last said; undefined if it did not. */
  readonly callsLeft: number | undefined;
};

/** Returns how many publications are missing after the run, or may be. */
export function missingOf({ missing, undecided }: Report): number {
  return undecided.length + missing.filter(({ isBackfilled }) => !isBackfilled).length;
}

/** Returns whether a publication is missing after the run, or may be. */
export function hasGap(report: Report): boolean {
  return missingOf(report) > 0;
}

const shownAtMost = 100;

export function renderReport(report: Report): readonly string[] {
  const { rows, present, parked, inFlight, missing, undecided } = report;
  const time = (ms: number) => new Date(ms).toISOString();
  const line = (name: string, count: number, note = '') =>
    `${name.padEnd(14)} ${String(count).padStart(9)}${note && `  ${note}`}`;
  const tooOld = missing.filter(({ isTooOld }) => isTooOld).length;
  const earlier = report.backfilledEarlier;
  return [
    `run ${report.runId}${report.isResumed ? ' (resumed)' : ''}: publications from ${time(report.since)} to ${time(report.until)}`,
    '',
    line('expected', rows, "rows of Voucherify's export"),
    line('present', present),
    ...Object.entries(parked).map(([reason, count]) => line('parked', count, reason)),
    line('in flight', inFlight, 'younger than the overlap, or waiting for a processor'),
    line('missing', missing.length),
    ...(report.isExecuted
      ? [
          line(
            'backfilled',
            report.backfilled,
            earlier > 0 ? `and ${earlier} before it was killed` : '',
          ),
        ]
      : []),
    ...(tooOld > 0
      ? [line('too old', tooOld, 'older than DEDUP_WINDOW: --allow-stale backfills them')]
      : []),
    line('not decidable', undecided.length),
    ...listed(missing, ({ publicationId, codes, customerId, createdAt, isBackfilled }) => {
      const state = isBackfilled ? 'backfilled' : 'missing   ';
      return `${state} ${createdAt}  ${publicationId}  ${codes.join(', ')}  ${customerId ?? 'no customer'}`;
    }),
    ...listed(
      undecided,
      ({ line: number, codes, reason }) =>
        `not decidable: line ${number} of the export, ${codes.join(', ') || 'no voucher'}: ${reason}`,
    ),
    '',
    ...(rows > 0 && report.withoutCampaign === 0
      ? [
          'the export has no row without a campaign: if vouchers without one are published, check whether it lists them',
        ]
      : []),
    `${report.apiCalls} API calls${report.callsLeft === undefined ? '' : `, ${report.callsLeft} left`}`,
    ...(missing.length > 0 && !report.isExecuted
      ? ['nothing was written: --execute backfills them']
      : []),
  ];
}

function listed<T>(all: readonly T[], render: (one: T) => string): readonly string[] {
  if (all.length === 0) return [];
  const more = all.length - shownAtMost;
  return [
    '',
    ...all.slice(0, shownAtMost).map(render),
    ...(more > 0 ? [`… and ${more} more (--json lists all)`] : []),
  ];
}
