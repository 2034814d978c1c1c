/** Stores a verified webhook within its deadline. */

import { AppError } from '../errors.ts';
import {
  fail,
  headersOf,
  type ReadHeader,
  readTraceHeaders,
  type Span,
} from '../observability/tracing.ts';
import type { Verified } from '../voucherify/signature.ts';
import type { BridgeContext } from './context.ts';
import type { Permit } from './in-flight.ts';
import { problems } from './problems.ts';
import { type Outcome, outcomeLabel } from './responses.ts';
import type { Deadline } from './timeouts.ts';

/** A verified webhook, as it came. */
export type Arrival = {
  readonly verified: Verified;
  readonly source: string;
  readonly contentType: string | undefined;
  readonly header: ReadHeader;
};

/**
 * Releases the permit when nothing of the webhook is in memory any more, even after the deadline.
 * @param settle called once, with the outcome to respond with
 */
export function store(
  { verified, source, contentType, header }: Arrival,
  permit: Permit,
  deadline: Deadline,
  { batcher, progress, log, tracing, rawTopic }: BridgeContext,
  settle: (outcome: Outcome) => void,
): void {
  const given = readTraceHeaders(header);
  const span = tracing.begin({
    operation: 'send',
    topic: rawTopic,
    parent: given,
    attributes: { 'voucherbus.source': source },
  });
  const trace = span ? headersOf(span) : given;
  const receipt = { source, contentType, receivedAtMs: Date.now(), trace };
  const respond = (outcome: Outcome) => {
    if (span) end(span, outcome);
    settle(outcome);
  };
  const finish = (outcome: Outcome) => {
    permit.release();
    if (deadline.hasPassed) return;
    deadline.clear();
    respond(outcome);
  };
  deadline.whenPassed(() => {
    progress.timedOut();
    respond(problems.notStored);
  });
  batcher.add({
    webhook: { verified, receipt },
    isAbandoned: () => deadline.hasPassed,
    stored: finish,
    failed: (error) => {
      // Not an outage: Kafka refuses only this webhook, and would refuse it again.
      if (error instanceof AppError && error.recovery === 'stop') {
        log.error({ err: error }, 'Kafka refused a webhook; the response is 503');
      }
      finish(problems.notStored);
    },
  });
}

function end(span: Span, outcome: Outcome): void {
  span.setAttribute('voucherbus.outcome', outcomeLabel(outcome));
  if (outcome.kind === 'stored') {
    span.setAttribute('messaging.destination.partition.id', String(outcome.partition));
    span.setAttribute('messaging.kafka.offset', outcome.offset);
  }
  if (outcome.kind === 'problem') fail(span, outcome.title);
  else span.end();
}
