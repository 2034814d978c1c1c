/**
 * Recognises personal data by its value, because metadata, tracking ids and source ids may contain
 * an e-mail address. Pure.
 */

const email = /[^\s@<>"']+@[^\s@<>"']+\.[^\s@<>"'.]{2,}/;
/** Requires the country code: digits alone are as likely an order number. */
const phone = /^\s*(?:\+|00)\d[\d ()./-]{6,}\d\s*$/;

export const masked = '(masked)';

/** Returns the kind of personal data in the text; undefined if there is none. */
export function personalKind(text: string): 'email' | 'phone' | undefined {
  // Nearly every value has neither character, which is seen without a regular expression.
  if (text.includes('@') && email.test(text)) return 'email';
  return phone.test(text) ? 'phone' : undefined;
}
