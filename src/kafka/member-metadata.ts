/** What a processor says of itself when it joins its group: Kafka keeps it as the member's user data, and tells it to whoever describes the group. */

/** Of one process: where it says that it lives (`membership/liveness.ts`). */
export type ProcessIdentity = {
  /** Its address towards the brokers, and the port on which it listens for its neighbours. */
  readonly host: string;
  readonly port: number;
  /** Of its machine or container: an address may mean another one elsewhere. */
  readonly hostname: string;
  /** No other process has it, nor the same one after a restart. */
  readonly name: string;
};

export type Membership = {
  /** The partitions that it has, whose state it holds. */
  readonly owned: readonly number[];
  readonly identity: ProcessIdentity | undefined;
};

export function encodeMembership(membership: Membership): Buffer {
  return Buffer.from(JSON.stringify(membership));
}

/** Whoever says it in another way, an earlier version, is taken for one that says nothing. */
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
