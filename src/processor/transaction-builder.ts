/**
 * Builds one transaction: the outputs, the dead letters, the journal record, and the group's next
 * offset.
 */

import type { Encoder } from '../avro/encoder.ts';
import type { JournalRecord } from '../avro/records.ts';
import { Arena } from '../buffers/arena.ts';
import { type DeadLetter, deadLetterHeaders, type Failure } from '../dead-letters/letter.ts';
import type { InputRecord } from '../kafka/group.ts';
import { partitionOf } from '../kafka/protocol/murmur2.ts';
import type { OutputRecord, Transaction } from '../kafka/transactional-producer.ts';
import type { TraceHeaders } from '../observability/tracing.ts';
import type { Catalog } from '../topics/catalog.ts';
import type { Decision } from './decide.ts';
import type { EventEncoders } from './event-encoders.ts';
import type { Output } from './outputs.ts';

export type Assembly = {
  readonly catalog: Pick<Catalog, 'raw' | 'deadLetters' | 'journal'>;
  readonly group: string;
  readonly encoders: Pick<EventEncoders, 'encode' | 'constants'>;
  readonly encodeJournalRecord: Encoder<JournalRecord>;
  /** Partitions of raw: every output topic has at least as many. */
  readonly partitions: number;
};

export class TransactionBuilder {
  readonly #partition: number;
  readonly #routesVersion: string;
  readonly #processedAtMs: number;
  readonly #assembly: Assembly;
  readonly #arena = new Arena();
  readonly #byTopic = new Map<string, OutputRecord[]>();

  constructor(partition: number, routesVersion: string, processedAtMs: number, assembly: Assembly) {
    this.#partition = partition;
    this.#routesVersion = routesVersion;
    this.#processedAtMs = processedAtMs;
    this.#assembly = assembly;
  }

  /**
   * Adds what a decision writes.
   * @param trace of the outputs. A dead letter keeps the record's own headers
   */
  add(record: InputRecord, decision: Decision, trace?: TraceHeaders): void {
    const { raw, deadLetters } = this.#assembly.catalog;
    if (decision.kind === 'forward') {
      for (const output of decision.outputs) {
        this.#put(output.topic, this.#outputRecord(output, trace));
      }
    } else if (decision.kind === 'dead-letter') {
      const offset = Number(record.offset);
      const origin = { topic: raw, partition: this.#partition, offset };
      const failure = { failedAtMs: this.#processedAtMs, routesVersion: this.#routesVersion };
      const letter = deadLetter(record, decision.letter, { origin, ...failure });
      this.#put(deadLetters, letter);
    }
  }

  /** Adds the journal record, and returns the whole transaction with the memory of its values. */
  finish(journalRecord: JournalRecord): Transaction {
    const { catalog, group, encodeJournalRecord } = this.#assembly;
    const partition = this.#partition;
    const value = encodeJournalRecord(journalRecord, this.#arena);
    const timestamp = String(journalRecord.processedAt);
    this.#put(catalog.journal, { partition, value, timestamp });
    return {
      records: [...this.#byTopic].map(([topic, messages]) => ({ topic, messages })),
      offsets: { group, topic: catalog.raw, partition, offset: journalRecord.to },
      arena: this.#arena,
    };
  }

  #put(topic: string, record: OutputRecord): void {
    const list = this.#byTopic.get(topic);
    if (list) list.push(record);
    else this.#byTopic.set(topic, [record]);
  }

  /**
   * Returns an event as a CloudEvent (1.0.2, Kafka binding, binary mode). ce_id is the publication
   * id, with the voucher's number if a route explodes the event. A consumer may drop a repeated id.
   */
  #outputRecord(
    { topic, route, event, id: eventId, key }: Output,
    trace: TraceHeaders | undefined,
  ): OutputRecord {
    const { encoders, partitions } = this.#assembly;
    const subject = Buffer.from(event.publicationId);
    const partitionKey = key === undefined ? subject : Buffer.from(key);
    return {
      // The input's partition keeps the number of transaction markers small. Another key must
      // always lead to the same partition.
      partition: key === undefined ? this.#partition : partitionOf(partitionKey, partitions),
      key: partitionKey,
      value: encoders.encode(topic)(event, this.#arena),
      headers: {
        ...encoders.constants(topic),
        ce_id: eventId === event.publicationId ? subject : Buffer.from(eventId),
        ce_subject: subject,
        ce_partitionkey: partitionKey,
        ce_time: isoOf(event.occurredAt),
        ce_recordedtime: isoOf(event.receivedAt),
        // The raw record's ce_id, as bridge/raw-record.ts chose it.
        ce_causationid: event.eventId ?? subject,
        ...(event.groupId === null ? {} : { ce_correlationid: event.groupId }),
        'voucherbus.route': bytesOf(route),
        'voucherbus.routes': bytesOf(this.#routesVersion),
        ...trace,
      },
    };
  }
}

/** Names of routes and of their versions repeat from event to event. */
const knownBytes = new Map<string, Buffer>();

function bytesOf(text: string): Buffer {
  const bytes = knownBytes.get(text) ?? Buffer.from(text);
  if (knownBytes.size < 10_000) knownBytes.set(text, bytes);
  return bytes;
}

/** The last formatted time: the events of a batch share most of their arrival times. */
let lastIso = { ms: 0, text: new Date(0).toISOString() };

function isoOf(ms: number): string {
  if (ms !== lastIso.ms) lastIso = { ms, text: new Date(ms).toISOString() };
  return lastIso.text;
}

function deadLetter(
  { key, value, headers }: InputRecord,
  letter: DeadLetter,
  failure: Failure,
): OutputRecord {
  return {
    partition: failure.origin.partition,
    key,
    value,
    headers: { ...headers, ...deadLetterHeaders(letter, failure) },
  };
}
