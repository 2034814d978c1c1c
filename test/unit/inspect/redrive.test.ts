import { expect, test } from 'vitest';
import {
  isOfLetter,
  letterName,
  redriveHeaders,
  redriveOf,
} from '../../../src/dead-letters/redrive.ts';
import type { Letter } from '../../../src/inspect/dead-letters.ts';
import { attemptOf, triageOf } from '../../../src/inspect/redrive.ts';

const rules = { by: 'ann', isStaleAllowed: false, maxAttempts: 5 };
const aLetter = (changes: Partial<Letter> = {}) =>
  ({ reason: 'invalid-json', isRedriven: false, redrive: undefined, ...changes }) as Letter;
const died = (attempt: number) => ({
  redrive: { letter: 'dlq/0@1', attempt, by: 'ann', isStaleAllowed: false },
});

test('a letter is redriven once, not too often, and not if it is too old', () => {
  expect(triageOf(aLetter(), rules)).toBe('send');
  expect(triageOf(aLetter({ isRedriven: true }), rules)).toBe('sent-before');
  expect(triageOf(aLetter(died(4)), rules)).toBe('send');
  expect(triageOf(aLetter(died(5)), rules)).toBe('too-many-attempts');
  expect(triageOf(aLetter(died(5)), { ...rules, maxAttempts: undefined })).toBe('send');
  const old = aLetter({ reason: 'older-than-window' });
  expect(triageOf(old, rules)).toBe('needs-allow-stale');
  expect(triageOf(old, { ...rules, isStaleAllowed: true })).toBe('send');
});

test('the attempt increases, and is in the headers', () => {
  expect(attemptOf(aLetter())).toBe(1);
  expect(attemptOf(aLetter(died(2)))).toBe(3);
  const redrive = { letter: 'dlq/0@1', attempt: 3, by: 'ann', isStaleAllowed: true };
  const headers = redriveHeaders(redrive, 0);
  expect(redriveOf((name) => headers[name])).toEqual(redrive);
  expect(redriveOf(() => undefined)).toBeUndefined();
  expect(Object.keys(headers).every(isOfLetter)).toBe(true);
  expect(['ce_id', 'voucherbus.source'].some(isOfLetter)).toBe(false);
});

test('letters at the same offset of a recreated topic have another name', () => {
  expect(letterName('dlq/0@1', 'tjxwEXBYTzObYXVEfFZTlg')).not.toBe(
    letterName('dlq/0@1', 'x8Dl0E13Rp-cL990qjsyoQ'),
  );
});
