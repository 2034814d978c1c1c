/**
 * KafkaJS re-arms a timer for its request queue even when nothing is pending: a connected client then wakes every millisecond for ever,
 * and Node 24 warns of negative time-outs (tulios/kafkajs #1704, #1751). Mended: the timer is armed only while requests are pending.
 */

import { requirePart } from './version.ts';

type RequestQueue = {
  pending: unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
};

/** KafkaJS's own interval for looking again when it is not throttled. */
const checkAgainMs = 10;

export function mendRequestQueue(): void {
  const { prototype } = requirePart('kafkajs/src/network/requestQueue') as {
    prototype: RequestQueue;
  };
  prototype.scheduleCheckPendingRequests = function schedule(this: RequestQueue): void {
    if (this.throttleCheckTimeoutId || this.pending.length === 0) return;
    const waitMs = this.throttledUntil - Date.now();
    this.throttleCheckTimeoutId = setTimeout(
      () => {
        this.throttleCheckTimeoutId = null;
        this.checkPendingRequests();
      },
      waitMs > 0 ? waitMs : checkAgainMs,
    );
  };
}
