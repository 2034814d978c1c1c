import { expect, test } from 'vitest';
import { SerialQueue } from '../../../src/concurrency/serial-queue.ts';

test('tasks run one after the other, in their order, also after a failure', async () => {
  const queue = new SerialQueue();
  const events: string[] = [];
  const task = (name: string, ms: number) => async () => {
    events.push(`${name} starts`);
    await new Promise((resolve) => setTimeout(resolve, ms));
    events.push(`${name} ends`);
    if (name === 'b') throw new Error('b failed');
    return name;
  };
  const results = await Promise.allSettled([
    queue.run(task('a', 10)),
    queue.run(task('b', 1)),
    queue.run(task('c', 1)),
  ]);
  expect(events).toEqual(['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends']);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
});
