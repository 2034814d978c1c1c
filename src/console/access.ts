/**
 * The people who use the console, and what they may do. They sign in with a token, or a proxy in
 * front signs them in and says who they are. Where neither is configured, everyone who reaches the
 * loopback address is a viewer.
 */

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ConsoleConfig } from '../config/config.ts';
import { withoutMapping } from '../config/senders.ts';
import { digestOf } from '../digest.ts';

export type Role = 'viewer' | 'operator';

export type Person = {
  readonly name: string;
  readonly role: Role;
  /** Goes with each form, so that no other site can send it. */
  readonly formToken: string;
};

export type Visit = {
  /** The address of the peer. */
  readonly address: string;
  readonly header: (name: string) => string | undefined;
  readonly cookie: string | undefined;
};

type Session = { readonly role: Role; readonly untilMs: number };

const sessionMs = 12 * 3_600_000;
const maxSessions = 1_000;

export class Access {
  readonly #config: ConsoleConfig;
  readonly #sessions = new Map<string, Session>();
  readonly #key = randomBytes(32);

  constructor(config: ConsoleConfig) {
    this.#config = config;
  }

  /** Returns whether people can sign in with a token. */
  get hasTokens(): boolean {
    const { viewerToken, operatorToken } = this.#config;
    return viewerToken !== undefined || operatorToken !== undefined;
  }

  /** Returns who visits; undefined if they must sign in. */
  personOf({ address, header, cookie }: Visit): Person | undefined {
    const { trustedProxies } = this.#config;
    const forwarded = header('x-forwarded-user');
    if (forwarded !== undefined && trustedProxies?.has(withoutMapping(address))) {
      return this.#person(forwarded, this.#roleIn(header('x-forwarded-groups')), forwarded);
    }
    const session = cookie === undefined ? undefined : this.#sessions.get(cookie);
    if (session && session.untilMs > Date.now()) {
      return this.#person(session.role, session.role, cookie ?? '');
    }
    const bearer = /^Bearer (.+)$/i.exec(header('authorization') ?? '')?.[1];
    const role = bearer === undefined ? undefined : this.#roleOf(bearer);
    if (role) return this.#person(`the ${role}'s token`, role, bearer ?? '');
    const isOpen = !this.hasTokens && trustedProxies === undefined;
    // Another site may let its name lead here (DNS rebinding).
    if (isOpen && isLoopbackName(header('host'))) return this.#person('local', 'viewer', 'local');
    return undefined;
  }

  /** Begins a session. Returns its cookie; undefined if the token is wrong. */
  signIn(token: string): string | undefined {
    const role = this.#roleOf(token);
    if (role === undefined) return undefined;
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size >= maxSessions && oldest) this.#sessions.delete(oldest);
    const id = randomBytes(24).toString('base64url');
    this.#sessions.set(id, { role, untilMs: Date.now() + sessionMs });
    return id;
  }

  signOut(cookie: string): void {
    this.#sessions.delete(cookie);
  }

  /** Returns whether a form came from one of our pages. */
  isOurForm({ formToken }: Person, sent: unknown): boolean {
    return typeof sent === 'string' && isEqual(sent, formToken);
  }

  #person(name: string, role: Role, about: string): Person {
    const formToken = createHmac('sha256', this.#key)
      .update(`${role} ${about}`)
      .digest('base64url');
    return { name, role, formToken };
  }

  #roleOf(token: string): Role | undefined {
    const { viewerToken, operatorToken } = this.#config;
    if (operatorToken !== undefined && isEqual(token, operatorToken)) return 'operator';
    return viewerToken !== undefined && isEqual(token, viewerToken) ? 'viewer' : undefined;
  }

  #roleIn(groups = ''): Role {
    const { operatorGroup } = this.#config;
    const names = groups.split(',').map((name) => name.trim());
    return operatorGroup !== undefined && names.includes(operatorGroup) ? 'operator' : 'viewer';
  }
}

/** Compares in constant time. */
function isEqual(one: string, other: string): boolean {
  return timingSafeEqual(digestOf(one), digestOf(other));
}

function isLoopbackName(host: string | undefined): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host ?? '');
}
