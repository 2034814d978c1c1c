/** Reads responses of foreign HTTP servers, which may send too much. */

type WithBody = { readonly body: AsyncIterable<Uint8Array> | null };

/** Returns the body as text. @throws Error above the limit: the rest is not read */
export async function textOf(response: WithBody, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`the response is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
