/** The paths of the pages. */

import type { Hono, MiddlewareHandler } from 'hono';
import { placeAt, webhooksBefore } from '../inspect/by-time.ts';
import { audit } from '../observability/audit.ts';
import { type ConsoleParts, type Env, page, type Visit } from './frame.ts';
import { groupsOf, groupsPage, letterPage, lettersPage } from './pages/dead-letters.ts';
import { eventsPage, findForm, foundPage, notFoundPage, storyPage } from './pages/find.ts';
import { gapsPage } from './pages/gaps.ts';
import { eventPath } from './pages/layout.ts';
import { membersPage } from './pages/members.ts';
import { nowPage } from './pages/now.ts';
import { proofPage } from './pages/proof.ts';
import { jobPage, jobsPage, redrivePage } from './pages/redrive.ts';
import { refusedPage } from './pages/refused.ts';
import { routesPage, triedPage } from './pages/routes.ts';
import { errorPage } from './pages/sign-in.ts';
import { cursorOf, isShown, recordPage, tailPage, topicsPage } from './pages/topics.ts';
import { triaged } from './redrive-jobs.ts';

/** Newest records of each partition that a topic's page begins with. */
const newestOfEach = 20;

const eventsOnPage = 50;

export function addPaths(app: Hono<Env>, parts: ConsoleParts): void {
  addPages(app, parts);
  addRedrives(app, parts);
  addTopics(app, parts);
  addRoutes(app, parts);
  addProof(app, parts);
}

function addPages(app: Hono<Env>, parts: ConsoleParts): void {
  const { members, watch, reads, search, log } = parts;
  app.get('/', (c) => page(c, parts, ['Now', '/'], nowPage(members.current(), watch)));
  app.get('/members', (c) =>
    page(c, parts, ['Members', '/members'], membersPage(members.current())),
  );
  app.get('/refused', async (c) => {
    const body = refusedPage(members.current(), await members.refusals());
    return page(c, parts, ['Refused', '/refused'], body);
  });
  app.get('/gaps', async (c) => {
    const runs = await reads.reconcileRuns();
    return page(c, parts, ['Gaps', '/gaps'], gapsPage(members.current(), runs));
  });
  app.get('/find', async (c) => {
    const id = (c.req.query('id') ?? '').trim();
    if (id === '') return page(c, parts, ['Find', '/find'], findForm(id));
    const found = await search.find(id);
    const [only, ...others] = found.webhooks;
    const trace = only === undefined ? await search.trace(id) : undefined;
    const isOne = trace ? trace.arrivals.length > 0 : others.length === 0;
    if (isOne) return c.redirect(eventPath(only?.key ?? id));
    const body = trace ? notFoundPage(id, trace, found.coverage) : foundPage(id, found.webhooks);
    return page(c, parts, ['Find', '/find'], body);
  });
  const story = async (c: Visit, key: string, isUnmasked: boolean) => {
    const trace = await search.trace(key);
    const body =
      trace.arrivals.length === 0
        ? notFoundPage(key, trace, undefined)
        : storyPage(trace, c.get('person'), isUnmasked);
    return page(c, parts, ['Story of an event', '/find'], body);
  };
  app.get('/events', async (c) => {
    const [at = '', before] = [c.req.query('at'), c.req.query('before')];
    const atMs = at === '' ? Date.now() + 1 : Date.parse(`${at.replace(/Z$/, '')}Z`);
    const title = ['Events', '/find'] as const;
    if (Number.isNaN(atMs)) {
      const text = 'Expected a time such as 2026-11-28T14:30, in UTC.';
      return page(c, parts, title, errorPage(text), 400);
    }
    const found = await reads.with(async (deployment) => {
      const place = before === undefined ? await placeAt(deployment, atMs) : cursorOf(before);
      return webhooksBefore(deployment, place, eventsOnPage);
    });
    return page(c, parts, title, eventsPage(found, at));
  });
  app.get('/events/:key', (c) => story(c, c.req.param('key'), false));
  app.post('/events/:key/unmask', operatorOnly('see personal data'), async (c) => {
    const { name } = c.get('person');
    const key = c.req.param('key');
    audit(log, 'personal-data.unmask', { by: name, publications: [key] });
    return story(c, key, true);
  });
  app.get('/dead-letters', async (c) => {
    const reason = c.req.query('reason');
    const letters = await search.letters(reason);
    const body =
      reason === undefined ? groupsPage(groupsOf(letters)) : lettersPage(reason, letters);
    return page(c, parts, ['Dead letters', '/dead-letters'], body);
  });
  app.get('/dead-letters/:partition{[0-9]+}/:offset{[0-9]+}', async (c) => {
    const { partition, offset } = c.req.param();
    const found = await search.letter(Number(partition), Number(offset));
    const title = ['Dead letter', '/dead-letters'] as const;
    if (found === undefined)
      return page(c, parts, title, errorPage('There is no such dead letter.'), 404);
    return page(c, parts, title, letterPage(found.letter, found.body));
  });
}

function addRedrives(app: Hono<Env>, parts: ConsoleParts): void {
  const { reads, search, jobs } = parts;
  const title = ['Redrive', '/dead-letters'] as const;
  app.get('/redrive', async (c) => {
    const reason = c.req.query('reason');
    const found = triaged(await search.letters(reason));
    return page(c, parts, title, redrivePage(reason, found, c.get('person')));
  });
  app.get('/redrives', (c) => page(c, parts, title, jobsPage(jobs.all())));
  app.get('/redrives/:id', (c) => {
    const job = jobs.find(c.req.param('id'));
    if (job) return page(c, parts, title, jobPage(job, c.get('person')));
    return page(c, parts, title, errorPage('This console has no such job.'), 404);
  });
  const redriver = operatorOnly('redrive');
  app.post('/redrives', redriver, async (c) => {
    const { reason } = await c.req.parseBody();
    const chosen = typeof reason === 'string' ? reason : undefined;
    const id = jobs.start(await reads.letters(chosen), chosen, c.get('person').name);
    return c.redirect(`/redrives/${id}`, 303);
  });
  app.post('/redrives/:id/cancel', redriver, (c) => {
    const id = c.req.param('id');
    jobs.cancel(id);
    return c.redirect(`/redrives/${id}`, 303);
  });
}

/** @param what the person wants to do */
const operatorOnly =
  (what: string): MiddlewareHandler<Env> =>
  async (c, next) =>
    c.get('person').role === 'operator' ? next() : c.text(`Only an operator may ${what}.`, 403);

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
    const shown = records.filter((one) => isShown(one, filter));
    return page(c, parts, ['Topic', '/topics'], tailPage(name, filter, shown, next));
  });
  app.get('/topics/:name/:partition{[0-9]+}/:offset{[0-9]+}', async (c) => {
    const { name, partition, offset } = c.req.param();
    const tail = await reads.tail(name);
    const record = await tail?.at(Number(partition), Number(offset));
    const title = ['Record', '/topics'] as const;
    if (record) return page(c, parts, title, recordPage(record));
    const text =
      'There is no such record: retention has deleted it, or its transaction is still open.';
    return page(c, parts, title, errorPage(text), 404);
  });
}

function addRoutes(app: Hono<Env>, parts: ConsoleParts): void {
  const { reads, routes } = parts;
  const title = ['Routes', '/routes'] as const;
  app.get('/routes', async (c) => {
    const [inForce, references] = await Promise.all([routes.inForce(), reads.references()]);
    return page(c, parts, title, routesPage(inForce, references, c.get('person')));
  });
  app.post('/routes/try', async (c) => {
    const { text } = await c.req.parseBody();
    const given = typeof text === 'string' ? text : '';
    return page(c, parts, title, triedPage(given, await routes.tryOut(given), c.get('person')));
  });
}

function addProof(app: Hono<Env>, parts: ConsoleParts): void {
  const { proofs } = parts;
  app.get('/proof', async (c) => {
    const body = proofPage(await proofs.last(), proofs.run, c.get('person'));
    return page(c, parts, ['Proof', '/proof'], body);
  });
  app.post('/proof', operatorOnly('run verify'), (c) => {
    proofs.start(c.get('person').name);
    return c.redirect('/proof', 303);
  });
}
