/** Posts a form, with a certificate authority of its own where `fetch` has no way to name one. */

import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { textOf } from '../http.ts';

/** The largest response that is read; a token has a few kilobytes. */
const maxResponseBytes = 256 * 1024;

/** Longer than a sign-in service needs; shorter than an authentication may take. */
const timeoutMs = 10_000;

type Form = { readonly headers: Record<string, string>; readonly body: string };

/**
 * Follows no redirect, because it would send the credentials to another host.
 * @param ca PEM that replaces Node's list of authorities
 * @throws Error if there is no whole response
 */
export function postForm(url: string, form: Form, ca: string | undefined): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const options = {
    method: 'POST',
    headers: { ...form.headers, 'content-length': Buffer.byteLength(form.body) },
    signal: AbortSignal.timeout(timeoutMs),
    ...(ca === undefined ? {} : { ca }),
  };
  const request = (url.startsWith('https:') ? requestHttps : requestHttp)(url, options);
  request.once('error', (error) =>
    reject(
      error.name === 'TimeoutError' ? new Error(`no response in ${timeoutMs / 1_000} s`) : error,
    ),
  );
  request.once('response', async (incoming) => {
    try {
      const body = await textOf({ body: incoming }, maxResponseBytes);
      const type = incoming.headers['content-type'] ?? '';
      const headers = { 'content-type': type };
      const status = incoming.statusCode ?? 0;
      resolve(new Response(status === 204 || status === 304 ? null : body, { status, headers }));
    } catch (error) {
      request.destroy();
      reject(error);
    }
  });
  request.end(form.body);
  return promise;
}
