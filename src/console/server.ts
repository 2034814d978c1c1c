/**
 * The console: pages for people on call, read-only. It shows what `inspect/` reads and what the
 * members say, and has no policy of its own.
 */

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { type Context, Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { secureHeaders } from 'hono/secure-headers';
import { streamSSE } from 'hono/streaming';
import { messageOf } from '../errors.ts';
import type { TailRecord } from '../inspect/tail.ts';
import { audit } from '../observability/audit.ts';
import type { Log } from '../observability/log.ts';
import type { Access, Person } from './access.ts';
import type { Html } from './html.ts';
import type { Members } from './members.ts';
import type { Watch } from './now.ts';
import { groupsOf, groupsPage, letterPage, lettersPage } from './pages/dead-letters.ts';
import { findForm, foundPage, storyPage } from './pages/find.ts';
import { gapsPage } from './pages/gaps.ts';
import { layout } from './pages/layout.ts';
import { membersPage } from './pages/members.ts';
import { nowPage, nowParts } from './pages/now.ts';
import { jobPage, jobParts, jobsPage, redrivePage } from './pages/redrive.ts';
import { type RoutesInForce, routesPage, type Tried, triedPage } from './pages/routes.ts';
import { errorPage, signInPage } from './pages/sign-in.ts';
import { cursorOf, cursorText, tailPage, tailRow, topicsPage } from './pages/topics.ts';
import type { Reads } from './reads.ts';
import { type RedriveJobs, triaged } from './redrive-jobs.ts';

export type ConsoleParts = {
  readonly access: Access;
  readonly members: Members;
  readonly watch: Watch;
  readonly reads: Reads;
  readonly jobs: RedriveJobs;
  readonly routes: {
    readonly inForce: () => Promise<RoutesInForce>;
    readonly tryOut: (text: string) => Promise<Tried>;
  };
  readonly log: Log;
};

type Env = { Bindings: HttpBindings; Variables: { person: Person } };
type Visit = Context<Env>;

const sessionCookie = 'voucherbus_console';
/** A routes file of any sensible length. */
const maxFormBytes = 256 * 1024;
const liveEveryMs = 1_000;

/** Everything comes from this server, and no page has a script or a style in it. */
const policy = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'"],
  connectSrc: ["'self'"],
  formAction: ["'self'"],
  baseUri: ["'none'"],
  frameAncestors: ["'none'"],
};

const assets = {
  'console.css': 'text/css; charset=utf-8',
  'console.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const;

export function createConsoleServer(parts: ConsoleParts): Server {
  return createServer(getRequestListener(createApp(parts).fetch));
}

function createApp(parts: ConsoleParts): Hono<Env> {
  const app = new Hono<Env>();
  const headers = secureHeaders({ contentSecurityPolicy: policy, referrerPolicy: 'same-origin' });
  app.use(headers);
  app.get('/livez', (c) => c.json({ status: 'alive' }));
  // It needs neither Kafka nor the members: it shows that they are unreachable.
  app.get('/readyz', (c) => c.json({ status: 'ready', parts: {} }));
  addAssets(app);
  app.use(noStore, bodyLimit({ maxSize: maxFormBytes }));
  addSignIn(app, parts);
  app.use(signedIn(parts));
  // Not before: it would hold back the events of a stream.
  addLive(app, parts);
  addTail(app, parts);
  app.use(compress());
  addPages(app, parts);
  addRedrives(app, parts);
  addTopics(app, parts);
  addRoutes(app, parts);
  app.notFound((c) => page(c, parts, ['Not found', ''], errorPage('There is no such page.'), 404));
  app.onError((error, c) => {
    parts.log.warn({ err: error, path: c.req.path }, 'a page could not be made');
    return page(c, parts, ['Not available', ''], errorPage(messageOf(error)), 503);
  });
  return app;
}

/** Pages may have personal data. */
const noStore: MiddlewareHandler = async (c, next) => {
  await next();
  c.header('cache-control', 'no-store');
};

function addAssets(app: Hono<Env>): void {
  for (const [name, type] of Object.entries(assets)) {
    const body = readFileSync(new URL(`assets/${name}`, import.meta.url), 'utf8');
    app.get(`/assets/${name}`, compress(), (c) =>
      c.body(body, 200, { 'content-type': type, 'cache-control': 'max-age=300' }),
    );
  }
}

function visitOf(c: Visit) {
  return {
    address: c.env.incoming.socket.remoteAddress ?? '',
    header: (name: string) => c.req.header(name),
    cookie: getCookie(c, sessionCookie),
  };
}

function signedIn({ access }: ConsoleParts): MiddlewareHandler<Env> {
  return async (c, next) => {
    const person = access.personOf(visitOf(c));
    if (person === undefined) return c.redirect('/sign-in');
    c.set('person', person);
    if (c.req.method !== 'GET' && !access.isOurForm(person, (await c.req.parseBody())['form'])) {
      return c.text('This form did not come from one of our pages: load the page again.', 403);
    }
    return next();
  };
}

function addSignIn(app: Hono<Env>, parts: ConsoleParts): void {
  const { access } = parts;
  const show = (c: Visit, isWrong: boolean) =>
    page(c, parts, ['Sign in', ''], signInPage(access.hasTokens, isWrong), isWrong ? 403 : 200);
  app.get('/sign-in', (c) => show(c, false));
  app.post('/sign-in', async (c) => {
    const { token } = await c.req.parseBody();
    const cookie = typeof token === 'string' ? access.signIn(token) : undefined;
    if (cookie === undefined) return show(c, true);
    const secure = c.req.header('x-forwarded-proto') === 'https';
    setCookie(c, sessionCookie, cookie, { httpOnly: true, sameSite: 'Strict', path: '/', secure });
    return c.redirect('/', 303);
  });
}

function addLive(app: Hono<Env>, { members, watch, jobs }: ConsoleParts): void {
  app.get('/redrives/:id/events', (c) =>
    streamSSE(c, async (stream) => {
      const job = () => jobs.find(c.req.param('id'));
      for (let shown = job(); shown !== undefined; shown = job()) {
        await stream.writeSSE({ data: String(await jobParts(shown)) });
        await stream.sleep(liveEveryMs);
        if (stream.aborted || stream.closed) return;
      }
    }),
  );
  app.get('/now/events', (c) =>
    streamSSE(c, async (stream) => {
      while (!stream.aborted && !stream.closed) {
        const data = String(await nowParts(members.current(), watch));
        await stream.writeSSE({ data });
        await stream.sleep(liveEveryMs);
      }
    }),
  );
}

function addPages(app: Hono<Env>, parts: ConsoleParts): void {
  const { members, watch, reads, access, log } = parts;
  app.get('/', (c) => page(c, parts, ['Now', '/'], nowPage(members.current(), watch)));
  app.get('/members', (c) =>
    page(c, parts, ['Members', '/members'], membersPage(members.current())),
  );
  app.get('/gaps', async (c) => {
    const run = await reads.latestRun();
    return page(c, parts, ['Gaps', '/gaps'], gapsPage(members.current(), run));
  });
  app.get('/find', async (c) => {
    const id = (c.req.query('id') ?? '').trim();
    if (id === '') return page(c, parts, ['Find', '/find'], findForm(id));
    const { found, direct } = await reads.find(id);
    const [only, ...others] = found;
    if (only && others.length === 0) return c.redirect(`/events/${encodeURIComponent(only.key)}`);
    return page(c, parts, ['Find', '/find'], foundPage(id, found, direct));
  });
  const story = async (c: Visit, key: string, isUnmasked: boolean) => {
    const trace = await reads.trace(key);
    const body =
      trace.arrivals.length === 0
        ? foundPage(key, [], trace)
        : storyPage(trace, c.get('person'), isUnmasked);
    return page(c, parts, ['Story of an event', '/find'], body);
  };
  app.get('/events/:key', (c) => story(c, c.req.param('key'), false));
  app.post('/events/:key/unmask', async (c) => {
    const { role, name } = c.get('person');
    if (role !== 'operator') return c.text('Only an operator may see personal data.', 403);
    const key = c.req.param('key');
    audit(log, 'personal-data.unmask', { by: name, publications: [key] });
    return story(c, key, true);
  });
  app.get('/dead-letters', async (c) => {
    const reason = c.req.query('reason');
    const letters = await reads.letters(reason);
    const body =
      reason === undefined ? groupsPage(groupsOf(letters)) : lettersPage(reason, letters);
    return page(c, parts, ['Dead letters', '/dead-letters'], body);
  });
  app.get('/dead-letters/:partition{[0-9]+}/:offset{[0-9]+}', async (c) => {
    const { partition, offset } = c.req.param();
    const found = await reads.letter(Number(partition), Number(offset));
    const title = ['Dead letter', '/dead-letters'] as const;
    if (found === undefined)
      return page(c, parts, title, errorPage('There is no such dead letter.'), 404);
    return page(c, parts, title, letterPage(found.letter, found.body));
  });
  app.post('/sign-out', (c) => {
    access.signOut(getCookie(c, sessionCookie) ?? '');
    deleteCookie(c, sessionCookie);
    return c.redirect('/sign-in', 303);
  });
}

function addRedrives(app: Hono<Env>, parts: ConsoleParts): void {
  const { reads, jobs } = parts;
  const title = ['Redrive', '/dead-letters'] as const;
  app.get('/redrive', async (c) => {
    const reason = c.req.query('reason');
    const found = triaged(await reads.letters(reason));
    return page(c, parts, title, redrivePage(reason, found, c.get('person')));
  });
  app.get('/redrives', (c) => page(c, parts, title, jobsPage(jobs.all())));
  app.get('/redrives/:id', (c) => {
    const job = jobs.find(c.req.param('id'));
    if (job) return page(c, parts, title, jobPage(job, c.get('person')));
    return page(c, parts, title, errorPage('This console has no such job.'), 404);
  });
  app.use('/redrives/*', operatorsPost);
  app.use('/redrives', operatorsPost);
  app.post('/redrives', async (c) => {
    const { reason } = await c.req.parseBody();
    const chosen = typeof reason === 'string' ? reason : undefined;
    const id = jobs.start(await reads.letters(chosen), chosen, c.get('person').name);
    return c.redirect(`/redrives/${id}`, 303);
  });
  app.post('/redrives/:id/cancel', (c) => {
    const id = c.req.param('id');
    jobs.cancel(id);
    return c.redirect(`/redrives/${id}`, 303);
  });
}

function addRoutes(app: Hono<Env>, parts: ConsoleParts): void {
  const { routes } = parts;
  const title = ['Routes', '/routes'] as const;
  app.get('/routes', async (c) =>
    page(c, parts, title, routesPage(await routes.inForce(), c.get('person'))),
  );
  app.post('/routes/try', async (c) => {
    const { text } = await c.req.parseBody();
    const given = typeof text === 'string' ? text : '';
    return page(c, parts, title, triedPage(given, await routes.tryOut(given), c.get('person')));
  });
}

const newestOfEach = 20;

function addTopics(app: Hono<Env>, parts: ConsoleParts): void {
  const { reads } = parts;
  app.get('/topics', async (c) =>
    page(c, parts, ['Topics', '/topics'], topicsPage(await reads.topics())),
  );
  app.get('/topics/:name', async (c) => {
    const { name } = c.req.param();
    const filter = c.req.query('filter') ?? '';
    const tail = await reads.tail(name);
    if (tail === undefined) {
      const text = 'The deployment has no such topic.';
      return page(c, parts, ['Topics', '/topics'], errorPage(text), 404);
    }
    const { records, next } = await tail.after(await tail.before(newestOfEach));
    const shown = records.filter((one) => contains(one, filter));
    return page(c, parts, ['Topic', '/topics'], tailPage(name, filter, shown, next));
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
        const rows = records.filter((one) => contains(one, filter)).map(tailRow);
        if (records.length > 0) {
          const data = (await Promise.all(rows)).join('');
          await stream.writeSSE({ id: cursorText(next), data });
        }
        cursor = next;
        await stream.sleep(liveEveryMs);
      }
    }),
  );
}

const contains = ({ key, text }: TailRecord, filter: string) =>
  filter === '' || key.includes(filter) || text.includes(filter);

const operatorsPost: MiddlewareHandler<Env> = async (c, next) => {
  if (c.req.method === 'POST' && c.get('person').role !== 'operator') {
    return c.text('Only an operator may redrive.', 403);
  }
  return next();
};

function page(
  c: Visit,
  { access }: ConsoleParts,
  [title, path]: readonly [title: string, path: string],
  body: Html,
  status: 200 | 403 | 404 | 503 = 200,
) {
  const person = c.get('person') ?? access.personOf(visitOf(c));
  const hasSession = person !== undefined && getCookie(c, sessionCookie) !== undefined;
  return c.html(layout({ title, path, person, hasSession }, body), status);
}
