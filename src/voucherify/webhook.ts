/**
 * The bytes of a webhook's body → which of Voucherify's shapes it is, and the few facts that
 * routing and keys need.
 */

import { isUtf8 } from 'node:buffer';
import { type Exact, isObject, type JsonObject, wellFormedId } from './json-part.ts';

const publicationSucceeded = 'publication.succeeded';

/**
 * Facts of the envelope; undefined where the body does not say, or says it in more than 512
 * characters.
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
      /** JSON path of `data`, for messages. */
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
    // A distribution with "raw payload" sends what its author designed, at the root (Distribution
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
 * A reviver recurses, which JSON.parse alone does not: a body that is nested too deeply for it
 * keeps JavaScript's numbers.
 */
function parseAsWritten(text: string): JsonObject {
  try {
    return JSON.parse(text, asWritten) as JsonObject;
  } catch (error) {
    if (error instanceof RangeError) return {};
    throw error;
  }
}

/** JavaScript has 9007199254740993 as …992, and 1.10 as 1.1. */
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

/** Not in TypeScript's library yet (ECMAScript: JSON.parse source text access). */
const rawJson = (JSON as unknown as { rawJSON(text: string): object }).rawJSON;

type Parsed =
  | { readonly kind: 'root'; readonly root: unknown }
  | { readonly kind: 'problem'; readonly text: string };

function parse(body: Buffer): Parsed {
  if (!isUtf8(body)) return { kind: 'problem', text: 'the body is not UTF-8' };
  try {
    return { kind: 'root', root: JSON.parse(body.toString('utf8')) };
  } catch {
    // The parser's own message quotes the body, which may hold personal data.
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
 * Project webhooks name their event in `type`. In distribution webhooks `type` is free text; there
 * event.type says customer.publication.succeeded, and where it is absent the shape decides.
 * voucher.published also carries a publication, but is sent beside publication.succeeded, once for
 * each voucher: it is another event.
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
 * Voucherify's ids have some forty characters. These facts stand several times in a record's key
 * and headers: without a limit a verified body within its own limit would make a record that Kafka
 * refuses for ever.
 */
const longestFact = 512;

function field(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= longestFact
    ? wellFormedId(value)
    : undefined;
}
