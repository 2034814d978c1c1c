/** A value whose file may be replaced while the service runs, such as a certificate. */

export type Read<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'problem'; readonly text: string };

export class Rereadable<T> {
  readonly #read: (() => Read<T>) | undefined;
  #last: T;
  #problem: string | undefined;

  /** @param read reads the file again; without it the value never changes */
  constructor(first: T, read?: () => Read<T>) {
    this.#last = first;
    this.#read = read;
  }

  /** Returns whether the value comes from a file, and so may change. */
  get isFile(): boolean {
    return this.#read !== undefined;
  }

  /** Reads the file again. Returns the last good value if the file cannot be used now. */
  current(): T {
    const result = this.#read?.();
    if (result?.kind === 'value') this.#last = result.value;
    this.#problem = result?.kind === 'problem' ? result.text : undefined;
    return this.#last;
  }

  /** Returns why the file could not be used at the last `current`, as a sentence. */
  get problem(): string | undefined {
    return this.#problem;
  }
}
