/**
 * Byte constants and predicates for scanning JSON. All of it is ASCII, so bytes of UTF-8 can be
 * compared like characters.
 */

export const quote = 0x22;
export const backslash = 0x5c;

/** White space between tokens (RFC 8259, 2). */
export function isSpace(char: number): boolean {
  return char === 0x20 || char === 0x0a || char === 0x0d || char === 0x09;
}
