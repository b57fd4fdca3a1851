/**
 * Memory for the payloads of READ responses and for frames, used again and again: fresh memory costs more than filling it.
 *
 * A buffer has one owner at a time: of a READ, the handler until the store has filled it, then the connection until the
 * socket has taken it; of a frame, the connection while the system fills it, then the handler of the one request in it, and
 * its store. Who has it last gives it back, once; one that is never given back, after a failure or because its client left,
 * is the collector's: it is never given back early.
 */
import * as Allocate from "../../../Codec/Allocate.ts"

/** Below this, fresh memory is as cheap. */
const smallest = 64 * 1024

/** Bytes that lie idle at most. */
const idle = 64 * 1024 * 1024

/**
 * The buffers of one server.
 *
 * @category models
 */
export class Buffers {
  private readonly free = new Map<number, Array<Uint8Array>>()
  private held = 0

  /** `length` bytes of no particular value; what is not overwritten must not leave the server. */
  take(length: number): Uint8Array {
    if (length < smallest) return Allocate.uninitialized(length)
    const size = Math.ceil(length / smallest) * smallest
    const known = this.free.get(size)?.pop()
    if (known !== undefined) this.held -= size
    return (known ?? Allocate.uninitialized(size)).subarray(0, length)
  }

  /** Takes back what `take` gave, all of it, by any view of it. Memory from elsewhere is left to the collector. */
  give(buffer: Uint8Array): void {
    const size = buffer.buffer.byteLength
    if (size < smallest || size > idle || size % smallest !== 0) return
    const list = this.free.get(size)
    if (this.held + size > idle) {
      if (list !== undefined && list.length > 0) return
      // What lies there is of sizes that nobody asks for any more.
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
