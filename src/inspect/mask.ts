/**
 * Masks personal data in a webhook's body: everything except the id under a person, and elsewhere
 * each value that looks personal. Pure.
 */

import type { PublicationSucceeded } from '../avro/records.ts';
import { masked, personalKind } from '../voucherify/personal-data.ts';
import type { Trace } from './trace.ts';

/** Members under which the vendor describes a person. */
const people: ReadonlySet<string> = new Set(['customer', 'holder', 'referrer', 'personal']);
const shownKeys: ReadonlySet<string> = new Set(['id', 'object']);

/** Returns indented JSON; if the body is not JSON, only its length. */
export function maskedBody(body: Buffer): string {
  try {
    return JSON.stringify(maskPeople(JSON.parse(body.toString())), null, 2);
  } catch {
    return `(${body.length} bytes that are not JSON)`;
  }
}

function maskPeople(value: unknown): unknown {
  if (typeof value === 'string') return maskText(value);
  return eachMember(value, (key, member) =>
    people.has(key) ? maskAll(member) : maskPeople(member),
  );
}

/** Masks values that look personal, anywhere; the keys are not used. */
export function maskValues<T>(value: T): T {
  const maskOne = (one: unknown): unknown =>
    typeof one === 'string' ? maskText(one) : eachMember(one, (_, member) => maskOne(member));
  return maskOne(value) as T;
}

/** Masks a whole text if any part of it looks personal. */
export function maskText(text: string): string {
  return personalKind(text) === undefined ? text : masked;
}

function maskAll(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value === null ? null : masked;
  return eachMember(value, (key, member) =>
    shownKeys.has(key) ? maskPeople(member) : maskAll(member),
  );
}

function eachMember(value: unknown, change: (key: string, member: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => change('', item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, change(key, member)]),
  );
}

/** Masks `customer.personal` and every value that looks like an e-mail address or phone number. */
export function maskedEvent(event: PublicationSucceeded): PublicationSucceeded {
  const { customer } = event;
  const personal = customer?.personal ? (masked as never) : null;
  const shown = customer ? { ...event, customer: { ...customer, personal } } : event;
  return maskValues(shown);
}

/** Masks the events of a trace. */
export function maskedTrace(trace: Trace): Trace {
  const events = trace.events.map(({ event, ...position }) => {
    return { ...position, event: maskedEvent(event) };
  });
  return { ...trace, events };
}
