/**
 * A fetch below the start of the log continues at its start, in memory. KafkaJS commits the offset
 * -2 for the group instead, outside of any transaction: the position that says how many records
 * retention deleted is overwritten, and autoscalers read a lag that does not exist.
 */

import type { Cluster } from './internals.ts';
import { prototypeOf } from './modules.ts';

type TopicPartition = { readonly topic: string; readonly partition: number };

type OffsetManager = {
  readonly cluster: Cluster & {
    fetchTopicsOffset(
      topics: readonly {
        readonly topic: string;
        readonly fromBeginning: true;
        readonly partitions: readonly { readonly partition: number }[];
      }[],
    ): Promise<readonly { readonly partitions: readonly { readonly offset: string }[] }[]>;
  };
  setDefaultOffset(place: TopicPartition): Promise<void>;
  resolveOffset(place: TopicPartition & { readonly offset: string }): void;
};

export function patchOffsetManager(): void {
  const prototype = prototypeOf<OffsetManager>('consumer/offsetManager');
  prototype.setDefaultOffset = async function patchedSetDefaultOffset({ topic, partition }) {
    const asked = { topic, fromBeginning: true, partitions: [{ partition }] } as const;
    const [found] = await this.cluster.fetchTopicsOffset([asked]);
    const start = found?.partitions[0]?.offset;
    if (start === undefined) throw new Error(`no start of ${topic}/${partition} in the response`);
    // The offset before the next one.
    this.resolveOffset({ topic, partition, offset: String(BigInt(start) - 1n) });
  };
}
