/**
 * Memory that is about to be overwritten whole: not cleared first, which costs as much as filling it.
 *
 * Plain `Uint8Array`s, never Node's `Buffer`: a `Buffer`'s `slice` is a view where everybody else's is a copy.
 */

/** `length` bytes of no particular value, in memory of their own. The caller overwrites all of them. */
export const uninitialized = (length: number): Uint8Array<ArrayBuffer> => {
  const memory = Buffer.allocUnsafeSlow(length)
  return new Uint8Array(memory.buffer, memory.byteOffset, length)
}

/** The same bytes as a plain `Uint8Array`. */
export const plain = <B extends ArrayBufferLike>(buffer: Uint8Array<B>): Uint8Array<B> =>
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)

/**
 * Gives memory back at once, instead of when the collector comes by; whoever still holds a view of it holds nothing.
 *
 * For buffers that are made by the thousand and looked at once, such as what ciphers give out: each megabyte of them would
 * bring a full collection closer, which costs several times what the cipher does. Does nothing for a part of something
 * larger.
 */
export const release = (bytes: Uint8Array): void => {
  const { buffer } = bytes
  if (bytes.byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0)
}
