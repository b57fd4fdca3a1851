/**
 * Memory for the payloads of READ responses and for frames, used again and again: fresh memory costs more than filling
 * it.
 *
 * A buffer has one owner at a time. For a READ, the owner is the handler until the store has filled the buffer, then
 * the connection until the socket has taken it. For a frame, it is the connection while the system fills the buffer,
 * then the handler of the one request in it, and its store. The last owner gives the buffer back, once. After a
 * failure, or if its client has left, a buffer is not given back: the garbage collector gets it. A buffer is never
 * given back early.
 */
import * as Allocate from "../../../Codec/Allocate.ts"

/** Below this many bytes, fresh memory is as cheap. */
const smallest = 64 * 1024

/** The most bytes that are kept unused. */
const idle = 64 * 1024 * 1024

/**
 * The buffers of one server.
 *
 * @category models
 */
export class Buffers {
  private readonly free = new Map<number, Array<Uint8Array>>()
  private held = 0

  /** Gives `length` bytes with any content. Bytes that the caller does not overwrite must not leave the server. */
  take(length: number): Uint8Array {
    if (length < smallest) return Allocate.uninitialized(length)
    const size = Math.ceil(length / smallest) * smallest
    const known = this.free.get(size)?.pop()
    if (known !== undefined) this.held -= size
    return (known ?? Allocate.uninitialized(size)).subarray(0, length)
  }

  /** Receives the whole memory of a `take` again, by any view of it. Other memory is left to the garbage collector. */
  give(buffer: Uint8Array): void {
    const size = buffer.buffer.byteLength
    if (size < smallest || size > idle || size % smallest !== 0) return
    const list = this.free.get(size)
    if (this.held + size > idle) {
      if (list !== undefined && list.length > 0) return
      // The kept buffers have sizes that no request uses any more.
      this.free.clear()
      this.held = 0
      this.free.set(size, [new Uint8Array(buffer.buffer)])
      this.held = size
      return
    }
    const whole = new Uint8Array(buffer.buffer)
    if (list === undefined) this.free.set(size, [whole])
    else list.push(whole)
    this.held += size
  }
}
