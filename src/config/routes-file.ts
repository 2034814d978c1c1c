/**
 * Declares the form of the routes file once. The errors with their lines and the JSON Schema for
 * editors (schemas/routes.schema.json) are derived from it.
 */

import { LineCounter, parseDocument, visit } from 'yaml';
import { z } from 'zod';

const scalar = z.union([z.string(), z.number(), z.boolean()]);

const test = z.union([
  scalar,
  z.array(scalar).min(1),
  z.strictObject({ prefix: z.string().min(1) }),
  z.strictObject({ exists: z.boolean() }),
]);

const condition = z.union(
  [test, z.strictObject({ not: test })],
  'expected a value, a list of values, {prefix: text}, {exists: true or false}, or {not: one of these}',
);

const fieldName =
  /^(campaign\.(type|id|name)|voucher\.type|channel|project|source|region|(campaign\.|customer\.|voucher\.)?metadata\.\S+|reference\.\S+)$/;

const field = z
  .string()
  .regex(
    fieldName,
    'expected campaign.type, campaign.id, campaign.name, voucher.type, channel, project, source, region, or metadata.KEY, campaign.metadata.KEY, customer.metadata.KEY, voucher.metadata.KEY, reference.KEY',
  );

/** A part of a topic name: legal characters, and short enough. */
const suffix = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,80}$/,
    'expected the part of a topic name after <TOPIC_PREFIX>.publications.: lower-case letters, digits, hyphens',
  )
  .refine((text) => text !== 'journal', 'expected another topic than the journal');

const destination = z.union(
  [suffix, z.array(suffix).min(1).max(20)],
  'expected a topic, or a list of topics',
);

const route = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]{1,60}$/, 'expected lower-case letters, digits, hyphens'),
  when: z
    .record(field, condition)
    .default({})
    .describe('All of these must hold; without any, every event fits'),
  to: destination.describe(
    'One topic or several: the part of their names after <TOPIC_PREFIX>.publications.',
  ),
  key: z
    .enum(['publication', 'customer', 'campaign'], 'expected publication, customer or campaign')
    .default('publication')
    .describe(
      'Whose id is the record key. Events of a key keep their order only within one partition of raw',
    ),
  explode: z
    .boolean('expected true or false')
    .default(false)
    .describe('One event for each voucher'),
});

const routesFile = z.strictObject({
  match: z
    .enum(['first', 'all'], 'expected first or all')
    .describe('Whether an event takes the first route that fits it, or every one'),
  routes: z
    .array(route)
    .max(1_000)
    .refine(
      (routes) => new Set(routes.map(({ name }) => name)).size === routes.length,
      'expected a different name for each route',
    ),
  default: z
    .union([z.literal('park'), destination], 'expected a topic, a list of topics, or park')
    .describe('For what no route fits. `park`: to the dead letters, as no-route'),
});

export type RoutesFile = z.infer<typeof routesFile>;
export type RouteSpec = RoutesFile['routes'][number];
export type Condition = z.infer<typeof condition>;

export type RoutesFileResult =
  | { readonly kind: 'valid'; readonly file: RoutesFile }
  | { readonly kind: 'invalid'; readonly problems: readonly string[] };

/** @returns the file, or every problem with its line */
export function readRoutes(text: string): RoutesFileResult {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const lineOf = (offset: number | undefined) => lines.linePos(offset ?? 0).line;
  if (document.errors.length > 0) {
    return {
      kind: 'invalid',
      problems: document.errors.map(
        ({ pos, message }) => `line ${lineOf(pos[0])}: ${message.split('\n')[0]}`,
      ),
    };
  }
  keepNumbersAsWritten(document);
  const parsed = routesFile.safeParse(document.toJS());
  if (parsed.success) return { kind: 'valid', file: parsed.data };
  const problems = parsed.error.issues.map(({ path, message }) => {
    return `line ${lineOf(offsetOf(document, path))}: ${path.join('.') || 'the file'}: ${message}`;
  });
  return { kind: 'invalid', problems };
}

/**
 * Keeps numbers as written: `01234` and `1.10` are compared with text. As numbers they would be
 * 1234 and 1.1, and never match.
 */
function keepNumbersAsWritten(document: ReturnType<typeof parseDocument>): void {
  visit(document, {
    Scalar: (_, node) => {
      const { value, source } = node;
      if (typeof value === 'number' && source !== undefined && source !== String(value)) {
        node.value = source;
      }
    },
  });
}

type Node = { readonly range?: readonly number[] | null } | undefined;

/** Returns the offset of the value; if it is missing, the offset of its parent. */
function offsetOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]) {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true) as Node;
    if (node?.range) return node.range[0];
  }
  return 0;
}

/** Returns the parts of the topic names after `publications.`, each once. */
export function suffixesOf({ routes, default: rest }: RoutesFile): readonly string[] {
  const all = [...routes.map(({ to }) => to), ...(rest === 'park' ? [] : [rest])];
  return [...new Set(all.flat())];
}

export function routesJsonSchema(): object {
  return z.toJSONSchema(routesFile, { io: 'input' });
}
