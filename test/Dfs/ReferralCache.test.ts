/**
 * The cache of referrals: lookup by the longest prefix of whole components in Windows' case, its bounds, the order of
 * targets and their hint, and PathConsumed (MS-DFSC 2.2.4) in components.
 */
import { assert, describe, it } from "@effect/vitest"
import * as DfsPath from "../../src/Dfs/DfsPath.ts"
import * as ReferralCache from "../../src/Dfs/ReferralCache.ts"
import { random } from "./vectors.ts"

const entry = (prefix: string, expiresAt = 1000, targets = ["\\\\t\\s"]): ReferralCache.CachedReferral => ({
  prefix: DfsPath.fromString(prefix),
  kind: "link",
  interlink: false,
  targetFailback: false,
  expiresAt,
  refreshAt: expiresAt,
  targets: targets.map((path, i) => ({ path: DfsPath.fromString(path), setBoundary: i === 0 })),
  hint: 0
})
const filled = (...prefixes: ReadonlyArray<string>) =>
  prefixes.reduce((cache, prefix) => ReferralCache.insert(cache, entry(prefix), 0), ReferralCache.make())
const found = (cache: ReferralCache.ReferralCache, path: string) => {
  const one = ReferralCache.lookup(cache, DfsPath.fromString(path))
  return one && DfsPath.toString(one.prefix)
}

describe("ReferralCache.lookup", () => {
  const cache = filled("\\\\s\\dfs", "\\\\s\\dfs\\ab", "\\\\s\\dfs\\ab\\c\\d")
  it.each([
    ["\\\\s\\dfs", "\\\\s\\dfs"],
    ["\\\\s\\dfs\\abc", "\\\\s\\dfs"],
    ["\\\\s\\dfs\\ab", "\\\\s\\dfs\\ab"],
    ["\\\\S\\DFS\\AB\\C", "\\\\s\\dfs\\ab"],
    ["\\\\s\\dfs\\ab\\C\\d\\e", "\\\\s\\dfs\\ab\\c\\d"],
    ["\\\\s\\dfsx", undefined],
    ["\\\\s", undefined],
    ["", undefined]
  ])("finds for %s the prefix %s", (path, prefix) => {
    assert.strictEqual(found(cache, path), prefix)
  })

  it("compares case as Windows does, by code unit", () => {
    assert.strictEqual(found(filled("\\\\s\\Größe"), "\\\\S\\GRÖßE"), "\\\\s\\Größe")
    assert.isUndefined(found(filled("\\\\s\\Größe"), "\\\\s\\GRÖSSE"))
    assert.strictEqual(DfsPath.fold("ab\ud800ß"), "AB\ud800ß")
  })

  it("agrees with a naive search for random prefixes", () => {
    const { below } = random(7)
    const path = () => Array.from({ length: 1 + below(5) }, () => ["a", "B", "b", "ab"][below(4)]!)
    for (let round = 0; round < 300; round++) {
      const prefixes = Array.from({ length: below(8) }, path)
      const cache = filled(...prefixes.map(DfsPath.toString))
      const wanted = path()
      const naive = Math.max(0, ...prefixes.filter((one) => DfsPath.startsWith(wanted, one)).map((one) => one.length))
      assert.strictEqual(ReferralCache.lookup(cache, wanted)?.prefix.length ?? 0, naive)
    }
  })

  it("finds nothing for a path of 30,000 components, and ends", () => {
    const long = Array.from({ length: 30_000 }, () => "x")
    assert.isUndefined(ReferralCache.lookup(cache, long))
  })
})

describe("ReferralCache.insert", () => {
  it("removes the oldest entry at the capacity", () => {
    let cache = ReferralCache.make({ capacity: 3 })
    for (const name of ["a", "b", "c", "a", "d"]) cache = ReferralCache.insert(cache, entry(`\\\\s\\${name}`), 0)
    assert.deepStrictEqual([...cache.entries.keys()], ["S\\C", "S\\A", "S\\D"])
  })
  it("removes expired entries before others at the capacity", () => {
    let cache = ReferralCache.make({ capacity: 2 })
    cache = ReferralCache.insert(cache, entry("\\\\s\\a", 1000), 0)
    cache = ReferralCache.insert(cache, entry("\\\\s\\b", 10), 0)
    cache = ReferralCache.insert(cache, entry("\\\\s\\c", 1000), 50)
    assert.deepStrictEqual([...cache.entries.keys()], ["S\\A", "S\\C"])
  })
  it("and remove do not change the given cache", () => {
    const before = filled("\\\\s\\a")
    ReferralCache.insert(before, entry("\\\\s\\b"), 0)
    ReferralCache.remove(before, ["s", "a"])
    assert.strictEqual(before.entries.size, 1)
  })
})

it("ReferralCache.isExpired is true at an entry's expiry, and false before", () => {
  assert.isFalse(ReferralCache.isExpired(entry("\\\\s\\a", 10), 9))
  assert.isTrue(ReferralCache.isExpired(entry("\\\\s\\a", 10), 10))
})

describe("the targets of a cached referral", () => {
  it("are ordered with the hint first, then its target set, then the others", () => {
    const sets = [true, false, true, false, true]
    const targets = sets.map((setBoundary, i) => ({ path: ["t", String(i)], setBoundary }))
    const order = (hint: number) => ReferralCache.targetOrder({ ...entry("\\\\s\\a"), targets, hint })
    assert.deepStrictEqual(order(0), [0, 1, 2, 3, 4])
    assert.deepStrictEqual(order(1), [1, 0, 2, 3, 4])
    assert.deepStrictEqual(order(3), [3, 2, 0, 1, 4])
  })
  it("are in target sets, counted from 0: a boundary begins the next, and the first target the first", () => {
    const of = (...boundaries: ReadonlyArray<boolean>) =>
      ReferralCache.targetSets({
        ...entry("\\\\s\\a"),
        targets: boundaries.map((setBoundary, i) => ({ path: ["t", String(i)], setBoundary }))
      })
    assert.deepStrictEqual(of(true), [0])
    assert.deepStrictEqual(of(false, false), [0, 0])
    assert.deepStrictEqual(of(false, true, false, true), [0, 1, 1, 2])
    assert.deepStrictEqual(of(true, true, true), [0, 1, 2])
  })
  it("are ordered set by set with failback, the hint first in its own set", () => {
    const targets = [true, false, true, false].map((setBoundary, i) => ({ path: ["t", String(i)], setBoundary }))
    const order = (hint: number) =>
      ReferralCache.targetOrder({ ...entry("\\\\s\\a"), targets, hint, targetFailback: true })
    assert.deepStrictEqual([0, 1, 2, 3].map(order), [[0, 1, 2, 3], [1, 0, 2, 3], [0, 1, 2, 3], [0, 1, 3, 2]])
  })
  it("become the hint by name, and unknown targets or entries change nothing", () => {
    const cache = ReferralCache.insert(ReferralCache.make(), entry("\\\\s\\a", 1000, ["\\\\t\\x", "\\\\u\\x"]), 0)
    assert.strictEqual(ReferralCache.setHint(cache, ["S", "A"], ["U", "X"]).entries.get("S\\A")!.hint, 1)
    assert.strictEqual(ReferralCache.setHint(cache, ["S", "A"], ["v", "x"]), cache)
    const confirmed = ReferralCache.setHint(cache, ["S", "A"], ["t", "x"])
    assert.strictEqual(confirmed.entries.get("S\\A")!.confirmed, true)
    assert.strictEqual(ReferralCache.setHint(confirmed, ["S", "A"], ["t", "x"]), confirmed)
    assert.strictEqual(ReferralCache.setHint(cache, ["S", "B"], ["t", "x"]), cache)
  })
})

it("ReferralCache.componentsConsumed counts the components of a PathConsumed in bytes", () => {
  const asked = ["127.0.0.14", "dfs", "two", "x"]
  const consumed = (bytes: number) => ReferralCache.componentsConsumed(asked, bytes)
  // The first two are smbd's for \127.0.0.14\dfs and \127.0.0.14\dfs\two.
  assert.deepStrictEqual([30, 38, 40, 42].map(consumed), [2, 3, 3, 4])
  // One more character is a backslash or a terminator, at the end of the path and elsewhere.
  assert.deepStrictEqual([32, 44].map(consumed), [2, 4])
  assert.deepStrictEqual([0, 29, 31, 36, 46, 65535].map(consumed), [
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined
  ])
})

it("ReferralCache.componentsConsumed accepts one more character for any prefix of random paths", () => {
  const { below } = random(11)
  for (let i = 0; i < 2000; i++) {
    const asked = Array.from({ length: 2 + below(5) }, () => "x".repeat(1 + below(4)))
    for (let count = 1; count <= asked.length; count++) {
      const bytes = DfsPath.toRequest(asked.slice(0, count)).length * 2
      for (const more of [0, 2]) {
        assert.strictEqual(ReferralCache.componentsConsumed(asked, bytes + more), count, `${asked} ${bytes} ${more}`)
      }
    }
  }
})
