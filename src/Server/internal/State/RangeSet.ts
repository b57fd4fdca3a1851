/**
 * Ranges of bytes, found by what they overlap: pieces of a list in order of their offsets, each of which knows its highest
 * end. A look goes past the pieces that end too early, so that it costs about the root of how many ranges there are, and no
 * more for ranges that lie elsewhere.
 */

/** A range with a number of its own, which orders ranges of one offset by age. `end` is one past the last byte. */
export interface Ranged {
  readonly offset: bigint
  readonly end: bigint
  readonly serial: number
}

interface Piece<A> {
  /** In order. Never empty, except of an empty set. */
  readonly list: Array<A>
  highest: bigint
}

/** Ranges in a piece at most; then it is parted. */
const most = 128

const isBefore = (one: Ranged, other: Ranged): boolean =>
  one.offset === other.offset ? one.serial < other.serial : one.offset < other.offset

/** The first place in an ordered list whose element is not before what is looked for. */
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
  /** Ranges and pieces that were looked at so far: what a look costs. */
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

  /** Takes out a range that is there. */
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

  /** Those that touch a range: that begin before its end, or there, and end behind its offset, or there. */
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
