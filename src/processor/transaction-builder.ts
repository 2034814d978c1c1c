/** Exactly what one transaction holds: the outputs, the dead letters, the journal's record, and the group's next offset. */

import { Arena } from '../avro/arena.ts';
import type { Encoder } from '../avro/encoder.ts';
import type { JournalRecord, PublicationSucceeded } from '../avro/records.ts';
import { type DeadLetter, deadLetterHeaders, type Origin } from '../dead-letters/letter.ts';
import type { InputRecord } from '../kafka/group.ts';
import { partitionOf } from '../kafka/protocol/murmur2.ts';
import type { OutputRecord, Transaction } from '../kafka/transactional-producer.ts';
import type { Catalog } from '../topics/catalog.ts';
import type { Decision, Rules } from './decide.ts';
import type { Output } from './outputs.ts';

export type Assembly = {
  readonly catalog: Pick<Catalog, 'raw' | 'deadLetters' | 'journal'>;
  readonly group: string;
  readonly encodeEvent: (topic: string) => Encoder<PublicationSucceeded>;
  readonly encodeJournalRecord: Encoder<JournalRecord>;
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

/** One transaction as it fills, record by record. */
export class TransactionBuilder {
  readonly #partition: number;
  readonly #routesVersion: string;
  readonly #processedAtMs: number;
  readonly #assembly: Assembly;
  readonly #arena = new Arena();
  readonly #byTopic = new Map<string, OutputRecord[]>();

  constructor(partition: number, { routes }: Rules, processedAtMs: number, assembly: Assembly) {
    this.#partition = partition;
    this.#routesVersion = routes.version;
    this.#processedAtMs = processedAtMs;
    this.#assembly = assembly;
  }

  /** Outputs leave on the partition on which they came, unless their route gives them another key. */
  add(record: InputRecord, decision: Decision): void {
    const { catalog } = this.#assembly;
    if (decision.kind === 'forward') {
      for (const output of decision.outputs) {
        const { topic } = output;
        this.#put(
          topic,
          outputRecord(output, this.#partition, this.#routesVersion, this.#arena, this.#assembly),
        );
      }
    } else if (decision.kind === 'dead-letter') {
      const origin = {
        topic: catalog.raw,
        partition: this.#partition,
        offset: Number(record.offset),
      };
      const letter = deadLetter(record, decision.letter, origin, this.#processedAtMs);
      this.#put(catalog.deadLetters, letter);
    }
  }

  /** With what the journal says of all of it. */
  closedWith(batch: JournalRecord): Transaction {
    const { catalog, group, encodeJournalRecord } = this.#assembly;
    const partition = this.#partition;
    const timestamp = String(batch.processedAt);
    this.#put(catalog.journal, {
      partition,
      value: encodeJournalRecord(batch, this.#arena),
      timestamp,
    });
    return {
      records: [...this.#byTopic].map(([topic, messages]) => ({ topic, messages })),
      offsets: { group, topic: catalog.raw, partition, offset: batch.to },
    };
  }

  /** The transaction is committed: the memory of its values is given back. */
  giveBack(): void {
    this.#arena.giveBack();
  }

  #put(topic: string, record: OutputRecord): void {
    const list = this.#byTopic.get(topic);
    if (list) list.push(record);
    else this.#byTopic.set(topic, [record]);
  }
}

/** CloudEvents 1.0.2, Kafka binding, binary mode. ce_id is the publication id (with the voucher's number, where a route explodes the event): a consumer that sees an id of this source twice may drop it. */
function outputRecord(
  { topic, route, event, id: eventId, key }: Output,
  partition: number,
  routesVersion: string,
  arena: Arena,
  { encodeEvent, cloudEvent, partitions }: Assembly,
): OutputRecord {
  const subject = Buffer.from(event.publicationId);
  const id = eventId === event.publicationId ? subject : Buffer.from(eventId);
  const partitionKey = key === undefined ? subject : Buffer.from(key);
  return {
    // As it came, which keeps the transaction's markers few; another key must always lead to the same place.
    partition: key === undefined ? partition : partitionOf(partitionKey, partitions),
    key: partitionKey,
    value: encodeEvent(topic)(event, arena),
    headers: {
      ...cloudEvent(topic),
      ce_id: id,
      ce_subject: subject,
      ce_partitionkey: partitionKey,
      ce_time: isoOf(event.occurredAt),
      ce_recordedtime: isoOf(event.receivedAt),
      // The raw record's ce_id, as bridge/raw-record.ts chose it.
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
  { key, value, headers }: InputRecord,
  letter: DeadLetter,
  origin: Origin,
  processedAtMs: number,
): OutputRecord {
  return {
    partition: origin.partition,
    key,
    value,
    headers: { ...headers, ...deadLetterHeaders(letter, origin, processedAtMs) },
  };
}
