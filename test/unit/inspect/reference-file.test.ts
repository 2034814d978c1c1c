import { expect, test } from 'vitest';
import { rowsOf } from '../../../src/inspect/reference-file.ts';

test('a CSV has a column per attribute; empty cells are no attributes; quotes and a byte order mark are understood', () => {
  const text = '\ufeffcampaignId,brand,note\ncamp_1,Acme,"a, ""b"""\n\ncamp_2,,x\n';
  expect(rowsOf(text, false)).toEqual([
    { campaignId: 'camp_1', attributes: { brand: 'Acme', note: 'a, "b"' } },
    { campaignId: 'camp_2', attributes: { note: 'x' } },
  ]);
});

test('JSON: text as it is, everything else as JSON, nulls left out', () => {
  const text = '[{"campaignId":"camp_1","brand":"Acme","cost":5,"tags":["a"],"gone":null}]';
  expect(rowsOf(text, true)).toEqual([
    { campaignId: 'camp_1', attributes: { brand: 'Acme', cost: '5', tags: '["a"]' } },
  ]);
});

test.each([
  ['id,brand\ncamp_1,x\n', false, 'line 2: expected a campaignId'],
  ['campaignId,brand\ncamp_1,x\ncamp_1,y\n', false, 'camp_1 stands there twice'],
  ['{}', true, 'expected a JSON array'],
  ['[7]', true, '[0]: expected an object'],
])('%j is refused with its place', (text, isJson, message) => {
  expect(() => rowsOf(text, isJson)).toThrow(message);
});
