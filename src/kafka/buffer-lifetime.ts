/**
 * Memory of what was fetched and sent, given back when it is done with. V8 gives a Buffer's memory back when it finds the Buffer to be garbage; of
 * pieces of a megabyte, which outlive its small collections, dozens wait for a large one, and large ones come for their sake (17 MB of each worker,
 * and an eighth of its CPU). Who still reads what was given back finds nothing, never another's bytes: its Buffers have the length 0.
 */

const users = new WeakMap<ArrayBufferLike, number>();

/** One more user of the memory of these bytes: it is given back when as many have released it. Who never does leaves it to V8. */
export function retain(bytes: Buffer): void {
  users.set(bytes.buffer, (users.get(bytes.buffer) ?? 0) + 1);
}

/** One user less: these and all other Buffers of this user are not to be read any more. */
export function release(bytes: Buffer): void {
  const left = (users.get(bytes.buffer) ?? 0) - 1;
  if (left > 0) users.set(bytes.buffer, left);
  else if (left === 0) detach(bytes.buffer);
}

/** For bytes with a single user. */
export function giveBack(bytes: Buffer): void {
  if (bytes.length === bytes.buffer.byteLength) detach(bytes.buffer);
}

function detach(memory: ArrayBufferLike): void {
  users.delete(memory);
  // What is so small may be the pool that all small Buffers share.
  if (memory instanceof ArrayBuffer && memory.byteLength > Buffer.poolSize) memory.transfer(0);
}
