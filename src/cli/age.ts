/** Ages on the command line, for example 90s, 2h or 3d. */

const unitMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Returns milliseconds. @throws Error that says what was expected */
export function parseAge(text: string): number {
  const [, digits, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const ms = Number(digits) * (unitMs[unit] ?? Number.NaN);
  if (Number.isNaN(ms))
    throw new Error(`"${text}" is not an age: expected for example 90s, 2h or 3d`);
  return ms;
}

/** Returns the time of that age, in milliseconds since 1970; 0 without an age. */
export function since(age: string | undefined): number {
  return age === undefined ? 0 : Date.now() - parseAge(age);
}
