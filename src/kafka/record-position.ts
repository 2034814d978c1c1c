/** Where a record stands, and how that is written. Pure. */

export type RecordPosition = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
};

export const formatPosition = ({ topic, partition, offset }: RecordPosition) =>
  `${topic}/${partition}@${offset}`;
