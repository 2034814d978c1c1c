/**
 * The console: pages for people on call. It shows what `inspect/` reads and what the members say,
 * and has no policy of its own.
 */

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import { Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { compress } from 'hono/compress';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { secureHeaders } from 'hono/secure-headers';
import { messageOf } from '../errors.ts';
import { type ConsoleParts, type Env, page, sessionCookie, type Visit, visitOf } from './frame.ts';
import { errorPage, signInPage } from './pages/sign-in.ts';
import { addPaths } from './paths.ts';
import { addStreams } from './streams.ts';

/** A routes file of any sensible length. */
const maxFormBytes = 256 * 1024;

/** Slows down those who guess tokens. */
const refusedAfterMs = 1_000;

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
  addStreams(app, parts);
  app.use(compress());
  addPaths(app, parts);
  addSignOut(app, parts);
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
    if (cookie === undefined) {
      parts.log.warn({ from: visitOf(c).address }, 'a sign-in was refused');
      await sleep(refusedAfterMs);
      return show(c, true);
    }
    const secure = c.req.header('x-forwarded-proto') === 'https';
    setCookie(c, sessionCookie, cookie, { httpOnly: true, sameSite: 'Strict', path: '/', secure });
    return c.redirect('/', 303);
  });
}

function addSignOut(app: Hono<Env>, { access }: ConsoleParts): void {
  app.post('/sign-out', (c) => {
    access.signOut(getCookie(c, sessionCookie) ?? '');
    deleteCookie(c, sessionCookie);
    return c.redirect('/sign-in', 303);
  });
}
