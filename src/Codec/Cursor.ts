/**
 * Bounded reading and writing of little-endian bytes.
 *
 * A `Reader` never leaves its window, no matter which lengths and offsets the bytes state. It stops by throwing a
 * `DecodeFailure`, a private signal of the codec: `Codec.decode` is the one boundary that turns it into a `Result`, and
 * nothing throws across a room.
 *
 * Ownership: `Reader` reads the caller's buffer in place, and `take` returns views of it, which are valid as long as
 * the caller does not change the buffer. `Writer` owns its buffer until `finish`, which gives it to the caller for
 * good.
 */

/**
 * How a decoder stops. Not an `Error`: it is thrown for bytes that a peer chose, so it must be cheap.
 *
 * @category signals
 * @since 0.1.0
 */
export class DecodeFailure {
  readonly offset: number
  readonly expected: string
  constructor(offset: number, expected: string) {
    this.offset = offset
    this.expected = expected
  }
}

/**
 * A window of bytes and a place in it. All positions are absolute: bytes from the start of `bytes`.
 *
 * @category models
 * @since 0.1.0
 */
export class Reader {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** The window's first byte. */
  readonly start: number
  /** The byte after the window's last. */
  readonly end: number
  /** The next byte to read. */
  offset: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length, view?: DataView) {
    this.bytes = bytes
    this.view = view ?? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.start = start
    this.end = end
    this.offset = start
  }

  /** Bytes left in the window. */
  get remaining(): number {
    return this.end - this.offset
  }

  fail(expected: string, offset = this.offset): never {
    throw new DecodeFailure(offset, expected)
  }

  /** Claims `count` bytes and gives the position of the first. */
  claim(count: number, what = "bytes"): number {
    const at = this.offset
    if (count > this.end - at) this.fail(`${count} more ${what}, not ${this.end - at}`)
    this.offset = at + count
    return at
  }

  u8(): number {
    return this.view.getUint8(this.claim(1))
  }
  u16(): number {
    return this.view.getUint16(this.claim(2), true)
  }
  u32(): number {
    return this.view.getUint32(this.claim(4), true)
  }
  i32(): number {
    return this.view.getInt32(this.claim(4), true)
  }
  u64(): bigint {
    return this.view.getBigUint64(this.claim(8), true)
  }
  i64(): bigint {
    return this.view.getBigInt64(this.claim(8), true)
  }

  /** The next `count` bytes, as a view of the caller's buffer. */
  take(count: number): Uint8Array {
    const at = this.claim(count)
    return this.bytes.subarray(at, at + count)
  }

  /** All bytes left, as a view of the caller's buffer. */
  rest(): Uint8Array {
    return this.take(this.remaining)
  }

  /** A window on part of this one; `at` is absolute. */
  window(at: number, length: number, what = "a buffer inside its message"): Reader {
    if (at < this.start || length < 0 || at + length > this.end) {
      this.fail(`${what}, not ${length < 0 ? "" : `${length} bytes `}at ${at} of ${this.end}`)
    }
    return new Reader(this.bytes, at, at + length, this.view)
  }
}

/**
 * A buffer that grows. Positions are bytes from its start.
 *
 * @category models
 * @since 0.1.0
 */
export class Writer {
  private bytes: Uint8Array<ArrayBuffer>
  private view: DataView
  /** The next byte to write, which is also the number of bytes written. */
  offset = 0

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity)
    this.view = new DataView(this.bytes.buffer)
  }

  /** Makes room. It can replace the view, so claim first and use `this.view` afterwards. */
  private claim(count: number): number {
    const at = this.offset
    const end = at + count
    if (end > this.bytes.length) {
      const bytes = new Uint8Array(Math.max(end, this.bytes.length * 2))
      bytes.set(this.bytes)
      this.bytes = bytes
      this.view = new DataView(bytes.buffer)
    }
    this.offset = end
    return at
  }

  u8(value: number): void {
    const at = this.claim(1)
    this.view.setUint8(at, value)
  }
  u16(value: number): void {
    const at = this.claim(2)
    this.view.setUint16(at, value, true)
  }
  u32(value: number): void {
    const at = this.claim(4)
    this.view.setUint32(at, value, true)
  }
  i32(value: number): void {
    const at = this.claim(4)
    this.view.setInt32(at, value, true)
  }
  u64(value: bigint): void {
    const at = this.claim(8)
    this.view.setBigUint64(at, value, true)
  }
  i64(value: bigint): void {
    const at = this.claim(8)
    this.view.setBigInt64(at, value, true)
  }
  put(bytes: Uint8Array): void {
    const at = this.claim(bytes.length)
    this.bytes.set(bytes, at)
  }
  zeros(count: number): void {
    const at = this.claim(count)
    this.bytes.fill(0, at, at + count)
  }

  /** Pads with zeros until the position, counted from `origin`, is a multiple of `alignment`. */
  align(alignment: number, origin = 0): void {
    const over = (this.offset - origin) % alignment
    if (over !== 0) this.zeros(alignment - over)
  }

  /** Runs `write` at an earlier position, and comes back. */
  patch(at: number, write: (writer: Writer) => void): void {
    const offset = this.offset
    this.offset = at
    write(this)
    this.offset = offset
  }

  /** The written bytes. The writer must not be used afterwards. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.offset)
  }
}
