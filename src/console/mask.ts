/** A webhook's body as an operator may see it: what stands under `customer` is personal, but for its id. Pure. */

const shownKeys: ReadonlySet<string> = new Set(['id', 'object']);

/** JSON, indented; or, where it is none, only how long it is. */
export function maskedBody(body: Buffer): string {
  try {
    return JSON.stringify(maskCustomers(JSON.parse(body.toString())), null, 2);
  } catch {
    return `(${body.length} bytes that are not JSON)`;
  }
}

function maskCustomers(value: unknown): unknown {
  return eachMember(value, (key, member) =>
    key === 'customer' ? maskAll(member) : maskCustomers(member),
  );
}

function maskAll(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value === null ? null : '(masked)';
  return eachMember(value, (key, member) => (shownKeys.has(key) ? member : maskAll(member)));
}

function eachMember(value: unknown, change: (key: string, member: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => change('', item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, change(key, member)]),
  );
}
