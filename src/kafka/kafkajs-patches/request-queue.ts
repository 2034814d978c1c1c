/**
 * Patches `network/requestQueue`: no timer runs while nothing is pending, and the age of a request
 * is measured with the monotonic clock.
 */

import type { RequestQueue, SocketRequest } from './internals.ts';
import { prototypeOf } from './modules.ts';

/** KafkaJS's interval for checking pending requests again while it is not throttled. */
const checkPendingMs = 10;
/** KafkaJS's interval for checking requests in flight. */
const checkTimeoutsMs = 100;

export function patchRequestQueue(): void {
  const sentAt = new WeakMap<SocketRequest, number>();
  const request = prototypeOf<SocketRequest>('network/requestQueue/socketRequest');
  const { send } = request;
  request.send = function patchedSend(this: SocketRequest): void {
    send.call(this);
    sentAt.set(this, performance.now());
  };
  const queue = prototypeOf<RequestQueue>('network/requestQueue');
  queue.scheduleCheckPendingRequests = function patchedSchedule(this: RequestQueue): void {
    if (this.throttleCheckTimeoutId || this.pending.length === 0) return;
    const waitMs = this.throttledUntil - Date.now();
    const check = () => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    };
    this.throttleCheckTimeoutId = setTimeout(check, waitMs > 0 ? waitMs : checkPendingMs);
  };
  queue.scheduleRequestTimeoutCheck = function patchedSchedule(this: RequestQueue): void {
    if (!this.enforceRequestTimeout) return;
    this.destroy();
    const everyMs = Math.min(this.requestTimeout, checkTimeoutsMs);
    this.requestTimeoutIntervalId = setInterval(() => {
      for (const one of this.inflight.values()) {
        const ageMs = performance.now() - (sentAt.get(one) ?? Number.POSITIVE_INFINITY);
        if (ageMs > one.requestTimeout) one.timeoutRequest();
      }
      if (!this.isConnected()) this.destroy();
    }, everyMs);
  };
}
