/** The position of a record, and how it is written: topic/partition@offset. Pure. */

export type RecordPosition = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
};

export function formatPosition({ topic, partition, offset }: RecordPosition): string {
  return `${topic}/${partition}@${offset}`;
}
