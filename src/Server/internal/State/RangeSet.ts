/**
 * Ranges of bytes, found by the ranges that they overlap. They are kept in pieces of a list in order of their offsets,
 * and each piece knows its highest end. A search skips pieces that end too early, so that its cost grows with about the
 * square root of the number of ranges, and not with ranges that lie elsewhere.
 */

/**
 * A range with its own number, which orders ranges of the same offset by age. `end` is the offset after the last byte.
 */
export interface Ranged {
  readonly offset: bigint
  readonly end: bigint
  readonly serial: number
}

interface Piece<A> {
  /** In order. Never empty, except in an empty set. */
  readonly list: Array<A>
  highest: bigint
}

/** The most ranges in a piece; a larger one is split. */
const most = 128

const isBefore = (one: Ranged, other: Ranged): boolean =>
  one.offset === other.offset ? one.serial < other.serial : one.offset < other.offset

/** The first index in an ordered list whose element is not `before` the searched one. */
const place = <A>(list: ReadonlyArray<A>, before: (element: A) => boolean): number => {
  let [low, high] = [0, list.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (before(list[middle]!)) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * @category models
 */
export class RangeSet<A extends Ranged> {
  readonly #pieces: Array<Piece<A>> = []
  #size = 0
  /** The number of ranges and pieces that searches have looked at so far: their cost. */
  looks = 0

  get size(): number {
    return this.#size
  }

  add(range: A): void {
    this.#size++
    const at = Math.max(0, place(this.#pieces, ({ list }) => isBefore(list[0]!, range)) - 1)
    const piece = this.#pieces[at]
    if (piece === undefined) {
      this.#pieces.push({ list: [range], highest: range.end })
      return
    }
    piece.list.splice(place(piece.list, (one) => isBefore(one, range)), 0, range)
    if (range.end > piece.highest) piece.highest = range.end
    if (piece.list.length <= most) return
    const list = piece.list.splice(most / 2)
    piece.highest = highestOf(piece.list)
    this.#pieces.splice(at + 1, 0, { list, highest: highestOf(list) })
  }

  /** Removes a range of the set. */
  delete(range: A): void {
    const after = place(this.#pieces, ({ list }) => isBefore(list[0]!, range))
    // The piece that begins with it, or the one before.
    const at = this.#pieces[after]?.list[0] === range ? after : after - 1
    const piece = this.#pieces[at]
    if (piece === undefined) return
    const index = place(piece.list, (one) => isBefore(one, range))
    if (piece.list[index] !== range) return
    this.#size--
    piece.list.splice(index, 1)
    if (piece.list.length === 0) this.#pieces.splice(at, 1)
    else if (range.end === piece.highest) piece.highest = highestOf(piece.list)
  }

  /** The ranges that touch a range: they begin before its end or at it, and end after its offset or at it. */
  *touching(offset: bigint, end: bigint): IterableIterator<A> {
    for (const { highest, list } of this.#pieces) {
      this.looks++
      if (list[0]!.offset > end) return
      if (highest < offset) continue
      for (const one of list) {
        this.looks++
        if (one.offset > end) return
        if (one.end >= offset) yield one
      }
    }
  }
}

const highestOf = (list: ReadonlyArray<Ranged>): bigint => {
  let highest = list[0]!.end
  for (const { end } of list) if (end > highest) highest = end
  return highest
}
