/**
 * As much of NDR with 32-bit pointers (C706 chapter 14) as `Srvsvc.ts` needs: alignment, pointers, strings, arrays.
 *
 * Alignment counts from the stub's first byte, so that a reader's window here begins where the stub does. What a unique pointer points to comes after the structure that holds the pointer.
 */
import * as Codec from "../Codec.ts"
import type { Reader, Writer } from "../Cursor.ts"

/** Skips to the next multiple of `alignment` in the stub. */
export const alignReader = (r: Reader, alignment: number): void => {
  const over = (r.offset - r.start) % alignment
  if (over !== 0) r.claim(alignment - over)
}

/** A `u32` at its natural alignment. */
export const readU32 = (r: Reader): number => {
  alignReader(r, 4)
  return r.u32()
}

/** Writes a stub: numbers the pointers' referents as Windows and Samba do, and aligns from its first byte. */
export class StubWriter {
  readonly writer: Writer
  private readonly origin: number
  private referents = 0

  constructor(writer: Writer) {
    this.writer = writer
    this.origin = writer.offset
  }

  u32(value: number): void {
    this.writer.align(4, this.origin)
    this.writer.u32(value)
  }

  /** A unique pointer: 0, or the next referent. */
  pointer(present: boolean): void {
    this.u32(present ? 0x00020000 + 4 * this.referents++ : 0)
  }

  /** A conformant and varying string of UTF-16 with its NUL. */
  string(value: string): void {
    const count = value.length + 1
    this.u32(count)
    this.u32(0)
    this.u32(count)
    Codec.utf16z.write(this.writer, value)
  }
}

/** A conformant and varying string of UTF-16, less its NUL. */
export const readString = (r: Reader): string => {
  const maximum = readU32(r)
  const at = r.offset
  const offset = r.u32()
  const count = r.u32()
  if (offset !== 0 || count > maximum) r.fail(`a string of at most ${maximum} from its start`, at)
  if (count * 2 > r.remaining) r.fail(`room for ${count} characters, not ${r.remaining} bytes`, at + 4)
  const window = r.window(r.offset, count * 2)
  r.offset = window.end
  const value = Codec.utf16.read(window)
  return value.endsWith("\0") ? value.slice(0, -1) : value
}
