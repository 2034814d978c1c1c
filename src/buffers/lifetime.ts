/**
 * Frees the memory of fetched and sent bytes as soon as it is no longer needed, by reference count.
 * V8 frees a Buffer's memory only when it collects the Buffer. Buffers of a megabyte survive its
 * small collections, so dozens of them wait for a large one, and cause it (over a quarter more CPU,
 * README.md). Reading a Buffer after its memory was freed is safe: its length is 0.
 */

const references = new WeakMap<ArrayBufferLike, number>();

/**
 * Adds a reference to the memory behind these bytes. A reference that is never released leaves the
 * memory to V8.
 */
export function retain(bytes: Buffer): void {
  references.set(bytes.buffer, (references.get(bytes.buffer) ?? 0) + 1);
}

/**
 * Removes a reference. The last one frees the memory: every Buffer on it has the length 0 from then
 * on.
 */
export function release(bytes: Buffer): void {
  const left = (references.get(bytes.buffer) ?? 0) - 1;
  if (left > 0) references.set(bytes.buffer, left);
  else if (left === 0) free(bytes.buffer);
}

/** Frees the memory of a Buffer that nothing else refers to. */
export function freeNow(bytes: Buffer): void {
  if (bytes.length === bytes.buffer.byteLength) free(bytes.buffer);
}

function free(memory: ArrayBufferLike): void {
  references.delete(memory);
  // Smaller Buffers may be slices of the pool that Node shares between all of them.
  if (memory instanceof ArrayBuffer && memory.byteLength > Buffer.poolSize) memory.transfer(0);
}
