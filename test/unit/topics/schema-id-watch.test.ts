import { expect, test } from 'vitest';
import { readConfig } from '../../../src/config/read.ts';
import { createCatalog } from '../../../src/topics/catalog.ts';
import { SchemaIdWatch } from '../../../src/topics/schema-id-watch.ts';

const config = readConfig(['topics'], { env: { TOPIC_PREFIX: 'v' }, readFile: () => '' });
const catalog = createCatalog(config.topics);

test('a recreated registry with new ids ends the service', async () => {
  let first = 1;
  let looks = 0;
  const registry = {
    idOf: async () => {
      looks += 1;
      return first;
    },
  };
  const watch = new SchemaIdWatch(registry, catalog, () => 1, 5);
  await expect.poll(() => looks).toBeGreaterThan(20);
  first = 7;
  await expect(watch.ended).rejects.toMatchObject({
    code: 'ASSUMPTION_BROKEN',
    message: expect.stringMatching(/v\..*-value has the id 7, expected 1/),
  });
  watch.stop();
});

test('an unreachable registry changes nothing', async () => {
  let looks = 0;
  const registry = {
    idOf: async () => {
      looks += 1;
      throw new Error('away');
    },
  };
  const watch = new SchemaIdWatch(registry, catalog, () => 1, 5);
  await expect.poll(() => looks).toBeGreaterThan(20);
  const none = Symbol('still running');
  expect(await Promise.race([watch.ended, Promise.resolve(none)])).toBe(none);
  watch.stop();
});
