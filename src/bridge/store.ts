/** A verified webhook to where it is safe, within its deadline. */

import { AppError } from '../errors.ts';
import type { BridgeContext } from './context.ts';
import type { Permit } from './in-flight.ts';
import { problems } from './problems.ts';
import type { ReceivedWebhook } from './raw-record.ts';
import type { Outcome } from './responses.ts';
import type { Deadline } from './timeouts.ts';

/**
 * The place is left when nothing of the webhook is in memory any more, be it after the deadline.
 * @param settle called once, with what the webhook is answered
 */
export function store(
  webhook: ReceivedWebhook,
  permit: Permit,
  deadline: Deadline,
  { batcher, progress, log }: BridgeContext,
  settle: (outcome: Outcome) => void,
): void {
  const finish = (outcome: Outcome) => {
    permit.leave();
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
    kept: (kept) => finish({ kept }),
    failed: (error) => {
      // Not an outage: only this one is refused, and would be again.
      if (error instanceof AppError && error.recovery === 'stop') {
        log.error({ err: error }, 'a webhook was refused by Kafka, and is answered 503');
      }
      finish(problems.notStored);
    },
  });
}
