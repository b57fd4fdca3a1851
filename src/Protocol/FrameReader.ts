/**
 * Direct TCP framing (MS-SMB2 2.1): one zero byte, a 24-bit big-endian length, and a packet.
 *
 * An incremental reader for the hot path. Each packet is collected once, into memory that its receiver owns from then
 * on, so views of it are valid as long as the receiver keeps them. A receiver that knows where a large payload belongs
 * can `claim` a packet after its first bytes: the payload then goes straight from the socket's buffer into its place. A
 * transport that can tell the system where to put bytes can put the rest of a packet into `room`, without any copy.
 */

import * as Allocate from "../Codec/Allocate.ts"

/**
 * The bytes before each packet.
 *
 * @since 0.1.0
 */
export const headerSize = 4

/**
 * Where the rest of a claimed packet goes.
 *
 * @since 0.1.0
 */
export interface Claim {
  /** Receives the bytes that follow the packet's first `FrameHandlers.peek`, as many as fit in. */
  readonly destination: Uint8Array
  /** Called when the whole packet has arrived. `tail` are the bytes after those of the destination. */
  readonly complete: (head: Uint8Array, tail: Uint8Array) => void
}

/**
 * The functions that a reader calls for each packet, and its limits.
 *
 * @since 0.1.0
 */
export interface FrameHandlers {
  /** The number of first bytes that `claim` needs. */
  readonly peek: number
  /** Packets shorter than this are never offered to `claim`. */
  readonly claimFrom: number
  readonly claim: (head: Uint8Array, length: number) => Claim | undefined
  /** Allocates uninitialized memory for packets that are not claimed. Default: new memory for each. */
  readonly allocate?: ((length: number) => Uint8Array) | undefined
  /** Whether a packet is only read in `onFrame`, so that the next packet can use its memory. */
  readonly transient?: ((head: Uint8Array) => boolean) | undefined
  /** A whole packet; the receiver owns it, unless it is `transient`. */
  readonly onFrame: (frame: Uint8Array) => void
  /** A packet longer than the limit, or a byte that cannot begin a packet. The reader ends then. */
  readonly onError: (what: "length" | "type", value: number) => void
}

const nothing = new Uint8Array(0)

/**
 * Cuts a stream of bytes into packets.
 *
 * @category models
 * @since 0.1.0
 */
export class FrameReader {
  private readonly handlers: FrameHandlers
  /** The largest accepted packet, in bytes; it can be changed between two packets. */
  maximumLength: number
  private readonly header = new Uint8Array(headerSize)
  private headerFill = 0
  private frame: Uint8Array | undefined
  private length = 0
  private fill = 0
  private claimed: Claim | undefined
  private head: Uint8Array = nothing
  private failed = false
  private scratch: Uint8Array = nothing

  constructor(maximumLength: number, handlers: FrameHandlers) {
    this.maximumLength = maximumLength
    this.handlers = handlers
  }

  /** Takes a chunk, and reads it only during the call. */
  push(chunk: Uint8Array): void {
    let at = 0
    const end = chunk.length
    while (at < end && !this.failed) {
      if (this.headerFill < headerSize) {
        this.header[this.headerFill++] = chunk[at++]!
        if (this.headerFill === headerSize && !this.begin()) return
        continue
      }
      at = this.claimed === undefined ? this.collect(chunk, at) : this.place(chunk, at)
    }
  }

  /**
   * The memory for the rest of the current packet: a caller can put the next bytes there instead of calling `push`, and
   * then call `arrived`. Undefined between packets, and after a packet was claimed.
   */
  get room(): Uint8Array | undefined {
    return this.failed || this.claimed !== undefined || this.frame === undefined
      ? undefined
      : this.frame.subarray(this.fill)
  }

  /** The first `count` bytes of `room` have arrived. The caller must have read `room` after the last bytes came. */
  arrived(count: number): void {
    const frame = this.frame!
    this.fill += count
    if (this.fill === frame.length) this.collected(frame)
  }

  /** Drops the current packet, and accepts nothing more. */
  end(): void {
    this.failed = true
    this.frame = undefined
    this.claimed = undefined
    this.head = nothing
    this.scratch = nothing
  }

  private begin(): boolean {
    const [type, high, middle, low] = this.header as unknown as [number, number, number, number]
    this.length = (high << 16) | (middle << 8) | low
    this.fill = 0
    // A NetBIOS session keep-alive has no body and is ignored.
    if (type === 0x85 && this.length === 0) {
      this.headerFill = 0
      return true
    }
    if (type !== 0 || this.length === 0) return this.fail("type", type)
    if (this.length > this.maximumLength) return this.fail("length", this.length)
    // Of a large packet, only the first bytes are collected here: they tell where the rest belongs.
    const { allocate, claimFrom, peek } = this.handlers
    this.frame = this.length >= claimFrom
      ? Allocate.uninitialized(peek)
      : allocate === undefined
      ? Allocate.uninitialized(this.length)
      : allocate(this.length)
    return true
  }

  private fail(what: "length" | "type", value: number): false {
    this.failed = true
    this.handlers.onError(what, value)
    return false
  }

  private collect(chunk: Uint8Array, at: number): number {
    const frame = this.frame!
    const count = Math.min(frame.length - this.fill, chunk.length - at)
    frame.set(count === chunk.length ? chunk : chunk.subarray(at, at + count), this.fill)
    this.fill += count
    if (this.fill === frame.length) this.collected(frame)
    return at + count
  }

  /** A whole packet has arrived, or the part of it that decides whether it is claimed. */
  private collected(frame: Uint8Array): void {
    if (frame.length === this.length) {
      this.next()
      this.handlers.onFrame(frame)
    } else {
      this.peeked(frame)
    }
  }

  /** The first bytes of a large packet have arrived, which decide where the rest goes. */
  private peeked(head: Uint8Array): void {
    const claim = this.handlers.claim(head, this.length)
    if (claim !== undefined && head.length + claim.destination.length <= this.length) {
      this.claimed = claim
      this.head = head
      const tail = this.length - head.length - claim.destination.length
      this.frame = tail === 0 ? nothing : new Uint8Array(tail)
      return
    }
    const frame = this.handlers.transient?.(head) === true ? this.reused() : Allocate.uninitialized(this.length)
    frame.set(head)
    this.frame = frame
  }

  private reused(): Uint8Array {
    if (this.scratch.length < this.length) this.scratch = Allocate.uninitialized(this.length)
    return this.scratch.subarray(0, this.length)
  }

  private place(chunk: Uint8Array, at: number): number {
    const claim = this.claimed!
    const placed = this.fill - this.head.length
    const room = claim.destination.length - placed
    let count: number
    if (room > 0) {
      count = Math.min(room, chunk.length - at)
      claim.destination.set(chunk.subarray(at, at + count), placed)
    } else {
      count = Math.min(this.length - this.fill, chunk.length - at)
      this.frame!.set(chunk.subarray(at, at + count), placed - claim.destination.length)
    }
    this.fill += count
    if (this.fill === this.length) this.finishClaim()
    return at + count
  }

  private finishClaim(): void {
    const claim = this.claimed!
    const head = this.head
    const tail = this.frame!
    this.next()
    claim.complete(head, tail)
  }

  private next(): void {
    this.headerFill = 0
    this.frame = undefined
    this.claimed = undefined
    this.head = nothing
  }
}

/**
 * Writes the framing header of a packet of `length` bytes.
 *
 * @since 0.1.0
 */
export const writeHeader = (into: Uint8Array, length: number): void => {
  into[0] = 0
  into[1] = (length >>> 16) & 0xff
  into[2] = (length >>> 8) & 0xff
  into[3] = length & 0xff
}
