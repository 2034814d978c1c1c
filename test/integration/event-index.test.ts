/** The console's index of events, on topics that change under it. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { EventIndex } from '../../src/inspect/event-index.ts';
import { buildTrace } from '../../src/inspect/trace.ts';
import { byReading } from '../../src/inspect/trace-lookup.ts';
import { LogReader } from '../../src/kafka/log-reader.ts';
import { aBody } from '../support/builders.ts';
import { deleteRecords } from '../support/delete-records.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { post } from '../support/webhooks.ts';

const mebibyte = 1024 * 1024;

let deployment: Deployment;
let follower: LogReader;
let url: string;
beforeEach(async () => {
  deployment = await aDeployment(2);
  follower = new LogReader(deployment.client);
  ({ url } = await deployment.start('bridge'));
});
afterEach(async () => {
  await follower.close();
  await deployment[Symbol.asyncDispose]();
});

/** The deployment as the console sees it. */
const seen = () => ({ ...deployment, group: deployment.prefix });

function anIndex() {
  const index = new EventIndex(seen(), follower, 16 * mebibyte);
  const stopping = new AbortController();
  const failures: unknown[] = [];
  const following = index.follow(stopping.signal, (error) => failures.push(error));
  following.catch(() => undefined);
  const isBuilt = () => until(async () => index.coverage().isBuilt, 'it has read all');
  return { index, failures, following, isBuilt, stop: () => stopping.abort() };
}

const keysOf = async (index: EventIndex, id: string) =>
  (await index.find(id, 10)).map(({ key }) => key).sort();

test('what came before it and after it is found by every id, and traced as by reading', async () => {
  await deployment.start('processor');
  await post(url, aBody({ publicationId: 'pub_before', sourceId: 'crm-1' }));
  const { index, isBuilt, stop } = anIndex();
  await isBuilt();
  expect(await keysOf(index, 'crm-1')).toEqual(['pub_before']);
  await post(url, aBody({ publicationId: 'pub_after', sourceId: 'crm-1' }));
  // At once: a look-up reads what is new.
  expect(await keysOf(index, 'crm-1')).toEqual(['pub_after', 'pub_before']);
  for (const id of ['pub_after', 'evpub_after', 'CODE-after0']) {
    expect([id, await keysOf(index, id)]).toEqual([id, ['pub_after']]);
  }
  expect(await keysOf(index, 'crm-2')).toEqual([]);
  await post(url, aBody({ publicationId: 'pub_after' }));
  await until(async () => (await deployment.journal()).length > 0, 'they are decided');
  await until(async () => {
    const { arrivals } = await buildTrace(seen(), 'pub_after', index);
    return arrivals.length === 2 && arrivals.every(({ decision }) => decision !== undefined);
  }, 'both are decided');
  for (const key of ['pub_before', 'pub_after', 'pub_unknown']) {
    const [indexed, read] = await Promise.all([
      buildTrace(seen(), key, index),
      buildTrace(seen(), key, byReading(seen())),
    ]);
    expect(indexed).toEqual(read);
  }
  stop();
});

test('an event that no processor has read yet waits, in the index as by reading', async () => {
  await post(url, aBody({ publicationId: 'pub_waiting' }));
  const { index, isBuilt, stop } = anIndex();
  await isBuilt();
  const trace = await buildTrace(seen(), 'pub_waiting', index);
  expect(trace.arrivals).toMatchObject([{ decision: undefined }]);
  expect(trace).toEqual(await buildTrace(seen(), 'pub_waiting', byReading(seen())));
  stop();
});

test('what retention deletes is not found, and does not end the following', async () => {
  for (let i = 0; i < 10; i += 1) await post(url, aBody({ publicationId: `pub_old_${i}` }));
  const { index, failures, isBuilt, stop } = anIndex();
  await isBuilt();
  for (let partition = 0; partition < 2; partition += 1) {
    const { raw } = deployment.catalog;
    const end = await deployment.reader.offsetOf(raw, partition, 'high-watermark');
    await deleteRecords(deployment.client, raw, partition, end);
  }
  expect(await keysOf(index, 'pub_old_1')).toEqual([]);
  await post(url, aBody({ publicationId: 'pub_new' }));
  expect(await keysOf(index, 'pub_new')).toEqual(['pub_new']);
  expect(failures).toEqual([]);
  stop();
});

test('a topic that was replaced ends the index: what it knows is void', async () => {
  for (let i = 0; i < 10; i += 1) await post(url, aBody({ publicationId: `pub_void_${i}` }));
  const { following, isBuilt } = anIndex();
  await isBuilt();
  const { raw } = deployment.catalog;
  await deployment.admin.remove([raw]);
  await deployment.admin.create({ topic: raw, partitions: 2, replicationFactor: 1, config: {} });
  await expect(following).rejects.toThrow(/was read to \d+: it is another log/);
});
