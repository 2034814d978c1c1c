/** Stores a verified webhook within its deadline. */

import { AppError } from '../errors.ts';
import type { BridgeContext } from './context.ts';
import type { Permit } from './in-flight.ts';
import { problems } from './problems.ts';
import type { ReceivedWebhook } from './raw-record.ts';
import type { Outcome } from './responses.ts';
import type { Deadline } from './timeouts.ts';

/**
 * Releases the permit when nothing of the webhook is in memory any more, even after the deadline.
 * @param settle called once, with the outcome to respond with
 */
export function store(
  webhook: ReceivedWebhook,
  permit: Permit,
  deadline: Deadline,
  { batcher, progress, log }: BridgeContext,
  settle: (outcome: Outcome) => void,
): void {
  const finish = (outcome: Outcome) => {
    permit.release();
    if (deadline.hasPassed) return;
    deadline.clear();
    settle(outcome);
  };
  deadline.whenPassed(() => {
    progress.timedOut();
    settle(problems.notStored);
  });
  batcher.add({
    webhook,
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
