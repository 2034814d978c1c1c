/** Reading values that nobody has checked yet: each function returns a checked value, or throws Invalid with the JSON path and what was expected. */

export type JsonObject = { readonly [key: string]: unknown };

/** Bad data, inside this room only: `readPublication` turns it into a Rejection. */
export class Invalid extends Error {
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What stands there, by kind and never by content: the value may be personal data. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}

/** 2^53 - 2: avsc refuses the last safe integer too. */
const longest = Number.MAX_SAFE_INTEGER - 1;

/** A part of the body and where it stands. The path is put together only when something is wrong. */
export class Part {
  readonly value: JsonObject;
  readonly #parent: Part | string;
  readonly #key: string | number;

  /** @param parent the part that holds this one under `key`, or the JSON path of this part itself */
  constructor(value: JsonObject, parent: Part | string, key: string | number = '') {
    this.value = value;
    this.#parent = parent;
    this.#key = key;
  }

  get path(): string {
    if (typeof this.#parent === 'string') return this.#parent;
    const { path } = this.#parent;
    return typeof this.#key === 'number' ? `${path}[${this.#key}]` : `${path}.${this.#key}`;
  }

  text(key: string): string | null {
    const value = this.value[key];
    if (typeof value === 'string') return value;
    if (value === undefined || value === null) return null;
    throw this.invalid(key, 'a string or null');
  }

  requiredText(key: string): string {
    const value = this.value[key];
    if (typeof value === 'string' && value !== '') return value;
    throw this.invalid(key, 'a non-empty string');
  }

  boolean(key: string): boolean | null {
    const value = this.value[key];
    if (typeof value === 'boolean') return value;
    if (value === undefined || value === null) return null;
    throw this.invalid(key, 'true, false or null');
  }

  number(key: string): number | null {
    const value = this.value[key];
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    if (value === undefined || value === null) return null;
    throw this.invalid(key, 'a number or null');
  }

  /** An integer that a JSON number carries without loss, and that avsc writes as a long. */
  whole(key: string): number | null {
    const value = this.number(key);
    if (value === null || (Number.isInteger(value) && Math.abs(value) <= longest)) return value;
    throw this.invalid(key, `an integer within ±${longest}, or null`);
  }

  /** An ISO 8601 time → milliseconds since 1970. */
  time(key: string): number | null {
    const text = this.text(key);
    if (text === null || text === '') return null;
    const ms = msOf(text);
    if (ms !== undefined) return ms;
    throw this.invalid(key, 'an ISO 8601 time or null');
  }

  /** An ISO 8601 date → days since 1970. */
  days(key: string): number | null {
    const text = this.text(key);
    if (text === null || text === '') return null;
    const day = /^\d{4}-\d\d-\d\d/.exec(text)?.[0];
    const ms = day === undefined ? Number.NaN : Date.parse(`${day}T00:00:00Z`);
    if (!Number.isNaN(ms)) return ms / 86_400_000;
    throw this.invalid(key, 'an ISO 8601 date or null');
  }

  part(key: string): Part | null {
    const value = this.value[key];
    if (isObject(value)) return new Part(value, this, key);
    if (value === undefined || value === null) return null;
    throw this.invalid(key, 'an object or null');
  }

  parts(key: string): readonly Part[] {
    const value = this.value[key];
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw this.invalid(key, 'an array or null');
    return value.map((item, index) => {
      if (isObject(item)) return new Part(item, new Part(this.value, this, key), index);
      const path = `${this.path}.${key}[${index}]`;
      throw new Invalid(path, `expected an object, found ${kindOf(item)}`);
    });
  }

  /** A free-form object as text by key: scalars as they read, nested values as JSON, nulls left out. */
  map(key: string, keep: 'all' | 'scalars'): Record<string, string> {
    const map: Record<string, string> = {};
    const values = this.part(key)?.value ?? {};
    for (const name of Object.keys(values)) {
      const value = values[name];
      if (typeof value === 'string') define(map, name, value);
      else if (typeof value === 'number' || typeof value === 'boolean') {
        define(map, name, String(value));
      } else if (keep === 'all' && value !== null) define(map, name, this.#json(key, name, value));
    }
    return map;
  }

  /** What JSON.parse takes may be nested more deeply than JSON.stringify takes. */
  #json(key: string, name: string, value: unknown): string {
    try {
      return JSON.stringify(value);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new Invalid(`${this.path}.${key}.${name}`, 'expected less than a thousand levels');
    }
  }

  invalid(key: string, expected: string): Invalid {
    const found = kindOf(this.value[key]);
    return new Invalid(`${this.path}.${key}`, `expected ${expected}, found ${found}`);
  }
}

/** A plain assignment would let a key named __proto__ change the map's prototype. */
function define(map: Record<string, string>, name: string, value: string): void {
  if (name === '__proto__') {
    Object.defineProperty(map, name, { value, enumerable: true, writable: true });
  } else map[name] = value;
}

const isoTime = /^(\d{4}-\d\d-\d\d)(?:(T\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d))?$/;

/**
 * ISO 8601 → milliseconds since 1970; undefined where the text is none. Voucherify sends three or six fraction digits; beyond the third they are
 * cut off. (Microseconds would not do: a voucher that "never" expires, in 9999, has more of them than a double counts.)
 */
export function msOf(text: string): number | undefined {
  const [whole, day, time = 'T00:00:00', fraction = '', zone = 'Z'] = isoTime.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const ms = Date.parse(`${day}${time}.${fraction.slice(0, 3).padEnd(3, '0')}${zone}`);
  return Number.isNaN(ms) ? undefined : ms;
}
