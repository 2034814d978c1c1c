/**
 * Reads values that are not checked yet: each function returns a checked value, or throws Invalid
 * with the JSON path and what was expected.
 */

export type JsonObject = { readonly [key: string]: unknown };

/** Bad data, inside this module only: `readPublication` turns it into a Rejection. */
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

/** Describes a value by its kind, never by its content, which may be personal data. */
function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}

/** 2^53 - 2, because avsc refuses the last safe integer too. */
const longest = Number.MAX_SAFE_INTEGER - 1;

/** Replaces lone surrogates, which have no UTF-8: another reader would refuse the whole record. */
export function wellFormed(text: string): string {
  return text.isWellFormed() ? text : text.toWellFormed();
}

/**
 * Returns an id as well-formed text that differs from every other id: lone surrogates are replaced
 * by their escapes.
 */
export function wellFormedId(id: string): string {
  return id.isWellFormed() ? id : JSON.stringify(id).slice(1, -1);
}

/** Serializes JSON with each number that JavaScript would change as its text (JSON.rawJSON). */
export type Exact = () => JsonObject;

/**
 * A part of the body and its path. The path is formatted only when something is wrong. An optional
 * value that cannot be understood reads as null, and its path is added to the faults: only values
 * that identity, order or routing need may turn an event into a dead letter.
 */
export class Part {
  readonly value: JsonObject;
  readonly #parent: Part | string;
  readonly #key: string | number;
  readonly #exact: Exact | undefined;
  #faults: string[] | undefined;

  /**
   * @param parent the part that contains this one under `key`, or the JSON path of this part itself
   * @param exact returns the root with numbers as they were written, for a part without a parent
   */
  constructor(value: JsonObject, parent: Part | string, key: string | number = '', exact?: Exact) {
    this.value = value;
    this.#parent = parent;
    this.#key = key;
    this.#exact = exact;
  }

  /** JSON paths of the optional values, here and below, that were read and not understood. */
  get faults(): readonly string[] {
    return this.#root.#faults ?? [];
  }

  get #root(): Part {
    return typeof this.#parent === 'string' ? this : this.#parent.#root;
  }

  /** Records a value that was not understood. */
  #fault(key: string | number): null {
    const root = this.#root;
    root.#faults ??= [];
    const path = typeof key === 'number' ? `${this.path}[${key}]` : `${this.path}.${key}`;
    if (!root.#faults.includes(path)) root.#faults.push(path);
    return null;
  }

  /** Returns this part's value with numbers as they were written. */
  #asWritten(): JsonObject {
    const of = (part: Part): unknown => {
      const parent = part.#parent;
      if (typeof parent === 'string') return part.#exact?.() ?? part.value;
      return (of(parent) as { [key: string | number]: unknown } | undefined)?.[part.#key];
    };
    const found = of(this);
    return isObject(found) ? found : this.value;
  }

  get path(): string {
    if (typeof this.#parent === 'string') return this.#parent;
    const { path } = this.#parent;
    return typeof this.#key === 'number' ? `${path}[${this.#key}]` : `${path}.${this.#key}`;
  }

  text(key: string): string | null {
    const value = this.value[key];
    if (typeof value === 'string') return wellFormed(value);
    return value === undefined || value === null ? null : this.#fault(key);
  }

  /** Reads a required text. @throws Invalid */
  requiredText(key: string): string {
    const value = this.value[key];
    if (typeof value === 'string' && value !== '') return wellFormedId(value);
    throw this.invalid(key, 'a non-empty string');
  }

  boolean(key: string): boolean | null {
    const value = this.value[key];
    if (typeof value === 'boolean') return value;
    return value === undefined || value === null ? null : this.#fault(key);
  }

  number(key: string): number | null {
    const value = this.value[key];
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    return value === undefined || value === null ? null : this.#fault(key);
  }

  /** Reads an integer that a JSON number carries without loss, and that avsc writes as a long. */
  whole(key: string): number | null {
    const value = this.number(key);
    if (value === null || (Number.isInteger(value) && Math.abs(value) <= longest)) return value;
    return this.#fault(key);
  }

  /** Reads an ISO 8601 time as milliseconds since 1970. */
  time(key: string): number | null {
    const text = this.text(key);
    if (text === null || text === '') return null;
    return msOf(text) ?? this.#fault(key);
  }

  /** Reads an ISO 8601 date as days since 1970. */
  days(key: string): number | null {
    const text = this.text(key);
    if (text === null || text === '') return null;
    const day = /^\d{4}-\d\d-\d\d/.exec(text)?.[0];
    const ms = day === undefined ? Number.NaN : Date.parse(`${day}T00:00:00Z`);
    return Number.isNaN(ms) ? this.#fault(key) : ms / 86_400_000;
  }

  part(key: string): Part | null {
    const value = this.value[key];
    if (isObject(value)) return new Part(value, this, key);
    return isNothing(value) ? null : this.#fault(key);
  }

  parts(key: string): readonly Part[] {
    const value = this.value[key];
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) {
      this.#fault(key);
      return [];
    }
    const list = new Part(this.value, this, key);
    return value.flatMap((item, index) => {
      if (isObject(item)) return [new Part(item, list, index)];
      list.#fault(index);
      return [];
    });
  }

  /** Reads a value that routes may use. @throws Invalid if it is of another type */
  routingText(key: string): string | null {
    const value = this.value[key];
    if (value === undefined || value === null || typeof value === 'string') return this.text(key);
    throw this.invalid(key, 'a string or null');
  }

  /** Reads a value that routes may use. @throws Invalid if it is of another type */
  routingPart(key: string): Part | null {
    const value = this.value[key];
    if (isObject(value) || isNothing(value)) return this.part(key);
    throw this.invalid(key, 'an object or null');
  }

  /** Reads a list of objects that must not be malformed. @throws Invalid */
  requiredParts(key: string): readonly Part[] {
    const value = this.value[key];
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw this.invalid(key, 'an array or null');
    const found = this.parts(key);
    if (found.length === value.length) return found;
    throw new Invalid(`${this.path}.${key}`, 'expected objects only');
  }

  /** Returns the strings of a list. */
  texts(key: string): readonly string[] {
    const value = this.value[key];
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) this.#fault(key);
    const items: readonly unknown[] = Array.isArray(value) ? value : [];
    return items.filter((item) => typeof item === 'string').map(wellFormedId);
  }

  /**
   * Reads a free-form object as text by key: strings unchanged, other scalars as they were written,
   * nested values as JSON, nulls left out.
   */
  map(key: string, keep: 'all' | 'scalars'): Record<string, string> {
    const map: Record<string, string> = {};
    const part = this.part(key);
    if (part === null) return map;
    let exact: JsonObject | undefined;
    for (const name of Object.keys(part.value)) {
      const value = part.value[name];
      if (typeof value === 'string') define(map, wellFormed(name), wellFormed(value));
      else if (typeof value === 'boolean') define(map, wellFormed(name), String(value));
      else if (value !== null && (typeof value === 'number' || keep === 'all')) {
        exact ??= part.#asWritten();
        const text = jsonOf(exact[name] ?? value);
        if (text === undefined) part.#fault(name);
        else define(map, wellFormed(name), text);
      }
    }
    return map;
  }

  invalid(key: string, expected: string): Invalid {
    const found = kindOf(this.value[key]);
    return new Invalid(`${this.path}.${key}`, `expected ${expected}, found ${found}`);
  }
}

/**
 * Returns undefined if the value is nested too deeply for JSON.stringify, which is possible with
 * JSON.parse's results.
 */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * Returns whether it is an object. An empty array counts, because PHP cannot distinguish it from an
 * empty object.
 */
const isNothing = (value: unknown) =>
  value === undefined || value === null || (Array.isArray(value) && value.length === 0);

/**
 * Sets a key without assignment, which would let a key named __proto__ change the map's prototype.
 */
function define(map: Record<string, string>, name: string, value: string): void {
  if (name === '__proto__') {
    Object.defineProperty(map, name, { value, enumerable: true, writable: true });
  } else map[name] = value;
}

const isoTime =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d+))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/**
 * Parses ISO 8601 as milliseconds since 1970; undefined if the text is not a time. Without a zone
 * it is UTC, like all times of Voucherify, which have three or six fraction digits; digits beyond
 * the third are cut off. (Microseconds would not fit into a double for a voucher that "never"
 * expires, in 9999.)
 */
export function msOf(text: string): number | undefined {
  const [whole, day, minutes = '00:00', seconds = '00', fraction = '', zone = 'Z'] =
    isoTime.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const [, sign, hours, rest = '00'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? [];
  const offset = sign === undefined ? 'Z' : `${sign}${hours}:${rest}`;
  const millis = fraction.slice(0, 3).padEnd(3, '0');
  const ms = Date.parse(`${day}T${minutes}:${seconds}.${millis}${offset}`);
  return Number.isNaN(ms) ? undefined : ms;
}
