/** `voucherbus trace`: why did this event (not) arrive. */

import { parseArgs } from 'node:util';
import { openScene } from '../app/connect-deployment.ts';
import { configOf } from '../app/environment.ts';
import type { Io } from '../app/io.ts';
import { findKeys } from '../inspect/find-keys.ts';
import { maskValues } from '../inspect/mask.ts';
import { timelineOf } from '../inspect/render-trace.ts';
import { type Story, tellStory } from '../inspect/trace.ts';
import { since } from './age.ts';
import type { Command } from './command.ts';
import { askedOf } from './options.ts';
import { progressOn } from './progress.ts';

const usage = `voucherbus trace ID [--since AGE] [--unmask] [--json]
  ID        a publication id, an event id, or a voucher's code
  --since   how far back raw is searched for an event id or a code, such as 2h or 3d; default all of it. A publication id needs no search
  --unmask  shows the personal data that the output event carries
  --json    as JSON
Exit code 0: found. 1: never received.`;

const options = {
  since: { type: 'string' },
  unmask: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

export const command: Command = {
  summary: 'tells what became of a publication, an event or a voucher',
  usage,
  run: async (args, io) => {
    const asked = parse(args, io);
    if (!asked) return 2;
    await using scene = await openScene(configOf(['kafka', 'registry', 'topics', 'processor'], io));
    const progress = progressOn(io);
    const direct = await tellStory(scene, asked.id, progress);
    const stories = direct.arrivals.length > 0 ? [direct] : [];
    if (stories.length === 0) {
      // Not a key: the id of an event or a voucher's code, which stand only inside the webhooks.
      for (const key of await findKeys(scene, asked.id, asked.sinceMs, progress)) {
        stories.push(await tellStory(scene, key, progress));
      }
    }
    const told = stories.map((story) => (asked.unmask ? story : masked(story)));
    if (asked.json) io.out(JSON.stringify(told, null, 2));
    else for (const line of (told.length > 0 ? told : [direct]).flatMap(timelineOf)) io.out(line);
    return told.length > 0 ? 0 : 1;
  },
};

function parse(args: readonly string[], io: Io) {
  return askedOf(io, usage, () => {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    const [id, ...rest] = positionals;
    if (!id || rest.length > 0) throw new Error('expected one ID');
    return { ...values, id, sinceMs: since(values.since) };
  });
}

/** Masks `customer.personal` and every value that looks like an e-mail address or phone number. */
function masked(story: Story): Story {
  const events = story.events.map(({ event, ...place }) => {
    const { customer } = event;
    const personal = customer?.personal ? ('(masked)' as never) : null;
    const shown = customer ? { ...event, customer: { ...customer, personal } } : event;
    return { ...place, event: maskValues(shown) };
  });
  return { ...story, events };
}
