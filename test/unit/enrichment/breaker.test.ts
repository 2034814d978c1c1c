import { expect, test } from 'vitest';
import { Breaker, openForMs } from '../../../src/enrichment/breaker.ts';

const failing = (times: number, atMs = 0) => {
  const breaker = new Breaker();
  for (let i = 0; i < times; i += 1) breaker.failed(atMs);
  return breaker;
};

test('it opens after five failures in a row, not after four; a success resets the count', () => {
  expect(failing(4).enter(0)).toBe(true);
  expect(failing(5).enter(0)).toBe(false);
  const breaker = failing(4);
  breaker.succeeded();
  breaker.failed(0);
  expect(breaker.enter(0)).toBe(true);
});

test('after a while one request tries; it closes or opens for all', () => {
  const breaker = failing(5);
  expect(breaker.enter(openForMs - 1)).toBe(false);
  expect(breaker.enter(openForMs)).toBe(true);
  expect(breaker.enter(openForMs)).toBe(false);
  breaker.failed(openForMs);
  expect(breaker.enter(openForMs + 1)).toBe(false);
  expect(breaker.enter(2 * openForMs)).toBe(true);
  breaker.succeeded();
  expect([breaker.enter(2 * openForMs), breaker.isOpen(2 * openForMs)]).toEqual([true, false]);
});
