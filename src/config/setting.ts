/**
 * One setting: the environment variable, its kind, its default, and the sentence that documents it.
 */

import type { z } from 'zod';
import type { Rereadable } from './rereadable.ts';

type Options = {
  /** The default, as text like in the environment. */
  readonly default?: string;
  /** Whether it may be absent: its value is then undefined. */
  readonly optional?: true;
  /** Whether messages must not show the value. */
  readonly secret?: true;
  /** Whether its file is read again at each use: its value is then a Rereadable. */
  readonly reread?: true;
};

export type Setting<T = unknown, O extends Options = Options> = {
  readonly env: string;
  readonly schema: z.ZodType<T>;
  readonly doc: string;
  readonly options: O;
};

type ValueOf<S> =
  S extends Setting<infer T, infer O>
    ? Shape<T, O> | (O extends { optional: true } ? undefined : never)
    : never;

type Shape<T, O> = O extends { reread: true } ? Rereadable<T> : T;

export type Values<G> = { readonly [K in keyof G]: ValueOf<G[K]> };

export function setting<T, const O extends Options = Record<never, never>>(
  env: string,
  schema: z.ZodType<T>,
  doc: string,
  options?: O,
): Setting<T, O> {
  return { env, schema, doc, options: options ?? ({} as O) };
}
