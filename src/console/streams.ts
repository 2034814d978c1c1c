/** The streams of pages that are live (server-sent events). */

import type { Hono } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { ConsoleParts, Env } from './frame.ts';
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
    streamSSE(c, async (stream) => {
      const job = () => jobs.find(c.req.param('id'));
      for (let shown = job(); shown !== undefined; shown = job()) {
        await stream.writeSSE({ data: String(await jobParts(shown)) });
        await stream.sleep(everyMs);
        if (stream.aborted || stream.closed) return;
      }
    }),
  );
  app.get('/proof/events', (c) =>
    streamSSE(c, async (stream) => {
      while (!stream.aborted && !stream.closed) {
        await stream.writeSSE({ data: String(await runParts(proofs.run)) });
        await stream.sleep(everyMs);
      }
    }),
  );
  app.get('/now/events', (c) =>
    streamSSE(c, async (stream) => {
      while (!stream.aborted && !stream.closed) {
        const data = String(await nowParts(members.current(), watch));
        await stream.writeSSE({ data });
        await stream.sleep(everyMs);
      }
    }),
  );
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
