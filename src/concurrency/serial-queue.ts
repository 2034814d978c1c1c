/** Runs tasks one after the other, in the order in which they were added. */

export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Runs the task when every earlier one has settled.
   * @throws what the task throws; later tasks still run
   */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
