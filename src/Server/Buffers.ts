/**
 * Memory for the payloads of READ responses, used again and again: fresh memory costs more than reading into it.
 *
 * A buffer has one owner at a time: the READ's handler until the store has filled it, then the connection until the
 * socket has taken it. Who has it last gives it back, once; one that is never given back is the collector's.
 */
import * as Allocate from "../Codec/Allocate.ts"

/** Below this, fresh memory is as cheap. */
const smallest = 64 * 1024

/** Bytes that lie idle at most. */
const idle = 32 * 1024 * 1024

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
    const size = 2 ** Math.ceil(Math.log2(length))
    const known = this.free.get(size)?.pop()
    if (known !== undefined) this.held -= size
    return (known ?? Allocate.uninitialized(size)).subarray(0, length)
  }

  /** Takes back what `take` gave. */
  give(buffer: Uint8Array): void {
    const size = buffer.buffer.byteLength
    if (size < smallest || this.held + size > idle) return
    const list = this.free.get(size)
    const whole = new Uint8Array(buffer.buffer)
    if (list === undefined) this.free.set(size, [whole])
    else list.push(whole)
    this.held += size
  }
}
