import { expect, test } from 'vitest';
import { InFlight, type Permit } from '../../../src/bridge/in-flight.ts';

const limits = { maxRequests: 2, maxBytes: 100 };

/** Two requests, and which of them were sent away. */
function two() {
  const inFlight = new InFlight(limits);
  const gone: string[] = [];
  const enter = (name: string) => inFlight.enter(() => gone.push(name)) as Permit;
  return { inFlight, gone, enter, first: enter('first'), second: enter('second') };
}

test('where all wait for Kafka the newcomer finds no place, until one leaves', () => {
  const { inFlight, gone, first, second } = two();
  first.complete();
  second.complete();
  expect(inFlight.enter(() => {})).toBeUndefined();
  first.leave();
  expect(inFlight.enter(() => {})).toBeDefined();
  expect(gone).toEqual([]);
});

test('who has been sending its body for longest makes room, once', () => {
  const { inFlight, gone, enter, first, second } = two();
  first.grow(40);
  const third = enter('third');
  expect(gone).toEqual(['first']);
  expect([inFlight.requests, inFlight.bytes]).toEqual([2, 0]);
  expect(first.grow(1)).toBe(false);
  first.leave();
  expect(inFlight.requests).toBe(2);
  second.complete();
  third.complete();
  expect(inFlight.enter(() => {})).toBeUndefined();
});

test('bytes are bounded too: the slowest other body goes, else the one that grows', () => {
  const { inFlight, gone, first, second } = two();
  expect(first.grow(60)).toBe(true);
  expect(second.grow(60)).toBe(true);
  expect(gone).toEqual(['first']);
  expect(second.grow(41)).toBe(false);
  expect(second.grow(40)).toBe(true);
  expect(inFlight.bytes).toBe(100);
  expect(inFlight.enter(() => {})).toBeDefined();
  expect(gone).toEqual(['first', 'second']);
});

test('what is complete keeps its bytes until it is answered', () => {
  const { inFlight, first, second } = two();
  first.grow(90);
  first.complete();
  expect(second.grow(20)).toBe(false);
  first.leave();
  expect(second.grow(20)).toBe(true);
  second.leave();
  expect([inFlight.requests, inFlight.bytes]).toEqual([0, 0]);
});
