/**
 * Reads a partition's log without the broker's help: the markers in it tell whether a record is
 * committed, aborted or still open. Shares nothing with the processor's own filter, which uses the
 * broker's list of aborted transactions.
 */

import type { LogReader, Range } from '../kafka/log-reader.ts';
import type { BatchHeader, ReadRecord } from '../kafka/protocol/record-batch-reader.ts';

type Scanned = { readonly record: ReadRecord; state: 'committed' | 'aborted' | 'open' };
export type ScannedRecord = Readonly<Scanned>;

/** Returns every record of the range, in the log's order. */
export async function readLog(reader: LogReader, range: Range): Promise<readonly ScannedRecord[]> {
  const scanned: Scanned[] = [];
  const openByProducer = new Map<bigint, Scanned[]>();
  for await (const batch of reader.batches(range)) {
    const { producerId, isTransactional } = batch;
    if (batch.isControl) {
      const state = isCommit(batch) ? 'committed' : 'aborted';
      for (const one of openByProducer.get(producerId) ?? []) one.state = state;
      openByProducer.delete(producerId);
      continue;
    }
    const state = isTransactional ? 'open' : 'committed';
    const records: Scanned[] = [...batch.records()]
      .filter(({ offset }) => offset >= range.from)
      .map((record) => ({ record, state }));
    scanned.push(...records);
    if (isTransactional) {
      openByProducer.set(producerId, [...(openByProducer.get(producerId) ?? []), ...records]);
    }
  }
  return scanned;
}

/**
 * The control record's key: version and type, two bytes each; 0 is ABORT, 1 is COMMIT (Kafka's
 * ControlRecordType).
 */
function isCommit(batch: BatchHeader): boolean {
  for (const { key } of batch.records()) return key?.readInt16BE(2) === 1;
  return false;
}
