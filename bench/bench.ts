/** `make bench`: the figures of the README, measured here and now. BENCH=backlog or restore runs one of them, COUNT sets the events. */

import { benchBacklog } from './backlog.ts';

const { COUNT = '100000' } = process.env;
for (const line of await benchBacklog(Number(COUNT))) process.stdout.write(`${line}\n`);
process.exit(0);
