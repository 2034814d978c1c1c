/** Exactly what one transaction holds: the outputs, the dead letters, the journal's record, and the group's next offset. */

import type { Batch, PublicationSucceeded } from '../codec/records.ts';
import type { Encoder } from '../codec/wire.ts';
import { deadLetterHeaders } from '../dead-letters/letter.ts';
import type { InputRecord } from '../kafka/group.ts';
import type { OutputRecord, Transaction } from '../kafka/transactional.ts';
import type { Catalog } from '../topics/catalog.ts';
import type { Decision, Plan } from './decide.ts';

export type Assembly = {
  readonly catalog: Pick<Catalog, 'raw' | 'deadLetters' | 'journal'>;
  readonly group: string;
  readonly encodeEvent: (topic: string) => Encoder<PublicationSucceeded>;
  readonly encodeBatch: Encoder<Batch>;
  readonly cloudEvent: (topic: string) => CloudEventConstants;
};

/** The headers that are equal in every event of a topic, as bytes. */
export type CloudEventConstants = Readonly<
  Record<'ce_specversion' | 'ce_source' | 'ce_type' | 'ce_dataschema' | 'content-type', Buffer>
>;

/** @param dataSchema the registry's address of the topic's schema */
export function cloudEventConstants(
  source: string,
  type: string,
  dataSchema: string,
): CloudEventConstants {
  return {
    ce_specversion: Buffer.from('1.0'),
    ce_source: Buffer.from(source),
    ce_type: Buffer.from(type),
    ce_dataschema: Buffer.from(dataSchema),
    'content-type': Buffer.from('application/avro'),
  };
}

/** Outputs leave on the partition on which they came, which keeps the transaction's markers few and the order by publication. */
export function assemble(
  records: readonly InputRecord[],
  { decisions, batch }: Plan,
  partition: number,
  assembly: Assembly,
): Transaction {
  const { catalog, group } = assembly;
  const byTopic = new Map<string, OutputRecord[]>();
  const put = (topic: string, record: OutputRecord) => {
    const list = byTopic.get(topic);
    if (list) list.push(record);
    else byTopic.set(topic, [record]);
  };
  for (const [i, decision] of decisions.entries()) {
    const record = records[i] as InputRecord;
    if (decision.kind === 'forward') {
      put(decision.topic, output(decision, partition, assembly));
    } else if (decision.kind === 'dead-letter') {
      const letter = deadLetter(record, decision, partition, batch, catalog.raw);
      put(catalog.deadLetters, letter);
    }
  }
  put(catalog.journal, {
    partition,
    value: assembly.encodeBatch(batch),
    timestamp: String(batch.processedAt),
  });
  return {
    records: [...byTopic].map(([topic, messages]) => ({ topic, messages })),
    offsets: { group, topic: catalog.raw, partition, offset: batch.to },
  };
}

/** CloudEvents 1.0.2, Kafka binding, binary mode. ce_id is the publication id: a consumer that sees an id of this source twice may drop it. */
function output(
  { topic, event }: Decision & { kind: 'forward' },
  partition: number,
  { encodeEvent, cloudEvent }: Assembly,
): OutputRecord {
  const id = Buffer.from(event.publicationId);
  return {
    partition,
    key: id,
    value: encodeEvent(topic)(event),
    headers: {
      ...cloudEvent(topic),
      ce_id: id,
      ce_subject: id,
      ce_partitionkey: id,
      ce_time: isoOf(event.occurredAt),
      ce_recordedtime: isoOf(event.receivedAt),
      // The raw record's ce_id, as bridge/record.ts chose it.
      ce_causationid: event.eventId ?? id,
      ...(event.groupId === null ? {} : { ce_correlationid: event.groupId }),
    },
  };
}

/** Events of a batch share most of their arrival times: the last text is kept. */
let lastIso = { ms: 0, text: new Date(0).toISOString() };

function isoOf(ms: number): string {
  if (ms !== lastIso.ms) {
    lastIso = { ms, text: new Date(ms).toISOString() };
  }
  return lastIso.text;
}

function deadLetter(
  { key, value, headers, offset }: InputRecord,
  { letter }: Decision & { kind: 'dead-letter' },
  partition: number,
  { processedAt }: Batch,
  topic: string,
): OutputRecord {
  const origin = { topic, partition, offset: Number(offset) };
  return {
    partition,
    key,
    value,
    headers: { ...headers, ...deadLetterHeaders(letter, origin, processedAt) },
  };
}
