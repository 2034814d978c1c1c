/** Where a record stands, and how that is written. Pure. */

export type Place = { readonly topic: string; readonly partition: number; readonly offset: number };

export const nameOf = ({ topic, partition, offset }: Place) => `${topic}/${partition}@${offset}`;
