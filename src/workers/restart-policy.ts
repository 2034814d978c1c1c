/** Decides whether a worker that has died is replaced, and when. Pure. */

export type Death = {
  /** Whether any worker of this supervisor has ever run. */
  readonly hasAnyRun: boolean;
  /** Whether it ended for a reason that it found, and was not killed. */
  readonly isByItself: boolean;
  readonly livedMs: number;
  /** Earlier deaths in this slot after a short life, in a row. */
  readonly shortLivesBefore: number;
};

export type Restart =
  | { readonly kind: 'replace'; readonly waitMs: number; readonly shortLives: number }
  | { readonly kind: 'give-up' };

/** A worker that ran longer than this resets the crash counter. */
const shortLifeMs = 60_000;

/**
 * After so many short lives in a row the whole process ends, so that its operator notices and
 * restarts it.
 */
const maxShortLives = 5;

const firstWaitMs = 1_000;

export function restartPolicy(death: Death): Restart {
  // What stops the first worker from starting stops all of them: a setting, a missing topic, a
  // port.
  if (!death.hasAnyRun && death.isByItself) return { kind: 'give-up' };
  const shortLives = death.livedMs < shortLifeMs ? death.shortLivesBefore + 1 : 0;
  if (shortLives > maxShortLives) return { kind: 'give-up' };
  // At once, then after 1, 2, 4, 8 s.
  const waitMs = shortLives < 2 ? 0 : firstWaitMs * 2 ** (shortLives - 2);
  return { kind: 'replace', waitMs, shortLives };
}
