/**
 * The bytes of a file in memory: pages of 64 KiB in a map by number. So a file grows without being moved, and a hole
 * costs nothing at any offset. A page is only as long as its written part needs, in powers of two from 4 KiB, so a
 * small file is small.
 *
 * Pages own their bytes: writes copy bytes in, and reads copy them out.
 */
import * as Allocate from "../../../Codec/Allocate.ts"
import type { StoreRange } from "../../ShareStore.ts"

/** Bytes in a page. */
export const pageSize = 65_536

const smallest = 4096

/** The length of a page in which byte `end - 1` was written. */
const lengthFor = (end: number): number => {
  let length = smallest
  while (length < end) length *= 2
  return length
}

/** Sizes and offsets are below 2^63, and page numbers therefore below 2^47: plain numbers. */
const pageOf = (offset: bigint): number => Number(offset >> 16n)
const within = (offset: bigint): number => Number(offset & 0xffffn)

/**
 * @category models
 */
export class Pages {
  size = 0n
  /** Bytes that the pages take up. */
  allocated = 0
  readonly #pages = new Map<number, Uint8Array>()

  /** The numbers of the existing pages from `first` to `last`, in any order. */
  #present(first: number, last: number): Array<number> {
    const found: Array<number> = []
    if (last - first < this.#pages.size) {
      for (let page = first; page <= last; page++) if (this.#pages.has(page)) found.push(page)
    } else {
      for (const page of this.#pages.keys()) if (page >= first && page <= last) found.push(page)
    }
    return found
  }

  /** Up to `length` bytes, in new memory. */
  read(offset: bigint, length: number): Uint8Array {
    if (offset >= this.size || length <= 0) return new Uint8Array(0)
    const rest = this.size - offset
    const bytes = Allocate.uninitialized(rest < BigInt(length) ? Number(rest) : length)
    this.readInto(offset, bytes)
    return bytes
  }

  /** Fills `target` up to the end of the file, and returns the number of bytes. */
  readInto(offset: bigint, target: Uint8Array): number {
    if (offset >= this.size) return 0
    const rest = this.size - offset
    const length = rest < BigInt(target.length) ? Number(rest) : target.length
    let page = pageOf(offset)
    let from = within(offset)
    for (let at = 0; at < length; page++, from = 0) {
      const count = Math.min(pageSize - from, length - at)
      const found = this.#pages.get(page)
      const there = found === undefined ? 0 : Math.max(0, Math.min(count, found.length - from))
      if (there > 0) target.set(found!.subarray(from, from + there), at)
      if (there < count) target.fill(0, at + there, at + count)
      at += count
    }
    return length
  }

  /** Bytes by which `allocated` grows when `length` bytes are written at `offset`. */
  cost(offset: bigint, length: number): number {
    let cost = 0
    let page = pageOf(offset)
    let from = within(offset)
    for (let left = length; left > 0; page++, from = 0) {
      const count = Math.min(pageSize - from, left)
      cost += Math.max(0, lengthFor(from + count) - (this.#pages.get(page)?.length ?? 0))
      left -= count
    }
    return cost
  }

  write(offset: bigint, data: Uint8Array): void {
    let page = pageOf(offset)
    let from = within(offset)
    for (let at = 0; at < data.length; page++, from = 0) {
      const count = Math.min(pageSize - from, data.length - at)
      let target = this.#pages.get(page)
      if (target === undefined || target.length < from + count) {
        const longer = new Uint8Array(lengthFor(from + count))
        if (target !== undefined) longer.set(target)
        this.allocated += longer.length - (target?.length ?? 0)
        this.#pages.set(page, longer)
        target = longer
      }
      target.set(count === data.length ? data : data.subarray(at, at + count), from)
      at += count
    }
    const end = offset + BigInt(data.length)
    if (data.length > 0 && end > this.size) this.size = end
  }

  truncate(size: bigint): void {
    if (size < this.size) this.zero({ offset: size, length: this.size - size })
    this.size = size
  }

  /** Fills a range with zeros; whole pages are freed. */
  zero(range: StoreRange): void {
    const end = range.offset + range.length < this.size ? range.offset + range.length : this.size
    if (end <= range.offset) return
    for (const page of this.#present(pageOf(range.offset), pageOf(end - 1n))) {
      const start = BigInt(page) << 16n
      const from = range.offset > start ? Number(range.offset - start) : 0
      const to = end - start < BigInt(pageSize) ? Number(end - start) : pageSize
      const bytes = this.#pages.get(page)!
      // A page has no bytes to keep beyond the file's end.
      if (from === 0 && (to === pageSize || end === this.size)) {
        this.allocated -= bytes.length
        this.#pages.delete(page)
      } else bytes.fill(0, from, to)
    }
  }

  /** The parts of `range` that have pages, in ascending order; adjacent parts are joined. */
  ranges(range: StoreRange): Array<StoreRange> {
    const end = range.offset + range.length < this.size ? range.offset + range.length : this.size
    const found: Array<StoreRange> = []
    if (end <= range.offset) return found
    const pages = this.#present(pageOf(range.offset), pageOf(end - 1n)).sort((a, b) => a - b)
    for (let i = 0; i < pages.length;) {
      let next = i + 1
      while (next < pages.length && pages[next] === pages[next - 1]! + 1) next++
      const first = BigInt(pages[i]!) << 16n
      const last = BigInt(pages[next - 1]! + 1) << 16n
      const offset = first > range.offset ? first : range.offset
      found.push({ offset, length: (last < end ? last : end) - offset })
      i = next
    }
    return found
  }

  /** Frees all pages. */
  clear(): void {
    this.#pages.clear()
    this.allocated = 0
    this.size = 0n
  }
}
