/** Whether this process is ready, and if not, why: what /readyz answers. Liveness is that it answers at all (kubernetes.io: never ask others). */

export type Health = {
  /** Says that a part is not ready, with the reason a person reads. */
  readonly notReady: (part: string, reason: string) => void;
  readonly ready: (part: string) => void;
  readonly status: () => { readonly isReady: boolean; readonly parts: Record<string, string> };
};

export function createHealth(parts: readonly string[]): Health {
  const reasons = new Map(parts.map((part) => [part, 'starting']));
  return {
    notReady: (part, reason) => void reasons.set(part, reason),
    ready: (part) => void reasons.set(part, 'ready'),
    status: () => ({
      isReady: [...reasons.values()].every((reason) => reason === 'ready'),
      parts: Object.fromEntries(reasons),
    }),
  };
}
