/**
 * One setting: the environment variable, its kind, its default, and the sentence that documents it.
 */

import type { z } from 'zod';

type Options = {
  /** The default, as text like in the environment. */
  readonly default?: string;
  /** Whether it may be absent: its value is then undefined. */
  readonly optional?: true;
  /** Whether messages must not show the value. */
  readonly secret?: true;
};

export type Setting<T = unknown, O extends Options = Options> = {
  readonly env: string;
  readonly schema: z.ZodType<T>;
  readonly doc: string;
  readonly options: O;
};

type ValueOf<S> =
  S extends Setting<infer T, infer O> ? (O extends { optional: true } ? T | undefined : T) : never;

export type Values<G> = { readonly [K in keyof G]: ValueOf<G[K]> };

export function setting<T, const O extends Options = Record<never, never>>(
  env: string,
  schema: z.ZodType<T>,
  doc: string,
  options?: O,
): Setting<T, O> {
  return { env, schema, doc, options: options ?? ({} as O) };
}
