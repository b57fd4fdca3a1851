/**
 * Proves that a set of ranges finds the ranges that touch a range as a plain list would, after any additions and
 * removals, and that it looks at few ranges elsewhere.
 */
import { assert, describe, it } from "@effect/vitest"
import { type Ranged, RangeSet } from "../../src/Server/internal/State/RangeSet.ts"
import { random } from "../random.ts"

describe("RangeSet", () => {
  for (const span of [30, 2000]) {
    it(`finds the same ranges as a list, over ${span} bytes`, () => {
      const next = random(span)
      const set = new RangeSet<Ranged>()
      let list: Array<Ranged> = []
      for (let step = 0; step < 3000; step++) {
        if (next(5) < 3 || list.length === 0) {
          const offset = BigInt(next(span))
          const range = { offset, end: offset + BigInt(next(10) === 0 ? next(span) : next(4)), serial: step }
          set.add(range)
          list.push(range)
        } else {
          const range = list[next(list.length)]!
          set.delete(range)
          list = list.filter((one) => one !== range)
        }
        assert.strictEqual(set.size, list.length)
        const offset = BigInt(next(span))
        const end = offset + BigInt(next(6))
        const touching = list.filter((one) => one.offset <= end && one.end >= offset)
        assert.sameMembers([...set.touching(offset, end)], touching)
      }
      for (const range of list) set.delete(range)
      assert.strictEqual(set.size, 0)
      assert.deepStrictEqual([...set.touching(0n, BigInt(span))], [])
    })
  }

  it("ignores the removal of a range that it does not have", () => {
    const set = new RangeSet<Ranged>()
    set.add({ offset: 1n, end: 2n, serial: 1 })
    set.delete({ offset: 1n, end: 2n, serial: 2 })
    assert.strictEqual(set.size, 1)
  })

  it("looks at few ranges again after the long ones among them are removed", () => {
    const set = new RangeSet<Ranged>()
    const long: Array<Ranged> = []
    for (let i = 0; i < 8000; i++) {
      const end = BigInt(i % 100 === 0 ? 1_000_000 : i * 10 + 5)
      const range = { offset: BigInt(i * 10), end, serial: i }
      set.add(range)
      if (i % 100 === 0) long.push(range)
    }
    const looks = () => {
      set.looks = 0
      const found = [...set.touching(79_990n, 79_995n)]
      return [found.length, set.looks] as const
    }
    assert.isAbove(looks()[1], 4000)
    for (const range of long) set.delete(range)
    assert.strictEqual(looks()[0], 1)
    assert.isBelow(looks()[1], 300)
  })

  it("looks at fewer than 300 of 8,000 ranges", () => {
    const set = new RangeSet<Ranged>()
    for (let i = 0; i < 8000; i++) set.add({ offset: BigInt(i * 10), end: BigInt(i * 10 + 5), serial: i })
    for (const at of [0n, 40_000n, 79_999n]) {
      set.looks = 0
      assert.isAtMost([...set.touching(at, at + 5n)].length, 2)
      assert.isBelow(set.looks, 300)
    }
  })
})
