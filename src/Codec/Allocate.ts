/**
 * Memory that is not cleared first, for a caller that overwrites all of it: clearing costs as much as filling it.
 *
 * Plain `Uint8Array`s, never Node's `Buffer`: the `slice` of a `Buffer` is a view, and that of any other array is a
 * copy.
 */

/**
 * `length` bytes of undefined content, in their own memory. The caller overwrites all of them.
 *
 * @since 0.1.0
 */
export const uninitialized = (length: number): Uint8Array<ArrayBuffer> => {
  const memory = Buffer.allocUnsafeSlow(length)
  return new Uint8Array(memory.buffer, memory.byteOffset, length)
}

/**
 * The same bytes as a plain `Uint8Array`.
 *
 * @since 0.1.0
 */
export const plain = <B extends ArrayBufferLike>(buffer: Uint8Array<B>): Uint8Array<B> =>
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)

/**
 * Frees memory at once, instead of at the next garbage collection. Every view of it is empty afterwards.
 *
 * For buffers that are made by the thousand and read once, such as the output of ciphers: each megabyte of them would
 * bring a full collection closer, which costs several times as much as the cipher. Does nothing for a part of a larger
 * buffer.
 *
 * @since 0.1.0
 */
export const release = (bytes: Uint8Array): void => {
  const { buffer } = bytes
  if (bytes.byteLength === buffer.byteLength && buffer instanceof ArrayBuffer) buffer.transfer(0)
}
