/** What becomes of a worker's place when the worker has died. */

export type Death = {
  /** Whether any worker of this supervisor has ever got as far as running. */
  readonly hasAnyRun: boolean;
  /** It ended by itself, and was not killed: it has found a reason. */
  readonly isByItself: boolean;
  readonly livedMs: number;
  /** Deaths of this place before this one, each after a short life, in a row. */
  readonly shortLivesBefore: number;
};

export type Consequence =
  | { readonly kind: 'replace'; readonly waitMs: number; readonly shortLives: number }
  | { readonly kind: 'give-up' };

/** Who lives for so long has died of something new. */
const shortLifeMs = 60_000;

/** A restart of the whole may help where so many of one worker have not; whoever runs us sees it then. */
const maxShortLives = 5;

const firstWaitMs = 1_000;

export function restartPolicy(death: Death): Consequence {
  // What keeps the first from starting, keeps each of them: a setting, a missing topic, a port.
  if (!death.hasAnyRun && death.isByItself) return { kind: 'give-up' };
  const shortLives = death.livedMs < shortLifeMs ? death.shortLivesBefore + 1 : 0;
  if (shortLives > maxShortLives) return { kind: 'give-up' };
  // At once, then after 1, 2, 4, 8 s.
  const waitMs = shortLives < 2 ? 0 : firstWaitMs * 2 ** (shortLives - 2);
  return { kind: 'replace', waitMs, shortLives };
}
