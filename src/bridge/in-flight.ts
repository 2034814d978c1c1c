/**
 * How many webhooks, and how many bytes of them, wait for their answer: bounded, so that the memory is. Where there is no room, whoever has been
 * sending its body for longest makes it: a webhook of the vendor arrives at once, a body that trickles is a fault or an attack.
 */

export type Limits = { readonly maxRequests: number; readonly maxBytes: number };

export type Permit = {
  /** So many more bytes are held. False: there is no room for them. */
  readonly grow: (bytes: number) => boolean;
  /** The body is whole: from now on nobody takes its place. */
  readonly complete: () => void;
  readonly leave: () => void;
};

export class InFlight {
  readonly #limits: Limits;
  /** Those whose body is not whole yet, the oldest first: what each does when it must go. */
  readonly #reading = new Map<Permit, () => void>();
  #requests = 0;
  #bytes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * A place for one request; undefined where there is none.
   * @param giveUp called, at most once and not from within `enter`, when another takes its place while the body is still read
   */
  enter(giveUp: () => void): Permit | undefined {
    const { maxRequests, maxBytes } = this.#limits;
    const isFull = () => this.#requests >= maxRequests || this.#bytes >= maxBytes;
    while (isFull() && this.#sendAway()) {}
    if (isFull()) return undefined;
    let held = 0;
    let isIn = true;
    const leave = () => {
      if (!isIn) return;
      isIn = false;
      this.#reading.delete(permit);
      this.#requests -= 1;
      this.#bytes -= held;
    };
    const permit: Permit = {
      grow: (bytes) => {
        // Someone gone holds nothing more.
        if (!isIn) return false;
        while (this.#bytes + bytes > maxBytes && this.#sendAway(permit)) {}
        if (this.#bytes + bytes > maxBytes) return false;
        held += bytes;
        this.#bytes += bytes;
        return true;
      },
      complete: () => void this.#reading.delete(permit),
      leave,
    };
    this.#requests += 1;
    this.#reading.set(permit, giveUp);
    return permit;
  }

  /** Whether anybody but this one was sent away. */
  #sendAway(except?: Permit): boolean {
    for (const [permit, giveUp] of this.#reading) {
      if (permit === except) continue;
      permit.leave();
      giveUp();
      return true;
    }
    return false;
  }
}
