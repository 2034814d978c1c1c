import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { readMemory } from '../../../src/observability/memory.ts';

const rootWith = (files: Readonly<Record<string, string>>): string => {
  const root = mkdtempSync(join(tmpdir(), 'cgroup-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${text}\n`);
  }
  return root;
};

test('version 2: the working set is the usage without what can be evicted', () => {
  const root = rootWith({
    'memory.current': '300',
    'memory.max': '1000',
    'memory.stat': 'active_file 7\ninactive_file 100\nslab 1',
  });
  expect(readMemory(root)).toEqual({ workingSetBytes: 200, limitBytes: 1000 });
});

test('version 1 has other names', () => {
  const root = rootWith({
    'memory/memory.usage_in_bytes': '300',
    'memory/memory.limit_in_bytes': '1000',
    'memory/memory.stat': 'inactive_file 1\ntotal_inactive_file 100',
  });
  expect(readMemory(root)).toEqual({ workingSetBytes: 200, limitBytes: 1000 });
});

test.each([
  ['version 2 without a limit', { 'memory.current': '300', 'memory.max': 'max' }],
  [
    'version 1 without a limit',
    {
      'memory/memory.usage_in_bytes': '300',
      'memory/memory.limit_in_bytes': '9223372036854771712',
    },
  ],
  ['no cgroup', {}],
])('%s: nothing', (_, files: Readonly<Record<string, string>>) => {
  expect(readMemory(rootWith(files))).toBeUndefined();
});
