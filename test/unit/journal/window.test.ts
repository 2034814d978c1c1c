import { expect, test } from 'vitest';
import { digestOf } from '../../../src/digest.ts';
import { Window } from '../../../src/journal/window.ts';

const windowMs = 800; // generations of 100 ms
const id = digestOf('pub_1');

test('an id is remembered for a window, and an eighth longer, because clocks differ', () => {
  const window = new Window(windowMs, undefined);
  window.add([id], 50);
  window.forget(50 + windowMs + 100);
  expect(window.has(id)).toBe(true);
  expect(window.hasForgotten).toBe(false);
  window.forget(2 * 100 + windowMs);
  expect(window.has(id)).toBe(false);
  expect(window.hasForgotten).toBe(true);
});

test('nothing is too old until something was forgotten', () => {
  const window = new Window(windowMs, undefined);
  expect(window.isOlder(0, 1e9)).toBe(false);
  window.add([id], 0);
  window.forget(1e9);
  expect(window.isOlder(1e9 - windowMs, 1e9)).toBe(false);
  expect(window.isOlder(1e9 - windowMs - 1, 1e9)).toBe(true);
});

test('a state that starts in the middle of a journal has forgotten ids', () => {
  const window = new Window(windowMs, 300);
  expect(window.isOlder(0, windowMs + 1)).toBe(true);
  expect(window.isOlder(301, windowMs + 1)).toBe(false);
});

test('late ids are remembered by the time of their arrival', () => {
  const window = new Window(windowMs, undefined);
  window.add([id], 5_000);
  window.add([digestOf('pub_2')], 4_000);
  window.forget(4_000 + windowMs + 200);
  expect(window.has(id)).toBe(true);
  expect(window.has(digestOf('pub_2'))).toBe(false);
});

test('what was forwarded before the journal that was read began may be missing, however slowly time went since', () => {
  expect(new Window(windowMs, 5_000).isOlder(4_999, 5_100)).toBe(true);
});
