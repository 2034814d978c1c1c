/** Runs something for several partitions at once, and returns the results by partition. */
export async function byPartition<T>(
  partitions: readonly number[],
  run: (partition: number) => Promise<T>,
): Promise<ReadonlyMap<number, T>> {
  const all = partitions.map(async (partition) => [partition, await run(partition)] as const);
  return new Map(await Promise.all(all));
}

/** Returns the numbers of so many partitions. */
export const firstPartitions = (count: number) => Array.from({ length: count }, (_, i) => i);
