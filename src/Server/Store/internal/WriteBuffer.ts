/**
 * The written bytes of a stream that are not in the storage yet: ascending segments of bytes and of zeros, which do not
 * overlap. The buffer owns its memory: writes copy bytes in, and reads copy them out.
 */
import * as Allocate from "../../../Codec/Allocate.ts"

/** A written part of a stream. */
export interface Segment {
  readonly start: number
  length: number
  /** The bytes, with room behind them for writes that follow; `undefined` for zeros. */
  readonly memory: Uint8Array | undefined
}

/** The least and the most memory that a segment gets for writes that follow. */
const smallest = 4096
const largest = 1024 * 1024

/** Memory for segments that is used again: to make and to free as much for each write costs as much as to copy. */
export class Blocks {
  readonly #free: Array<Uint8Array> = []
  readonly #most: number

  /** `bytes`: the most memory that is kept. */
  constructor(bytes: number) {
    this.#most = Math.floor(bytes / largest)
  }

  /** At least `length` bytes of undefined content. */
  take(length: number): Uint8Array {
    return length === largest && this.#free.pop() || Allocate.uninitialized(length)
  }

  /** Takes memory that nothing uses any more. */
  give(blocks: ReadonlyArray<Uint8Array>): void {
    for (const block of blocks) if (block.length === largest && this.#free.length < this.#most) this.#free.push(block)
  }
}

/** What a segment costs in addition to its memory, so that the number of segments has a limit. */
const segmentCost = 128

const end = ({ length, start }: Segment): number => start + length

const bytesOf = ({ length, memory }: Segment): Uint8Array | undefined =>
  memory === undefined || memory.length === length ? memory : memory.subarray(0, length)

/** The part of a segment from `from` to `to`. A left part gets no room: the memory behind it belongs to the right one. */
const part = (segment: Segment, from: number, to: number): Segment => ({
  start: from,
  length: to - from,
  memory: segment.memory?.subarray(
    from - segment.start,
    to === end(segment) ? segment.memory.length : to - segment.start
  )
})

/** @category models */
export class WriteBuffer {
  /**
   * Bytes of memory that the buffer has used, with a little for each segment. Parts that were overwritten count too: a small part can keep the memory
   * of a large one.
   */
  used = 0
  /** Reads that have not copied their bytes yet. */
  readers = 0
  #segments: Array<Segment> = []
  readonly #blocks: Blocks
  readonly #memory: Array<Uint8Array> = []

  constructor(blocks: Blocks) {
    this.#blocks = blocks
  }

  /** Gives the memory back, when the bytes are in the storage and nothing reads them. The buffer is not used again. */
  release(): void {
    if (this.readers === 0) this.#blocks.give(this.#memory)
  }

  get isEmpty(): boolean {
    return this.#segments.length === 0
  }

  /** The written parts, ascending. They belong to the buffer. */
  get segments(): ReadonlyArray<
    { readonly start: number; readonly length: number; readonly bytes: Uint8Array | undefined }
  > {
    return this.#segments.map((segment) => ({
      start: segment.start,
      length: segment.length,
      bytes: bytesOf(segment)
    }))
  }

  /** The index of the first segment that ends after `offset`. */
  #indexAfter(offset: number): number {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (end(this.#segments[middle]!) > offset) high = middle
      else low = middle + 1
    }
    return low
  }

  #insert(segment: Segment): void {
    this.used += segmentCost
    const from = segment.start
    const to = end(segment)
    const first = this.#indexAfter(from)
    let last = first
    const put: Array<Segment> = [segment]
    for (; last < this.#segments.length && this.#segments[last]!.start < to; last++) {
      const old = this.#segments[last]!
      if (old.start < from) put.unshift(part(old, old.start, from))
      if (end(old) > to) put.push(part(old, to, end(old)))
    }
    this.#segments.splice(first, last - first, ...put)
  }

  write(offset: number, data: Uint8Array): void {
    if (data.length === 0) return
    const index = this.#indexAfter(offset)
    const inside = this.#segments[index]
    if (inside?.memory !== undefined && inside.start <= offset && end(inside) >= offset + data.length) {
      inside.memory.set(data, offset - inside.start)
      return
    }
    const before = this.#segments[index - 1]
    const follows = before?.memory !== undefined && end(before) === offset
    let rest = data
    if (follows && before.memory.length > before.length) {
      // Only up to the next segment: a longer write cuts that one below.
      const room = Math.min(before.memory.length - before.length, (inside?.start ?? Infinity) - offset, data.length)
      before.memory.set(data.subarray(0, room), before.length)
      before.length += room
      rest = data.subarray(room)
      if (rest.length === 0) return
    }
    let room = follows ? Math.min(2 * before.memory.length, largest) : smallest
    for (let start = offset + data.length - rest.length; rest.length > 0;) {
      const count = Math.min(rest.length, largest)
      const memory = this.#blocks.take(Math.max(count, room))
      memory.set(count === rest.length ? rest : rest.subarray(0, count))
      this.#memory.push(memory)
      this.used += memory.length
      this.#insert({ start, length: count, memory })
      start += count
      rest = rest.subarray(count)
      room = smallest
    }
  }

  /** Makes a part zeros. */
  zero(offset: number, length: number): void {
    if (length > 0) this.#insert({ start: offset, length, memory: undefined })
  }

  /** Whether the buffer has every byte of a part. */
  covers(from: number, to: number): boolean {
    let at = from
    for (let i = this.#indexAfter(from); at < to && i < this.#segments.length; i++) {
      if (this.#segments[i]!.start > at) return false
      at = end(this.#segments[i]!)
    }
    return at >= to
  }

  /** Copies the written bytes of a part of a stream over those in `target`. */
  readInto(from: number, target: Uint8Array): void {
    const to = from + target.length
    for (let i = this.#indexAfter(from); i < this.#segments.length && this.#segments[i]!.start < to; i++) {
      const segment = this.#segments[i]!
      const first = Math.max(from, segment.start)
      const last = Math.min(to, end(segment))
      if (segment.memory === undefined) target.fill(0, first - from, last - from)
      else target.set(segment.memory.subarray(first - segment.start, last - segment.start), first - from)
    }
  }

  /** Puts the parts of a later buffer over those of this one. */
  add(later: WriteBuffer): void {
    // What is still read is left to the garbage collection.
    if (later.readers === 0) this.#memory.push(...later.#memory)
    const used = this.used + later.used
    for (const segment of later.#segments) this.#insert(segment)
    this.used = used
  }
}
