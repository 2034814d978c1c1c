/**
 * The kinds of values that a setting may have. Each turns text from the environment into a checked
 * value, or into a sentence that says what was expected.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import { sendersOf } from './senders.ts';

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const unitBytes = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };

export type Secret = {
  /** Undefined: the source is WEBHOOK_SOURCE. */
  readonly source: string | undefined;
  readonly name: string;
  readonly key: string;
};

function parsed<T>(expected: string, parse: (text: string) => T | undefined) {
  return z.string().transform((text, context) => {
    const value = parse(text.trim());
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${expected}` });
    return z.NEVER;
  });
}

function scaled(text: string, units: Record<string, number>): number | undefined {
  const [, digits, unit = ''] = /^(\d+) ?([A-Za-z]+)$/.exec(text) ?? [];
  const factor = units[unit];
  return digits !== undefined && factor !== undefined ? Number(digits) * factor : undefined;
}

function within(value: number | undefined, min: number, max: number): number | undefined {
  return value !== undefined && Number.isInteger(value) && value >= min && value <= max
    ? value
    : undefined;
}

const whole = (text: string, min: number, max: number) =>
  within(/^-?\d+$/.test(text) ? Number(text) : undefined, min, max);

const items = (text: string) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

export const text = () => parsed('some text', (value) => (value === '' ? undefined : value));

export const integer = (min: number, max: number) =>
  parsed(`an integer from ${min} to ${max}`, (value) => whole(value, min, max));

/** A number of processes; `auto` means as many as the process is given cores. */
export const workers = () =>
  parsed('auto, or an integer from 1 to 256', (value) =>
    value === 'auto' ? value : whole(value, 1, 256),
  );

/** Milliseconds, written with a unit: 500ms, 10s, 5m, 1h, 15d. */
export const duration = (min: string, max: string) =>
  parsed(`a duration from ${min} to ${max}, such as 500ms, 10s, 5m, 1h or 15d`, (value) =>
    within(scaled(value, unitMs), scaled(min, unitMs) ?? 0, scaled(max, unitMs) ?? 0),
  );

/** Bytes, as a plain number or with a unit: 1048576, 512KiB, 1MiB. */
export const bytes = (min: string, max: string) =>
  parsed(`a size from ${min} to ${max}, such as 1048576, 512KiB or 1MiB`, (value) =>
    within(
      scaled(/^\d+$/.test(value) ? `${value}B` : value, unitBytes),
      scaled(min, unitBytes) ?? 0,
      scaled(max, unitBytes) ?? 0,
    ),
  );

export const oneOf = <const T extends string>(...choices: readonly T[]) =>
  parsed(`one of ${choices.join(', ')}`, (value) => choices.find((choice) => choice === value));

export const someOf = <const T extends string>(...choices: readonly T[]) =>
  parsed(`a comma-separated list of ${choices.join(', ')}`, (value) => {
    const known = items(value).map((item) => choices.find((choice) => choice === item));
    return known.every((item) => item !== undefined) ? known : undefined;
  });

/** Names with values, as `name=value,name=value`. */
export const pairs = () =>
  parsed('name=value, or several separated by commas', (value) => {
    const list = items(value).map((item) => /^([A-Za-z0-9_-]+)=(.+)$/.exec(item));
    return list.length > 0 && list.every((one) => one !== null)
      ? (Object.fromEntries(list.map(([, name, text]) => [name, text])) as Pairs)
      : undefined;
  });

export type Pairs = Readonly<Record<string, string>>;

export const flag = () =>
  parsed('true or false', (value) =>
    value === 'true' ? true : value === 'false' ? false : undefined,
  );

export const addresses = () =>
  parsed('addresses and subnets such as 10.0.0.0/8, separated by commas', (value) => {
    const list = items(value);
    return list.length > 0 && list.every((one) => /[.:]/.test(one)) ? sendersOf(list) : undefined;
  });

/** A token that cannot be guessed. */
export const token = () =>
  parsed('at least 16 characters', (value) => (value.length >= 16 ? value : undefined));

export const hosts = () =>
  parsed('host:port, or several separated by commas', (value) => {
    const list = items(value);
    return list.length > 0 && list.every((host) => /^[^\s:]+:\d{1,5}$|^\[.+\]:\d{1,5}$/.test(host))
      ? list
      : undefined;
  });

/**
 * A URL without credentials, because these would appear in log lines, errors and record headers.
 * They have their own settings.
 */
export const httpUrl = () =>
  parsed('an http:// or https:// URL without user and password in it', (value) => {
    if (!URL.canParse(value) || !/^https?:/.test(value)) return undefined;
    const { username, password } = new URL(value);
    return username === '' && password === '' ? value.replace(/\/+$/, '') : undefined;
  });

/** PEM text. Node's TLS ignores an invalid CA silently, so it is checked here. */
export const pem = (label: 'CERTIFICATE' | 'PRIVATE KEY') =>
  z.string().transform((text, context) => {
    const problem = pemProblem(text.trim(), label);
    if (problem === undefined) return text;
    context.addIssue({
      code: 'custom',
      message: `expected a PEM of a ${label.toLowerCase()}, ${problem}`,
    });
    return z.NEVER;
  });

function pemProblem(text: string, label: 'CERTIFICATE' | 'PRIVATE KEY'): string | undefined {
  if (/^(\.{0,2}\/|[A-Za-z]:\\)[^\n]*$/.test(text)) {
    return 'found what looks like a path: name the file in the same setting with _FILE at its end';
  }
  const [, found] = /-----BEGIN ([A-Z0-9 ]+)-----/.exec(text) ?? [];
  if (found === undefined) return `found no "-----BEGIN …-----" in it${base64Hint(text)}`;
  if (text.includes('\\n')) return 'found a backslash and n where the lines should end';
  if (!found.endsWith(label)) return `found a ${found.toLowerCase()}`;
  try {
    if (label === 'CERTIFICATE') {
      const certificates = certificatesIn(text);
      if (certificates.length === 0) return 'found no "-----END CERTIFICATE-----" in it';
      for (const one of certificates) new X509Certificate(one);
    } else if (!isEncrypted(text)) createPrivateKey(text);
    return undefined;
  } catch (error) {
    return `found one that cannot be read (${messageOf(error)})`;
  }
}

/** A Kubernetes Secret shows its values in base64. */
const base64Hint = (text: string) =>
  Buffer.from(text, 'base64').toString('latin1').startsWith('-----BEGIN')
    ? ': it is in base64, decode it first'
    : '';

/** Returns the certificates of a PEM, one text each. */
export const certificatesIn = (pem: string): readonly string[] =>
  pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];

/** Returns whether the PEM holds a key that needs a pass phrase (PKCS #8, or the older form). */
export const isEncrypted = (pem: string): boolean => /ENCRYPTED/.test(pem);

/**
 * A legal Kafka topic or group name part (letters, digits, dot, underscore, hyphen; Kafka's limit
 * for a topic is 249).
 */
export const kafkaName = () =>
  parsed('1 to 180 letters, digits, dots, underscores or hyphens', (value) =>
    /^[A-Za-z0-9._-]{1,180}$/.test(value) ? value : undefined,
  );

export const pathSegment = () =>
  parsed('1 to 60 lower-case letters, digits or hyphens', (value) =>
    /^[a-z0-9-]{1,60}$/.test(value) ? value : undefined,
  );

/**
 * Webhook secrets: `name:secret`, or a plain secret, which is then named `default`, `default-2` and
 * so on. A plain secret that contains a colon needs a name. With `source/` before the name the
 * secret belongs to that source, otherwise to WEBHOOK_SOURCE.
 */
export const secrets = () =>
  parsed(
    'one or more secrets separated by commas or line ends, each as source/name:secret, name:secret or plain, without quotes around them, with names distinct in their source',
    (value): readonly Secret[] | undefined => {
      const list = items(value.replaceAll(/\r?\n/g, ',')).map((item, index): Secret => {
        const [, source, name, key] =
          /^(?:([a-z0-9-]{1,60})\/)?([A-Za-z0-9_-]+):(.+)$/.exec(item) ?? [];
        return name !== undefined && key !== undefined
          ? { source, name, key }
          : {
              source: undefined,
              name: index === 0 ? 'default' : `default-${index + 1}`,
              key: item,
            };
      });
      const names = new Set(list.map(({ source, name }) => `${source}/${name}`));
      // Quotes are left over from an env file or a YAML file: every webhook would be refused.
      const isQuoted = list.some(({ key }) => /^["'].*["']$/.test(key)) || /^["']/.test(value);
      return list.length > 0 && names.size === list.length && !isQuoted ? list : undefined;
    },
  );

export const senders = () =>
  parsed(
    'one or more of eu1, us1, as1 (regions of Voucherify), addresses, and subnets such as 10.0.0.0/8, separated by commas',
    (value) => (items(value).length > 0 ? sendersOf(items(value)) : undefined),
  );
