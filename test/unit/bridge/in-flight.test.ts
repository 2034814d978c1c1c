import { expect, test } from 'vitest';
import { InFlight, type Permit } from '../../../src/bridge/in-flight.ts';

const limits = { maxRequests: 2, maxBytes: 100 };

/** Two requests in flight, and the names of the evicted ones. */
function two() {
  const inFlight = new InFlight(limits);
  const evicted: string[] = [];
  const acquire = (name: string) => inFlight.acquire(() => evicted.push(name)) as Permit;
  return { inFlight, evicted, acquire, first: acquire('first'), second: acquire('second') };
}

test('while all requests wait for Kafka, a new one gets no permit', () => {
  const { inFlight, evicted, first, second } = two();
  first.complete();
  second.complete();
  expect(inFlight.acquire(() => {})).toBeUndefined();
  first.release();
  expect(inFlight.acquire(() => {})).toBeDefined();
  expect(evicted).toEqual([]);
});

test('the request whose body has been arriving the longest is evicted, once', () => {
  const { inFlight, evicted, acquire, first, second } = two();
  first.grow(40);
  const third = acquire('third');
  expect(evicted).toEqual(['first']);
  expect([inFlight.requests, inFlight.bytes]).toEqual([2, 0]);
  expect(first.grow(1)).toBe(false);
  first.release();
  expect(inFlight.requests).toBe(2);
  second.complete();
  third.complete();
  expect(inFlight.acquire(() => {})).toBeUndefined();
});

test('bytes are bounded too: the oldest other body is evicted, or the growing one is refused', () => {
  const { inFlight, evicted, first, second } = two();
  expect(first.grow(60)).toBe(true);
  expect(second.grow(60)).toBe(true);
  expect(evicted).toEqual(['first']);
  expect(second.grow(41)).toBe(false);
  expect(second.grow(40)).toBe(true);
  expect(inFlight.bytes).toBe(100);
  expect(inFlight.acquire(() => {})).toBeDefined();
  expect(evicted).toEqual(['first', 'second']);
});

test('a complete body holds its bytes until it is released', () => {
  const { inFlight, first, second } = two();
  first.grow(90);
  first.complete();
  expect(second.grow(20)).toBe(false);
  first.release();
  expect(second.grow(20)).toBe(true);
  second.release();
  expect([inFlight.requests, inFlight.bytes]).toEqual([0, 0]);
});
