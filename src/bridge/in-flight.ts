/**
 * Bounds how many webhooks, and how many bytes of them, are in flight, and so the memory. When
 * full, it evicts the request whose body has been arriving the longest: the vendor sends a body at
 * once, so one that trickles is a fault or an attack.
 */

export type InFlightLimits = { readonly maxRequests: number; readonly maxBytes: number };

/** The permission of one request to hold memory. */
export type Permit = {
  /** Adds bytes. Returns false if there is no memory for them. */
  readonly grow: (bytes: number) => boolean;
  /** Call it when the body is complete: from then on the request is not evicted. */
  readonly complete: () => void;
  readonly release: () => void;
};

export class InFlight {
  readonly #limits: InFlightLimits;
  /**
   * Requests whose body is not complete, the oldest first, with what each does when it is evicted.
   */
  readonly #reading = new Map<Permit, () => void>();
  #requests = 0;
  #bytes = 0;

  constructor(limits: InFlightLimits) {
    this.#limits = limits;
  }

  get requests(): number {
    return this.#requests;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Returns a permit for one request; undefined if all are taken.
   * @param onEvicted called at most once, and not from within `acquire`, when the request is
   * evicted while its body is still being read
   */
  acquire(onEvicted: () => void): Permit | undefined {
    const { maxRequests, maxBytes } = this.#limits;
    const isFull = () => this.#requests >= maxRequests || this.#bytes >= maxBytes;
    while (isFull() && this.#evict()) {}
    if (isFull()) return undefined;
    let held = 0;
    let isHeld = true;
    const permit: Permit = {
      grow: (bytes) => {
        if (!isHeld) return false;
        while (this.#bytes + bytes > maxBytes && this.#evict(permit)) {}
        if (this.#bytes + bytes > maxBytes) return false;
        held += bytes;
        this.#bytes += bytes;
        return true;
      },
      complete: () => void this.#reading.delete(permit),
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#reading.delete(permit);
        this.#requests -= 1;
        this.#bytes -= held;
      },
    };
    this.#requests += 1;
    this.#reading.set(permit, onEvicted);
    return permit;
  }

  /** Returns whether a request other than `except` was evicted. */
  #evict(except?: Permit): boolean {
    for (const [permit, onEvicted] of this.#reading) {
      if (permit === except) continue;
      permit.release();
      onEvicted();
      return true;
    }
    return false;
  }
}
