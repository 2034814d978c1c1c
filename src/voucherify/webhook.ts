/**
 * Recognises which of Voucherify's shapes a body has, and reads the fields that routing and keys
 * need.
 */

import { isUtf8 } from 'node:buffer';
import { type Exact, isObject, type JsonObject, wellFormedId } from './json-part.ts';

const publicationSucceeded = 'publication.succeeded';

/**
 * Fields of the envelope; undefined if the body does not have them, or has more than 512 characters
 * in them.
 */
export type Envelope = {
  readonly eventType: string | undefined;
  readonly eventId: string | undefined;
  readonly webhookId: string | undefined;
  readonly projectId: string | undefined;
  readonly groupId: string | undefined;
  readonly createdAt: string | undefined;
  readonly publicationId: string | undefined;
  readonly eventSource: JsonObject | undefined;
};

export type Webhook =
  | {
      readonly kind: 'publication';
      readonly envelope: Envelope;
      readonly data: JsonObject;
      /** JSON path of `data`, used in messages. */
      readonly path: string;
      readonly exact: Exact;
    }
  | { readonly kind: 'other-event'; readonly envelope: Envelope; readonly eventType: string }
  | {
      readonly kind: 'unreadable';
      readonly envelope: Envelope;
      readonly reason: 'invalid-json' | 'unknown-shape';
      readonly message: string;
    };

const noEnvelope: Envelope = {
  eventType: undefined,
  eventId: undefined,
  webhookId: undefined,
  projectId: undefined,
  groupId: undefined,
  createdAt: undefined,
  publicationId: undefined,
  eventSource: undefined,
};

export function readWebhook(body: Buffer): Webhook {
  const json = parse(body);
  if (json.kind === 'problem') return unreadable(noEnvelope, 'invalid-json', json.text);
  const { root } = json;
  if (!isObject(root)) {
    return unreadable(noEnvelope, 'unknown-shape', 'expected a JSON object at $');
  }
  const { type, data } = root;
  const envelope = envelopeOf(root);
  if (typeof type !== 'string' || !isObject(data)) {
    // A distribution with "raw payload" sends its author's design, at the root (Distribution
    // webhooks, voucherify docs).
    return isPublication(root)
      ? { kind: 'publication', envelope, data: root, path: '$', exact: exactly(body, isRoot) }
      : unreadable(
          envelope,
          'unknown-shape',
          'expected an envelope with `type` and `data`, or a publication with its vouchers at $',
        );
  }
  return carriesPublication(root, type, data)
    ? { kind: 'publication', envelope, data, path: '$.data', exact: exactly(body, isInEnvelope) }
    : {
        kind: 'other-event',
        envelope,
        eventType: envelope.eventType ?? type.slice(0, longestFact),
      };
}

const isRoot = (root: JsonObject) => root;
const isInEnvelope = ({ data }: JsonObject) => (isObject(data) ? data : {});

/**
 * Parses the body again, keeping numbers as written. Called only for metadata with numbers, which
 * is rare.
 */
function exactly(body: Buffer, dataOf: (root: JsonObject) => JsonObject): Exact {
  let data: JsonObject | undefined;
  return () => {
    data ??= dataOf(parseAsWritten(body.toString('utf8')));
    return data;
  };
}

/**
 * Returns undefined if the body is nested too deeply: a reviver recurses, which JSON.parse alone
 * does not. Then JavaScript's numbers are kept.
 */
function parseAsWritten(text: string): JsonObject {
  try {
    return JSON.parse(text, asWritten) as JsonObject;
  } catch (error) {
    if (error instanceof RangeError) return {};
    throw error;
  }
}

/**
 * Returns whether JavaScript would change the number: 9007199254740993 becomes …992, and 1.10
 * becomes 1.1.
 */
function asWritten(
  this: unknown,
  _: string,
  value: unknown,
  context?: { source?: string },
): unknown {
  const source = context?.source;
  return typeof value === 'number' && source !== undefined && source !== String(value)
    ? rawJson(source)
    : value;
}

/** ECMAScript's JSON.parse source text access, which TypeScript's library does not have yet. */
const rawJson = (JSON as unknown as { rawJSON(text: string): object }).rawJSON;

type Parsed =
  | { readonly kind: 'root'; readonly root: unknown }
  | { readonly kind: 'problem'; readonly text: string };

function parse(body: Buffer): Parsed {
  if (!isUtf8(body)) return { kind: 'problem', text: 'the body is not UTF-8' };
  try {
    return { kind: 'root', root: JSON.parse(body.toString('utf8')) };
  } catch {
    // The parser's own message quotes the body, which may contain personal data.
    return { kind: 'problem', text: 'the body is not JSON' };
  }
}

function unreadable(
  envelope: Envelope,
  reason: 'invalid-json' | 'unknown-shape',
  message: string,
): Webhook {
  return { kind: 'unreadable', envelope, reason, message };
}

/**
 * Returns the type of the event. Project webhooks have it in `type`. In distribution webhooks
 * `type` is free text; event.type says customer.publication.succeeded, and without it the shape
 * decides. voucher.published also contains a publication, but is sent in addition to
 * publication.succeeded, once per voucher: it is another event.
 */
function carriesPublication(root: JsonObject, type: string, data: JsonObject): boolean {
  if (type === publicationSucceeded) return true;
  const { event } = root;
  if (!isDistribution(root)) return false;
  const eventType = isObject(event) ? event['type'] : undefined;
  return typeof eventType === 'string'
    ? eventType === publicationSucceeded || eventType === `customer.${publicationSucceeded}`
    : isPublication(data);
}

/**
 * Returns whether a distribution sent it: then `type` is free text, and event.type names the event.
 */
function isDistribution({ source }: JsonObject): boolean {
  return isObject(source) && source['object'] === 'distribution';
}

function isPublication(data: JsonObject): boolean {
  const { publication, voucher, vouchers } = data;
  return (
    isObject(publication) &&
    typeof publication['id'] === 'string' &&
    (isObject(voucher) || Array.isArray(vouchers) || isObject(publication['voucher']))
  );
}

export type EnvelopeFields = Omit<Envelope, 'eventSource'>;

function envelopeOf(root: JsonObject): Envelope {
  const event = isObject(root['event']) ? root['event'] : {};
  return {
    ...envelopeFieldsOf(root),
    eventSource: isObject(event['event_source']) ? event['event_source'] : undefined,
  };
}

export function envelopeFieldsOf(root: JsonObject): EnvelopeFields {
  const { type, data: inEnvelope } = root;
  const isRaw = typeof type !== 'string' || !isObject(inEnvelope);
  const data = isRaw ? root : inEnvelope;
  const event = isObject(root['event']) ? root['event'] : {};
  const publication = isObject(data['publication']) ? data['publication'] : {};
  return {
    eventType: isRaw
      ? undefined
      : ((isDistribution(root) ? field(event['type']) : undefined) ?? field(type)),
    eventId: field(event['id']),
    webhookId: isRaw ? undefined : field(root['id']),
    projectId: field(root['project_id']),
    groupId: field(event['group_id']),
    createdAt: field(event['created_at']) ?? field(root['created_at']),
    publicationId: field(publication['id']),
  };
}

/**
 * The longest field that is used. Voucherify's ids have some forty characters. These fields are
 * repeated in a record's key and headers: without a limit, a verified body within its own limit
 * could become a record that Kafka refuses forever.
 */
const longestFact = 512;

function field(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= longestFact
    ? wellFormedId(value)
    : undefined;
}
