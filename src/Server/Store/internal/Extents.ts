/**
 * The bytes of a stream as parts of immutable chunks: ascending extents that do not overlap. Bytes between them are
 * zeros. Pure: a change gives a new list, and what is different in it.
 */
import type { StoreRange } from "../../ShareStore.ts"

/** `length` bytes of a stream from `start`: those of a chunk from `skip`. */
export interface Extent {
  readonly start: number
  readonly length: number
  readonly chunk: string
  readonly skip: number
  /** Whether the bytes of the chunk are in the database. */
  readonly inline: boolean
}

/** A part of a stream that gets new bytes, or zeros. */
export interface Replacement {
  readonly start: number
  readonly length: number
  /** The new bytes: `undefined` for zeros. They begin at the part's start, and end with it. */
  readonly extent: Extent | undefined
}

/** The extents after a change. */
export interface Changed {
  readonly extents: ReadonlyArray<Extent>
  readonly removed: ReadonlyArray<Extent>
  readonly added: ReadonlyArray<Extent>
}

/** The index of the first extent that ends after `offset`. */
export const indexAfter = (extents: ReadonlyArray<Extent>, offset: number): number => {
  let low = 0
  let high = extents.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const { length, start } = extents[middle]!
    if (start + length > offset) high = middle
    else low = middle + 1
  }
  return low
}

/** The part of an extent from `from` to `to`, which lie in it. */
export const part = (extent: Extent, from: number, to: number): Extent => ({
  ...extent,
  start: from,
  length: to - from,
  skip: extent.skip + from - extent.start
})

/** The extents within a range, cut at its ends, in ascending order. */
export const within = (extents: ReadonlyArray<Extent>, from: number, to: number): Array<Extent> => {
  const found: Array<Extent> = []
  if (from >= to) return found
  for (let i = indexAfter(extents, from); i < extents.length && extents[i]!.start < to; i++) {
    const extent = extents[i]!
    const end = extent.start + extent.length
    found.push(
      extent.start >= from && end <= to ? extent : part(extent, Math.max(from, extent.start), Math.min(to, end))
    )
  }
  return found
}

/** The same bytes at other places: `by` bytes later. */
export const moved = (extents: ReadonlyArray<Extent>, by: number): Array<Extent> =>
  extents.map(({ chunk, inline, length, skip, start }) => ({ start: start + by, length, chunk, skip, inline }))

/** Replaces parts, and leaves nothing at `size` or later. */
export const replace = (
  extents: ReadonlyArray<Extent>,
  replacements: ReadonlyArray<Replacement>,
  size: number
): Changed => {
  const next = extents.slice()
  const removed = new Set<Extent>()
  const added = new Set<Extent>()
  const change = (from: number, to: number, extent: Extent | undefined) => {
    const first = indexAfter(next, from)
    let last = first
    const put: Array<Extent> = []
    for (; last < next.length && next[last]!.start < to; last++) {
      const old = next[last]!
      // What this change itself has added was never kept.
      if (!added.delete(old)) removed.add(old)
      if (old.start < from) put.push(part(old, old.start, from))
      if (old.start + old.length > to) put.push(part(old, to, old.start + old.length))
    }
    if (extent !== undefined) put.push(extent)
    put.sort((a, b) => a.start - b.start)
    for (const one of put) added.add(one)
    next.splice(first, last - first, ...put)
  }
  for (const { extent, length, start } of replacements) change(start, start + length, extent)
  change(size, Infinity, undefined)
  return { extents: next, removed: Array.from(removed), added: Array.from(added) }
}

/** Bytes that the extents cover. */
export const allocated = (extents: ReadonlyArray<Extent>): number =>
  extents.reduce((sum, { length }) => sum + length, 0)

/** Ranges in ascending order, with those joined that touch or overlap, as a store gives them. */
export const joined = (
  ranges: ReadonlyArray<{ readonly start: number; readonly length: number }>
): Array<StoreRange> => {
  const found: Array<{ start: number; end: number }> = []
  for (const { length, start } of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = found.at(-1)
    if (last !== undefined && last.end >= start) last.end = Math.max(last.end, start + length)
    else found.push({ start, end: start + length })
  }
  return found.map(({ end, start }) => ({ offset: BigInt(start), length: BigInt(end - start) }))
}

/** By how much the references to each chunk change, without those that stay equal. */
export const references = ({ added, removed }: Changed): Map<string, number> => {
  const changes = new Map<string, number>()
  const count = (chunk: string, by: number) => changes.set(chunk, (changes.get(chunk) ?? 0) + by)
  for (const { chunk } of added) count(chunk, 1)
  for (const { chunk } of removed) count(chunk, -1)
  return changes
}
