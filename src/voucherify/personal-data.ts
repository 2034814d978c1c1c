/**
 * Recognises personal data by its value: metadata, tracking ids and source ids may hold an e-mail
 * address. Pure.
 */

const email = /[^\s@<>"']+@[^\s@<>"']+\.[^\s@<>"'.]{2,}/;
/** With its country: digits alone are an order number as likely. */
const phone = /^\s*(?:\+|00)\d[\d ()./-]{6,}\d\s*$/;

export const masked = '(masked)';

/** Undefined: nothing personal is seen in it. */
export function personalKind(text: string): 'email' | 'phone' | undefined {
  // Nearly every value has neither: that is seen without a regular expression.
  if (text.includes('@') && email.test(text)) return 'email';
  return phone.test(text) ? 'phone' : undefined;
}
