/**
 * Content whose every part says which write it came from, and where it belongs. Pure.
 *
 * A file is made of blocks, and a block of units of 16 bytes: the number of the write, the place of the unit in its file
 * or record, and a mixture of both. So a block that holds parts of two writes, or bytes of another place, is noticed.
 */

/** Bytes of a unit. */
export const unit = 16

/** Bytes of a block. A WRITE that a server does not end stops between two pages of memory, which are not smaller. */
export const block = 4096

/** Bytes of a record that is appended. */
export const record = 512

/** The content of a block or a record: the number of the write that all of it came from, or why there is no such write. */
export type Value = number | "absent" | "zero" | "mixed"

const mix = (id: number, index: number): number => {
  let word = Math.imul(id ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(index + 1, 0xc2b2_ae35)
  word ^= word >>> 15
  return Math.imul(word, 0x2c1b_3c6d) >>> 0
}

const put = (view: DataView, at: number, id: number, index: number) => {
  view.setUint32(at, id)
  view.setUint32(at + 4, index)
  const word = mix(id, index)
  view.setUint32(at + 8, word)
  view.setUint32(at + 12, ~word >>> 0)
}

/** The bytes that write number `id` (1 or more) puts at `offset`, a multiple of a unit. */
export const make = (id: number, length: number, offset = 0): Uint8Array => {
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at + unit <= length; at += unit) put(view, at, id, (offset + at) / unit)
  return bytes
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const isUnit = (view: DataView, at: number, id: number, index: number): boolean => {
  const word = mix(id, index)
  return view.getUint32(at) === id && view.getUint32(at + 4) === index && view.getUint32(at + 8) === word &&
    view.getUint32(at + 12) === (~word >>> 0)
}

/** The write that these bytes at `offset` of a file came from. */
export const valueOf = (bytes: Uint8Array, offset: number): Value => {
  if (bytes.length === 0) return "absent"
  if (bytes.length % unit !== 0) return "mixed"
  if (bytes.every((byte) => byte === 0)) return "zero"
  const view = viewOf(bytes)
  const id = view.getUint32(0)
  for (let at = 0; at < bytes.length; at += unit) if (!isUnit(view, at, id, (offset + at) / unit)) return "mixed"
  return id
}

/** The values of a file's blocks from `first` on, `count` of them: those after its end are absent. */
export const blocks = (bytes: Uint8Array, first: number, count: number): ReadonlyArray<Value> =>
  Array.from({ length: count }, (_, i) => {
    const part = bytes.subarray(i * block, (i + 1) * block)
    return part.length !== 0 && part.length !== block ? "mixed" : valueOf(part, (first + i) * block)
  })

/** The value of a whole file: one write, or `mixed`. */
export const whole = (bytes: Uint8Array): Value => valueOf(bytes, 0)

/** A record of a log. It is not whole if its append ended early. */
export interface Entry {
  readonly id: number
  readonly whole: boolean
}

/** The records of a log in their order; undefined if it has bytes that belong to no record. */
export const records = (bytes: Uint8Array): ReadonlyArray<Entry> | undefined => {
  if (bytes.length % unit !== 0) return undefined
  const view = viewOf(bytes)
  const found: Array<Entry> = []
  for (let at = 0; at < bytes.length;) {
    const id = view.getUint32(at)
    let count = 0
    while (
      count < record / unit && at + count * unit < bytes.length && isUnit(view, at + count * unit, id, count)
    ) count++
    if (count === 0) return undefined
    found.push({ id, whole: count === record / unit })
    at += count * unit
  }
  return found
}
