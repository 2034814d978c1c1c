/**
 * Two faults of KafkaJS's request queue:
 *
 * 1. It re-arms a timer even when nothing is pending: a connected client then wakes every millisecond for ever, and Node 24 warns of negative
 *    time-outs (tulios/kafkajs #1704, #1751). Here the timer is armed only while requests are pending.
 * 2. It tells the age of a request by the wall clock (requestQueue:93): set forward, everything under way times out at once; set back by an hour,
 *    what is never answered is waited for an hour. Here a clock that only goes forward tells it.
 */

import { requirePart } from './modules.ts';

type SocketRequest = {
  readonly requestTimeout: number;
  send(): void;
  timeoutRequest(): void;
};

type RequestQueue = {
  readonly enforceRequestTimeout: boolean;
  readonly requestTimeout: number;
  readonly inflight: ReadonlyMap<number, SocketRequest>;
  requestTimeoutIntervalId: NodeJS.Timeout | undefined;
  isConnected(): boolean;
  destroy(): void;
  scheduleRequestTimeoutCheck(): void;
  pending: unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
  scheduleCheckPendingRequests(): void;
};

/** KafkaJS's own interval for looking again when it is not throttled. */
const checkAgainMs = 10;
/** And for requests that are not answered. */
const timeoutCheckMs = 100;

export function patchRequestQueue(): void {
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
  const sentAt = new WeakMap<SocketRequest, number>();
  const request = requirePart('kafkajs/src/network/requestQueue/socketRequest') as {
    prototype: SocketRequest;
  };
  const { send } = request.prototype;
  request.prototype.send = function sending(this: SocketRequest): void {
    send.call(this);
    sentAt.set(this, performance.now());
  };
  prototype.scheduleRequestTimeoutCheck = function schedule(this: RequestQueue): void {
    if (!this.enforceRequestTimeout) return;
    this.destroy();
    const everyMs = Math.min(this.requestTimeout, timeoutCheckMs);
    this.requestTimeoutIntervalId = setInterval(() => {
      for (const one of this.inflight.values()) {
        const ageMs = performance.now() - (sentAt.get(one) ?? Number.POSITIVE_INFINITY);
        if (ageMs > one.requestTimeout) one.timeoutRequest();
      }
      if (!this.isConnected()) this.destroy();
    }, everyMs);
  };
}
