/** A counter with two labels, for what happens ten thousand times a second: prom-client's own writes the labels into a text to find their series. */

import { Counter, type CounterConfiguration } from 'prom-client';

type Configuration<Label extends string> = Omit<CounterConfiguration<Label>, 'labelNames'> & {
  readonly labelNames: readonly [Label, Label];
};

export class PairCounter<Label extends string> extends Counter<Label> {
  readonly #names: readonly [Label, Label];
  /** What has been counted since it was last asked, by the first label's value and the second's. Closed lists: it does not grow. */
  readonly #counts = new Map<string, Map<string, number>>();

  constructor(configuration: Configuration<Label>) {
    super({ ...configuration, labelNames: [...configuration.labelNames] });
    this.#names = configuration.labelNames;
  }

  /** @param by 0 shows the series before anything has happened */
  count(first: string, second: string, by = 1): void {
    const counts = this.#counts.get(first);
    if (counts) counts.set(second, (counts.get(second) ?? 0) + by);
    else this.#counts.set(first, new Map([[second, by]]));
  }

  /** Asked by prom-client for everything that it shows. */
  override get(): ReturnType<Counter<Label>['get']> {
    const [one, other] = this.#names;
    for (const [first, counts] of this.#counts) {
      for (const [second, by] of counts) {
        this.inc({ [one]: first, [other]: second } as Record<Label, string>, by);
      }
    }
    this.#counts.clear();
    return super.get();
  }
}
