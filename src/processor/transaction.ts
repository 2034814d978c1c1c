/** Exactly what one transaction holds: the outputs, the dead letters, the journal's record, and the group's next offset. */

import type { Batch, PublicationSucceeded } from '../codec/records.ts';
import type { Encoder } from '../codec/wire.ts';
import { deadLetterHeaders } from '../dead-letters/letter.ts';
import type { InputRecord } from '../kafka/group.ts';
import { partitionOf } from '../kafka/partition-of.ts';
import type { OutputRecord, Transaction } from '../kafka/transactional.ts';
import type { Catalog } from '../topics/catalog.ts';
import type { Decision, Plan } from './decide.ts';
import type { Output } from './outputs.ts';

export type Assembly = {
  readonly catalog: Pick<Catalog, 'raw' | 'deadLetters' | 'journal'>;
  readonly group: string;
  readonly encodeEvent: (topic: string) => Encoder<PublicationSucceeded>;
  readonly encodeBatch: Encoder<Batch>;
  readonly cloudEvent: (topic: string) => CloudEventConstants;
  /** Of every output topic, at least. */
  readonly partitions: number;
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

/** Outputs leave on the partition on which they came, unless their route gives them another key. */
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
      for (const output of decision.outputs) {
        put(output.topic, outputRecord(output, partition, batch.routesVersion, assembly));
      }
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

/** CloudEvents 1.0.2, Kafka binding, binary mode. ce_id is the publication id (with the voucher's number, where a route explodes the event): a consumer that sees an id of this source twice may drop it. */
function outputRecord(
  { topic, route, event, id: eventId, key }: Output,
  partition: number,
  routesVersion: string,
  { encodeEvent, cloudEvent, partitions }: Assembly,
): OutputRecord {
  const subject = Buffer.from(event.publicationId);
  const id = eventId === event.publicationId ? subject : Buffer.from(eventId);
  const partitionKey = key === undefined ? subject : Buffer.from(key);
  return {
    // As it came, which keeps the transaction's markers few; another key must always lead to the same place.
    partition: key === undefined ? partition : partitionOf(partitionKey, partitions),
    key: partitionKey,
    value: encodeEvent(topic)(event),
    headers: {
      ...cloudEvent(topic),
      ce_id: id,
      ce_subject: subject,
      ce_partitionkey: partitionKey,
      ce_time: isoOf(event.occurredAt),
      ce_recordedtime: isoOf(event.receivedAt),
      // The raw record's ce_id, as bridge/record.ts chose it.
      ce_causationid: event.eventId ?? subject,
      ...(event.groupId === null ? {} : { ce_correlationid: event.groupId }),
      'voucherbus.route': bytesOf(route),
      'voucherbus.routes': bytesOf(routesVersion),
    },
  };
}

/** Names of routes and of their versions are few. */
const knownBytes = new Map<string, Buffer>();

function bytesOf(text: string): Buffer {
  const bytes = knownBytes.get(text) ?? Buffer.from(text);
  if (knownBytes.size < 10_000) knownBytes.set(text, bytes);
  return bytes;
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
