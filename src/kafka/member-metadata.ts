/**
 * The identity that a processor sends when it joins its group. Kafka keeps it as the member's user
 * data, and returns it to every client that describes the group.
 */

/** Identifies one process (`membership/liveness.ts`). */
export type ProcessIdentity = {
  /** Its address towards the brokers, and its admin port. */
  readonly host: string;
  readonly port: number;
  /** Name of its machine or container: an address may mean another one elsewhere. */
  readonly hostname: string;
  /** Unique, also after a restart. */
  readonly name: string;
};

export type Membership = {
  /** The partitions that it owns, whose state it holds. */
  readonly owned: readonly number[];
  readonly identity: ProcessIdentity | undefined;
};

export function encodeMembership(membership: Membership): Buffer {
  return Buffer.from(JSON.stringify(membership));
}

/** Returns an empty membership for user data of another form, for example of another version. */
export function decodeMembership(bytes: Buffer | undefined): Membership {
  const { owned, identity } = parsed(bytes);
  return {
    owned: Array.isArray(owned) ? owned.filter((one) => Number.isInteger(one)) : [],
    identity: isProcessIdentity(identity) ? identity : undefined,
  };
}

function parsed(bytes: Buffer | undefined): { readonly [key in keyof Membership]?: unknown } {
  try {
    return (JSON.parse(String(bytes)) as object | null) ?? {};
  } catch {
    return {};
  }
}

function isProcessIdentity(value: unknown): value is ProcessIdentity {
  const { host, port, hostname, name } = (value ?? {}) as Partial<ProcessIdentity>;
  return typeof port === 'number' && [host, hostname, name].every((one) => typeof one === 'string');
}
