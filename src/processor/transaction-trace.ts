/**
 * The spans of one transaction: one of its own, and one for each record whose trace is recorded. A
 * record's span continues the record's trace and links to the transaction's. So the trace of a
 * webhook stays small, however many webhooks share the transaction.
 */

import type { InputRecord } from '../kafka/group.ts';
import {
  addLink,
  fail,
  headersOf,
  isSampled,
  readTraceHeaders,
  type Span,
  type TraceHeaders,
  type Tracing,
} from '../observability/tracing.ts';
import type { Decision } from './decide.ts';

type Origin = { readonly raw: string; readonly partition: number; readonly group: string };

/** Backends refuse spans with more links; those of OpenTelemetry's SDK have this limit too. */
const maxLinks = 128;

export class TransactionTrace {
  readonly #tracing: Tracing;
  readonly #origin: Origin;
  #transaction: Span | undefined;
  /** By raw offset: a transaction that was too large is assembled again from fewer records. */
  readonly #records = new Map<string, Span>();

  constructor(tracing: Tracing, origin: Origin) {
    this.#tracing = tracing;
    this.#origin = origin;
  }

  /** Returns the trace context for what is written because of a record. */
  add(record: InputRecord, decision: Decision): TraceHeaders | undefined {
    const given = readTraceHeaders((name) => record.header(name));
    if (!given || !isSampled(given)) return given;
    const span = this.#records.get(record.offset) ?? this.#begin(record.offset, given);
    if (!span) return given;
    span.setAttribute('voucherbus.outcome', decision.kind);
    this.#records.set(record.offset, span);
    return headersOf(span);
  }

  /** Ends the spans of the transaction's records, those below the offset `to`. */
  end(size: number, to: number, failure?: string): void {
    const finish = (span: Span) => (failure === undefined ? span.end() : fail(span, failure));
    for (const [offset, span] of this.#records) if (Number(offset) < to) finish(span);
    this.#transaction?.setAttribute('messaging.batch.message_count', size);
    if (this.#transaction) finish(this.#transaction);
  }

  #begin(offset: string, parent: TraceHeaders): Span | undefined {
    const { raw: topic, partition, group } = this.#origin;
    const attributes = {
      'messaging.destination.partition.id': String(partition),
      'messaging.consumer.group.name': group,
    };
    this.#transaction ??= this.#tracing.begin({ operation: 'transaction', topic, attributes });
    if (this.#transaction && this.#records.size < maxLinks) addLink(this.#transaction, parent);
    return this.#tracing.begin({
      operation: 'process',
      topic,
      parent,
      link: this.#transaction,
      attributes: { ...attributes, 'messaging.kafka.offset': Number(offset) },
    });
  }
}
