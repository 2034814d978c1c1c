/** Whether this process is ready, and if not, why: what /readyz answers. Liveness is that it answers at all (kubernetes.io: never ask others). */

export type Status = {
  readonly isReady: boolean;
  /** 'ready', or the reason why not, by part. */
  readonly parts: Readonly<Record<string, string>>;
};

export type Health = {
  /** Says that a part is not ready, with the reason a person reads. */
  readonly notReady: (part: string, reason: string) => void;
  readonly ready: (part: string) => void;
  /** Something to know beside the parts, which changes nothing. */
  readonly note: (name: string, text: string) => void;
  readonly status: () => Status;
};

export function createHealth(parts: readonly string[]): Health {
  const reasons = new Map(parts.map((part) => [part, 'starting']));
  const notes = new Map<string, string>();
  return {
    notReady: (part, reason) => void reasons.set(part, reason),
    ready: (part) => void reasons.set(part, 'ready'),
    note: (name, text) => void notes.set(name, text),
    status: () => ({
      isReady: [...reasons.values()].every((reason) => reason === 'ready'),
      parts: Object.fromEntries([...reasons, ...notes]),
    }),
  };
}
