import type { DecodeResult } from '../../src/avro/decoder.ts';

/** @throws Error if the bytes could not be decoded */
export function decodedValue<T>(result: DecodeResult<T>): T {
  if (result.kind === 'decoded') return result.value;
  throw new Error(`${result.reason}: ${result.message}`);
}
