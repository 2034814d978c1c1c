/**
 * A partition's log, judged without the broker's help: what each producer wrote is committed, aborted or still open by the markers that follow
 * it. Shares nothing with the processor's own filter, which believes the broker's list of aborted transactions.
 */

import type { Reader } from '../kafka/log-reader.ts';
import type { BatchHeader, ReadRecord } from '../kafka/protocol/record-batch-reader.ts';

type Verdict = { readonly record: ReadRecord; state: 'committed' | 'aborted' | 'open' };
export type ScannedRecord = Readonly<Verdict>;

/** Everything in [from, to), in the log's order. */
export async function readLog(
  reader: Reader,
  range: { topic: string; partition: number; from: number; to: number },
): Promise<readonly ScannedRecord[]> {
  const judged: Verdict[] = [];
  /** By producer id. */
  const undecided = new Map<bigint, Verdict[]>();
  await reader.scan({
    ...range,
    visit: (batch) => {
      if (batch.isControl) {
        const state = isCommit(batch) ? 'committed' : 'aborted';
        for (const one of undecided.get(batch.producerId) ?? []) one.state = state;
        undecided.delete(batch.producerId);
        return;
      }
      const state = batch.isTransactional ? 'open' : 'committed';
      const verdicts: Verdict[] = [...batch.records()]
        .filter(({ offset }) => offset >= range.from)
        .map((record) => ({ record, state }));
      judged.push(...verdicts);
      if (!batch.isTransactional) return;
      undecided.set(batch.producerId, [...(undecided.get(batch.producerId) ?? []), ...verdicts]);
    },
  });
  return judged;
}

/** The control record's key: version and type, two bytes each; 0 is ABORT, 1 is COMMIT (Kafka's ControlRecordType). */
function isCommit(batch: BatchHeader): boolean {
  for (const { key } of batch.records()) return key?.readInt16BE(2) === 1;
  return false;
}
