/** Posts signed webhooks to a bridge. */

import { signedHeaders } from '../../src/voucherify/signature.ts';
import { secret } from './deployment.ts';

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
};

export async function post(
  url: string,
  body: Buffer | string,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const bytes = Buffer.from(body);
  const answer = await fetch(url, {
    method: 'POST',
    headers: { ...signedHeaders(bytes, secret), ...headers },
    body: bytes,
  });
  return {
    status: answer.status,
    headers: answer.headers,
    body: (await answer.json()) as Record<string, unknown>,
  };
}
