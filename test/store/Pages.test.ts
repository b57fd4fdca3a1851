/**
 * Proves that the pages of a file in memory hold the bytes that were written, in as much memory as pages of 64 KiB with
 * lengths that are powers of two need.
 */
import { assert, describe, it } from "@effect/vitest"
import { Pages } from "../../src/Server/Store/internal/Pages.ts"
import { random } from "../random.ts"

const KiB = 1024
const page = 64 * KiB

/** Writes one byte at `offset`. */
const put = (pages: Pages, offset: number, length = 1) => pages.write(BigInt(offset), new Uint8Array(length).fill(1))

const ranges = (pages: Pages, offset: number, length: number) =>
  pages.ranges({ offset: BigInt(offset), length: BigInt(length) }).map((range) => [
    Number(range.offset),
    Number(range.length)
  ])

/** Bytes in an array, and the memory that their pages take up. */
class Model {
  bytes = new Uint8Array(0)
  lengths = new Map<number, number>()

  resize(size: number): void {
    const before = this.bytes
    this.bytes = new Uint8Array(size)
    this.bytes.set(before.subarray(0, size))
  }

  write(offset: number, data: Uint8Array): void {
    if (data.length === 0) return
    if (offset + data.length > this.bytes.length) this.resize(offset + data.length)
    this.bytes.set(data, offset)
    for (let at = Math.floor(offset / page); at * page < offset + data.length; at++) {
      const end = Math.min(offset + data.length - at * page, page)
      let length = 4 * KiB
      while (length < end) length *= 2
      this.lengths.set(at, Math.max(length, this.lengths.get(at) ?? 0))
    }
  }

  /** Whole pages are freed; a page at the end of the file counts as whole, because nothing follows in it. */
  zero(offset: number, length: number): void {
    const end = Math.min(offset + length, this.bytes.length)
    this.bytes.fill(0, offset, Math.max(offset, end))
    for (const at of [...this.lengths.keys()]) {
      const last = Math.min((at + 1) * page, this.bytes.length)
      if (at * page < last && offset <= at * page && last <= end) this.lengths.delete(at)
    }
  }

  truncate(size: number): void {
    if (size < this.bytes.length) this.zero(size, this.bytes.length - size)
    this.resize(size)
  }

  get allocated(): number {
    return [...this.lengths.values()].reduce((sum, length) => sum + length, 0)
  }

  /** The parts of a range that have pages. */
  ranges(offset: number, length: number): Array<[number, number]> {
    const end = Math.min(offset + length, this.bytes.length)
    const found: Array<[number, number]> = []
    for (const at of [...this.lengths.keys()].sort((a, b) => a - b)) {
      const from = Math.max(offset, at * page)
      const to = Math.min(end, (at + 1) * page)
      if (from >= to) continue
      const last = found.at(-1)
      if (last !== undefined && last[0] + last[1] === from) last[1] += to - from
      else found.push([from, to - from])
    }
    return found
  }
}

describe("the pages of a file in memory", () => {
  it("are as long as their last written byte needs, in powers of two from 4 KiB to 64 KiB", () => {
    for (
      const [end, length] of [
        [1, 4],
        [4 * KiB, 4],
        [4 * KiB + 1, 8],
        [8 * KiB, 8],
        [8 * KiB + 1, 16],
        [32 * KiB, 32],
        [32 * KiB + 1, 64],
        [64 * KiB, 64],
        [64 * KiB + 1, 4],
        [68 * KiB + 1, 8]
      ] as const
    ) {
      const pages = new Pages()
      assert.strictEqual(pages.cost(BigInt(end - 1), 1), length * KiB, `${end}`)
      put(pages, end - 1)
      assert.strictEqual(pages.allocated, length * KiB, `${end}`)
      assert.strictEqual(pages.size, BigInt(end))
      assert.strictEqual(pages.cost(BigInt(end - 1), 1), 0)
    }
  })

  it("are not made by an empty write, which does not extend the file either", () => {
    const pages = new Pages()
    pages.write(70_000n, new Uint8Array(0))
    assert.deepStrictEqual([pages.size, pages.allocated, pages.cost(70_000n, 0)], [0n, 0, 0])
  })

  it("are allocated ranges, joined where they are adjacent, within the queried range and the file", () => {
    const pages = new Pages()
    for (const at of [5, 1, 2, 4]) put(pages, at * page, at === 5 ? 10 : page)
    const all = 6 * page
    assert.deepStrictEqual(ranges(pages, 0, all), [[page, 2 * page], [4 * page, page + 10]])
    assert.deepStrictEqual(ranges(pages, page + 7, page), [[page + 7, page]])
    assert.deepStrictEqual(ranges(pages, 2 * page, 1), [[2 * page, 1]])
    assert.deepStrictEqual(ranges(pages, 2 * page - 1, 1), [[2 * page - 1, 1]])
    assert.deepStrictEqual(ranges(pages, 0, page), [])
    assert.deepStrictEqual(ranges(pages, 0, page + 1), [[page, 1]])
    assert.deepStrictEqual(ranges(pages, 3 * page, page), [])
    assert.deepStrictEqual(ranges(pages, 5 * page + 9, page), [[5 * page + 9, 1]])
    assert.deepStrictEqual(ranges(pages, 5 * page + 10, page), [])
    assert.deepStrictEqual(ranges(pages, page, 0), [])
  })

  it("are freed by zeros over all of their bytes, and by zeros to the end of the file", () => {
    const made = () => {
      const pages = new Pages()
      put(pages, 0, 2 * page + 100)
      return pages
    }
    const freed = (offset: number, length: number) => {
      const pages = made()
      const before = pages.allocated
      pages.zero({ offset: BigInt(offset), length: BigInt(length) })
      assert.strictEqual(pages.size, BigInt(2 * page + 100))
      return before - pages.allocated
    }
    assert.strictEqual(freed(0, page - 1), 0)
    assert.strictEqual(freed(1, page - 1), 0)
    assert.strictEqual(freed(0, page), page)
    assert.strictEqual(freed(1, 2 * page - 1), page)
    assert.strictEqual(freed(2 * page, 99), 0)
    assert.strictEqual(freed(2 * page, 100), 4 * KiB)
    assert.strictEqual(freed(2 * page, 1000), 4 * KiB)
    assert.strictEqual(freed(0, 3 * page), 2 * page + 4 * KiB)
    assert.strictEqual(freed(2 * page + 100, 50), 0)
    const pages = made()
    pages.truncate(BigInt(page))
    assert.strictEqual(pages.allocated, page)
    pages.clear()
    assert.deepStrictEqual([pages.size, pages.allocated, pages.ranges({ offset: 0n, length: 1n << 40n })], [0n, 0, []])
  })

  it("give the bytes up to the end of the file, in any target, and no others", () => {
    const pages = new Pages()
    pages.write(3n, Uint8Array.of(7, 8, 9))
    assert.deepStrictEqual(pages.read(0n, 100), Uint8Array.of(0, 0, 0, 7, 8, 9))
    assert.deepStrictEqual(pages.read(5n, 1), Uint8Array.of(9))
    for (const [offset, length] of [[6n, 1], [7n, 1], [0n, 0], [0n, -1]] as const) {
      assert.strictEqual(pages.read(offset, length).length, 0)
    }
    const target = new Uint8Array(4).fill(0xee)
    assert.strictEqual(pages.readInto(4n, target), 2)
    assert.deepStrictEqual(target, Uint8Array.of(8, 9, 0xee, 0xee))
    assert.strictEqual(pages.readInto(6n, target), 0)
    assert.strictEqual(pages.readInto(0n, target.subarray(0, 2)), 2)
    assert.deepStrictEqual(target, Uint8Array.of(0, 0, 0xee, 0xee))
  })

  for (const seed of [1, 2, 3]) {
    it(`agree with an array of bytes after 120 random calls (seed ${seed})`, () => {
      const pick = random(seed * 104_729)
      const pages = new Pages()
      const model = new Model()
      /** Often at a border of pages. */
      const place = () => {
        const at = pick(5) * page + [0, 1, -1, 4 * KiB, pick(page)][pick(5)]!
        return Math.max(0, at)
      }
      for (let i = 0; i < 120; i++) {
        const offset = place()
        const length = pick(3) === 0 ? place() : pick(9000)
        switch (pick(5)) {
          case 0:
          case 1: {
            const data = Uint8Array.from({ length }, () => pick(256))
            const cost = pages.cost(BigInt(offset), length)
            const before = pages.allocated
            pages.write(BigInt(offset), data)
            model.write(offset, data)
            assert.strictEqual(pages.allocated - before, cost)
            break
          }
          case 2:
            pages.zero({ offset: BigInt(offset), length: BigInt(length) })
            model.zero(offset, length)
            break
          case 3:
            pages.truncate(BigInt(offset))
            model.truncate(offset)
            break
          default:
            assert.isTrue(
              Buffer.compare(pages.read(BigInt(offset), length), model.bytes.subarray(offset, offset + length)) === 0
            )
            assert.deepStrictEqual(
              ranges(pages, offset, length),
              model.ranges(offset, length)
            )
        }
        assert.strictEqual(pages.size, BigInt(model.bytes.length))
        assert.strictEqual(pages.allocated, model.allocated)
      }
      assert.isTrue(Buffer.compare(pages.read(0n, model.bytes.length), model.bytes) === 0)
    })
  }
})
