/** A request to the console, and the page that answers it. */

import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import { getCookie } from 'hono/cookie';
import type { Log } from '../observability/log.ts';
import type { Access, Person } from './access.ts';
import type { Html } from './html.ts';
import type { Members } from './members.ts';
import type { Watch } from './now.ts';
import { layout } from './pages/layout.ts';
import type { RoutesInForce, Tried } from './pages/routes.ts';
import type { Proofs } from './proofs.ts';
import type { Reads } from './reads.ts';
import type { RedriveJobs } from './redrive-jobs.ts';
import type { Search } from './search.ts';

export type ConsoleParts = {
  readonly access: Access;
  readonly members: Members;
  readonly watch: Watch;
  readonly reads: Reads;
  readonly search: Search;
  readonly jobs: RedriveJobs;
  readonly routes: {
    readonly inForce: () => Promise<RoutesInForce>;
    readonly tryOut: (text: string) => Promise<Tried>;
  };
  readonly proofs: Proofs;
  readonly log: Log;
};

export type Env = { Bindings: HttpBindings; Variables: { person: Person } };
export type Visit = Context<Env>;

export const sessionCookie = 'voucherbus_console';

export function visitOf(c: Visit) {
  return {
    address: c.env.incoming.socket.remoteAddress ?? '',
    header: (name: string) => c.req.header(name),
    cookie: getCookie(c, sessionCookie),
  };
}

export function page(
  c: Visit,
  { access }: ConsoleParts,
  [title, path]: readonly [title: string, path: string],
  body: Html,
  status: 200 | 400 | 403 | 404 | 503 = 200,
) {
  const person = c.get('person') ?? access.personOf(visitOf(c));
  const hasSession = person !== undefined && getCookie(c, sessionCookie) !== undefined;
  return c.html(layout({ title, path, person, hasSession }, body), status);
}
