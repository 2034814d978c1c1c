/** What a processor says of itself when it joins its group: Kafka keeps it as the member's user data, and tells it to whoever describes the group. */

/** Of one process: where it says that it lives (`admin/alive.ts`), and a name that no other process has, nor itself after a restart. */
export type Life = { readonly port: number; readonly name: string };

export type Membership = {
  /** The partitions that it has, whose state it holds. */
  readonly owned: readonly number[];
  readonly life: Life | undefined;
};

export function encodeMembership(membership: Membership): Buffer {
  return Buffer.from(JSON.stringify(membership));
}

/** Whoever says it in another way, an earlier version, is taken for one that says nothing. */
export function decodeMembership(bytes: Buffer | undefined): Membership {
  const { owned, life } = parsed(bytes);
  return {
    owned: Array.isArray(owned) ? owned.filter((one) => Number.isInteger(one)) : [],
    life:
      typeof life?.port === 'number' && typeof life.name === 'string'
        ? { port: life.port, name: life.name }
        : undefined,
  };
}

type Unchecked = {
  readonly owned?: unknown;
  readonly life?: { readonly port?: unknown; readonly name?: unknown } | null;
};

function parsed(bytes: Buffer | undefined): Unchecked {
  try {
    return (JSON.parse(String(bytes)) as Unchecked | null) ?? {};
  } catch {
    return {};
  }
}
