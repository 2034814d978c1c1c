/**
 * Assigns partitions to members as evenly as possible. A partition stays with its member if it can,
 * because its restored state is there.
 */

export type Member = { readonly id: string; readonly owned: readonly number[] };

export function assign(
  members: readonly Member[],
  partitions: readonly number[],
): ReadonlyMap<string, readonly number[]> {
  const free = new Set(partitions);
  // Members that own more get the larger shares. Ties are broken by id, so that the result depends
  // on nothing else.
  const byOwned = [...members].sort(
    (a, b) => b.owned.length - a.owned.length || (a.id < b.id ? -1 : 1),
  );
  const larger = partitions.length % members.length;
  const share = (rank: number) =>
    Math.floor(partitions.length / members.length) + (rank < larger ? 1 : 0);
  const kept = byOwned.map(({ owned }, rank) => {
    const keeps: number[] = [];
    for (const partition of owned) {
      // delete() returns whether it was there: if two members claim a partition, the first gets it.
      if (keeps.length < share(rank) && free.delete(partition)) keeps.push(partition);
    }
    return keeps;
  });
  const rest = [...free].sort((a, b) => a - b);
  return new Map(
    byOwned.map(({ id }, rank) => {
      const keeps = kept[rank] ?? [];
      return [id, [...keeps, ...rest.splice(0, share(rank) - keeps.length)].sort((a, b) => a - b)];
    }),
  );
}
