import { expect, test } from 'vitest';
import { block, html } from '../../../src/console/html.ts';

test('markup is escaped, also in attributes', async () => {
  const value = `"><script>alert('1')</script>&`;
  const text = String(await html`<a title="${value}">${value}</a>`);
  expect(text.match(/[<>]/g)).toHaveLength(4);
  expect(text.match(/"/g)).toHaveLength(2);
  expect(text).toContain('&lt;script&gt;');
});

test('invisible characters are shown, and long values are cut', async () => {
  const value = 'a\u202eb\u0000c\ufeff\u2066\u200b';
  expect(String(await html`${value}`)).toBe('a\\u202eb\\u0000c\\ufeff\\u2066\\u200b');
  const long = String(await html`${'x'.repeat(301)}`);
  expect(long).toBe(`${'x'.repeat(300)} … (301 characters)`);
});

test('a block keeps its lines, and is cut, too', async () => {
  expect(String(await block('{\n  "a": "\u202e"\n}'))).toContain(
    '{\n  &quot;a&quot;: &quot;\\u202e&quot;\n}',
  );
  const long = String(await block('y\n'.repeat(200_000)));
  expect(long.length).toBeLessThan(101_000);
});
