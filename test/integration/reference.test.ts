/**
 * The company's own data on campaigns: put, carried by events with its version, changed while
 * processors run, and what routes decide by.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { run } from '../support/run.ts';
import { post } from '../support/webhooks.ts';

const campaign = 'camp_EV79Z6CjaAMpX4pFxVivvzzk';

let directory: string;
let deployment: Deployment;
let url: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'voucherbus-reference-'));
  const routes = join(directory, 'routes.yaml');
  await writeFile(
    routes,
    'match: first\nroutes: [{ name: acme, when: { reference.brand: Acme }, to: acme }]\ndefault: other\n',
  );
  deployment = await aDeployment(2, { CAMPAIGN_REFERENCE: 'true', ROUTES_FILE: routes });
  await put('campaignId,brand,costCentre\ncamp_other,Beta,1\n');
  ({ url } = await deployment.start('bridge'));
  await deployment.start('processor');
});
afterAll(async () => {
  await deployment[Symbol.asyncDispose]();
  await rm(directory, { recursive: true });
});

const reference = (...args: string[]) => run(['reference', ...args], deployment.env);
async function put(csv: string): Promise<string> {
  const file = join(directory, 'reference.csv');
  await writeFile(file, csv);
  const { code, messages, output } = await reference('put', file, '--by', 'ann');
  expect(code).toBe(0);
  expect(output).toMatch(/"action":"reference-data\.put","by":"ann",.+"outcome":"done"/);
  return messages;
}

/** The event of a publication that is sent now. */
const eventNow = async (publicationId: string) => {
  await post(url, aBody({ publicationId }));
  const topics = ['acme', 'other'];
  return until(async () => {
    for (const topic of topics) {
      const records = await deployment.readAll(`${deployment.prefix}.publications.${topic}`);
      const record = records.find(({ key }) => String(key) === publicationId);
      const trace = record && (await run(['trace', publicationId, '--json'], deployment.env));
      if (trace) return { topic, event: JSON.parse(trace.output)[0].events[0].event };
    }
    return undefined;
  }, `${publicationId} came out`);
};

test('an event carries the reference data with its version; a change and a removal reach the running processor', async () => {
  expect(await eventNow('pub_before')).toMatchObject({
    topic: 'other',
    event: { reference: null, complete: true },
  });
  expect(await put(`campaignId,brand,costCentre\n${campaign},Acme,4711\ncamp_other,Beta,1\n`)).toBe(
    '1 written, 1 unchanged',
  );
  let n = 0;
  const known = await until(async () => {
    const now = await eventNow(`pub_after_${n++}`);
    return now.event.reference !== null && now;
  }, 'the processor has read it');
  expect(known.topic).toBe('acme');
  expect(known.event.reference.attributes).toEqual({ brand: 'Acme', costCentre: '4711' });
  const listed = JSON.parse((await reference('list', '--json')).output);
  expect(listed).toMatchObject([
    { campaignId: campaign, version: known.event.reference.version, updatedBy: 'ann' },
    { campaignId: 'camp_other' },
  ]);
  const { output } = await reference('remove', campaign);
  expect(output).toMatch(/"action":"reference-data\.remove".+"outcome":"done"/);
  expect(output).toContain(`"campaigns":["${campaign}"]`);
  await until(
    async () => (await eventNow(`pub_gone_${n++}`)).event.reference === null,
    'it is gone',
  );
  expect((await reference('list')).messages).not.toContain(campaign);
});
