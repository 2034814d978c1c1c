/** The streams of pages that are live (server-sent events). */

import type { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { ConsoleParts, Env, Visit } from './frame.ts';
import type { Html } from './html.ts';
import { nowParts } from './pages/now.ts';
import { runParts } from './pages/proof.ts';
import { jobParts } from './pages/redrive.ts';
import { cursorOf, cursorText, isShown, tailRow } from './pages/topics.ts';

const everyMs = 1_000;

export function addStreams(app: Hono<Env>, parts: ConsoleParts): void {
  addLive(app, parts);
  addTail(app, parts);
}

function addLive(app: Hono<Env>, { members, watch, jobs, proofs }: ConsoleParts): void {
  app.get('/redrives/:id/events', (c) =>
    live(c, () => {
      const job = jobs.find(c.req.param('id'));
      return job && jobParts(job);
    }),
  );
  app.get('/proof/events', (c) => live(c, () => runParts(proofs.run)));
  app.get('/now/events', (c) => live(c, () => nowParts(members.current(), watch)));
}

/** Sends what is shown now, every second, until there is nothing. */
function live(c: Visit, shown: () => Html | undefined) {
  return streamSSE(c, async (stream) => {
    while (!stream.aborted && !stream.closed) {
      const parts = shown();
      if (parts === undefined) return;
      await stream.writeSSE({ data: String(await parts) });
      await stream.sleep(everyMs);
    }
  });
}

function addTail(app: Hono<Env>, { reads }: ConsoleParts): void {
  app.get('/topics/:name/events', (c) =>
    streamSSE(c, async (stream) => {
      const tail = await reads.tail(c.req.param('name'));
      const filter = c.req.query('filter') ?? '';
      // A browser that lost the connection says where it was.
      const after = c.req.header('last-event-id') ?? c.req.query('after') ?? '';
      let cursor = cursorOf(after);
      while (tail !== undefined && !stream.aborted && !stream.closed) {
        const { records, next } = await tail.after(cursor);
        const rows = records.filter((one) => isShown(one, filter)).map(tailRow);
        if (records.length > 0) {
          const data = (await Promise.all(rows)).join('');
          await stream.writeSSE({ id: cursorText(next), data });
        }
        cursor = next;
        await stream.sleep(everyMs);
      }
    }),
  );
}
