/** Topics whose batches the broker compresses: every codec of Kafka, as Kafka itself writes it. */

import { expect, test } from 'vitest';
import { aDeployment, until } from '../support/deployment.ts';
import { startFlow } from '../support/flow.ts';
import { run } from '../support/run.ts';

test.each(['gzip', 'snappy', 'lz4', 'zstd'])(
  'with compression.type %s on every topic each event comes out once',
  async (codec) => {
    await using deployment = await aDeployment(2);
    const { admin, catalog, env } = deployment;
    for (const { name } of catalog.topics)
      await admin.setConfig(name, { 'compression.type': codec });
    const { url } = await deployment.start('bridge');
    const first = await deployment.start('processor');
    const flow = startFlow(deployment, url, { count: 300, concurrency: 20, perSecond: 300 });
    await until(async () => flow.begun() > 150, 'half of them were sent');
    first.child.kill('SIGTERM');
    // It restores its memory from the compressed batches of the journal.
    await deployment.start('processor');
    await flow.check();
    expect((await run(['dead-letters', 'list'], env)).messages).toContain('invalid-publication');
  },
);
