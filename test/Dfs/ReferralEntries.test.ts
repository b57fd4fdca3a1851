/**
 * The ReferralCache entry that a response makes (MS-DFSC 3.1.1, 3.1.5.4.3), what of it outlives a renewal, and how long
 * entries and absences are kept: each rule at its border.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as ReferralCache from "../../src/Dfs/ReferralCache.ts"
import { makeReferralResponse } from "../../src/Dfs/ReferralResponse.ts"
import { NamespaceNotFound } from "../../src/Protocol/DfsError.ts"

type Entries = Parameters<typeof makeReferralResponse>[0]["referralEntries"]
type Entry = Entries[number]

const asked = ["s", "dfs", "l", "f"]
const consumed = "\\s\\dfs\\l".length * 2
const at = (networkAddress: string, more: object = {}): Entry =>
  Object.assign(
    { versionNumber: 4, serverType: 0, referralEntryFlags: 0, timeToLive: 600, networkAddress },
    more
  ) as Entry

const read = (referralEntries: Entries, more: { flags?: number; pathConsumed?: number; now?: number } = {}) =>
  ReferralCache.fromResponse(
    makeReferralResponse({
      pathConsumed: more.pathConsumed ?? consumed,
      referralHeaderFlags: more.flags ?? 2,
      referralEntries
    }),
    {
      asked,
      server: "s",
      prefixOf: (count) => asked.slice(0, count),
      now: more.now ?? 1000,
      ttl: { minimum: 10, maximum: 1000 },
      refreshAhead: 0.25
    }
  )
const entry = (...given: Parameters<typeof read>) => Result.getOrThrow(read(...given))
const failure = (...given: Parameters<typeof read>): any => {
  const result = read(...given)
  assert(Result.isFailure(result))
  return result.failure
}

describe("the entry of a response", () => {
  it("has the prefix, the kind, the times and the targets of the response", () => {
    assert.deepStrictEqual(entry([at("\\a\\x"), at("\\b\\y\\deep")]), {
      prefix: ["s", "dfs", "l"],
      kind: "link",
      interlink: false,
      targetFailback: false,
      expiresAt: 601_000,
      refreshAt: 451_000,
      targets: [{ path: ["a", "x"], setBoundary: true }, { path: ["b", "y", "deep"], setBoundary: false }],
      hint: 0
    })
  })

  it.each([[0, 10], [9, 10], [10, 10], [11, 11], [999, 999], [1000, 1000], [1001, 1000], [2 ** 32 - 1, 1000]])(
    "with a time to live of %i s lives %i s, within the bounds of the options",
    (timeToLive, seconds) => {
      assert.strictEqual(entry([at("\\a\\x", { timeToLive })], { now: 0 }).expiresAt, seconds * 1000)
    }
  )

  it("lives as long as the shortest of its targets; version 1 has no time, and lives 300 s", () => {
    const times = (...all: ReadonlyArray<number>) =>
      entry(all.map((timeToLive) => at("\\a\\x", { timeToLive })), { now: 0 }).expiresAt
    assert.deepStrictEqual([times(60, 50, 70), times(50, 60)], [50_000, 50_000])
    const first = { versionNumber: 1, serverType: 1, referralEntryFlags: 0, shareName: "\\a\\x" } as const
    assert.deepInclude(entry([first], { now: 0 }), { kind: "root", expiresAt: 300_000 })
    assert.deepStrictEqual(entry([first]).targets, [{ path: ["a", "x"], setBoundary: true }])
  })

  it("is an interlink if ReferralServers is set without StorageServers, and it is no root (3.1.5.4.5)", () => {
    const table = [[0, false], [1, true], [2, false], [3, false], [5, true], [7, false]] as const
    for (const [flags, interlink] of table) {
      assert.strictEqual(entry([at("\\a\\x")], { flags }).interlink, interlink, `${flags}`)
      assert.isFalse(entry([at("\\a\\x", { serverType: 1 })], { flags }).interlink)
      assert.strictEqual(entry([at("\\a\\x")], { flags }).targetFailback, flags >= 4)
    }
  })

  it("has a target set for each boundary of version 4, also if its first target cannot be used", () => {
    const boundaries = (version: number, ...all: ReadonlyArray<readonly [string, number]>) =>
      entry(all.map(([path, referralEntryFlags]) => at(path, { versionNumber: version, referralEntryFlags }))).targets
        .map(
          ({ path, setBoundary }) => [path[0], setBoundary]
        )
    const all = [["\\a\\x", 0], ["\\b\\x", 4], ["\\none", 4], ["\\c\\x", 0], ["\\d\\x", 0]] as const
    assert.deepStrictEqual(boundaries(4, ...all), [["a", true], ["b", true], ["c", true], ["d", false]])
    // Version 3 has no such flag.
    assert.deepStrictEqual(boundaries(3, ...all), [["a", true], ["b", false], ["c", false], ["d", false]])
  })

  it("needs a usable target: a server and a share, and names", () => {
    const unusable = [at(""), at("\\a"), at("\\a\\.."), at("\\a\\x*"), at("\\a\\x", { networkAddress: undefined })]
    assert.deepStrictEqual(entry([...unusable, at("\\a\\x")]).targets.length, 1)
    assert.deepInclude(failure(unusable), { _tag: "Malformed", offset: 8, server: "s" })
    const list = { versionNumber: 3, serverType: 0, referralEntryFlags: 2, timeToLive: 1, expandedNames: [] } as const
    assert.deepInclude(failure([list]), { offset: 8, expected: "targets of a root or link, not a name list" })
  })

  it("needs entries, and a PathConsumed that covers server and share at least", () => {
    assert.deepInclude(failure([]), {
      _tag: "ReferralRefused",
      server: "s",
      path: "\\s\\dfs\\l\\f",
      status: NtStatus.STATUS_OBJECT_PATH_NOT_FOUND
    })
    for (const pathConsumed of [0, "\\s".length * 2, consumed + 4 + 4, 65_535]) {
      assert.deepInclude(failure([at("\\a\\x")], { pathConsumed }), { _tag: "Malformed", offset: 0 }, `${pathConsumed}`)
    }
    assert.deepStrictEqual(entry([at("\\a\\x")], { pathConsumed: "\\s\\dfs".length * 2 }).prefix, ["s", "dfs"])
    assert.deepStrictEqual(entry([at("\\a\\x")], { pathConsumed: "\\s\\dfs\\l\\f".length * 2 }).prefix, asked)
  })
})

describe("an entry in the cache", () => {
  const prefix = ["s", "dfs", "l"]
  const two = (now = 1000) => entry([at("\\a\\x"), at("\\b\\x")], { now })
  const hinted = (entry: ReferralCache.CachedReferral | undefined) => [entry?.hint, entry?.confirmed]

  it("keeps the target that worked when it is renewed, as long as it has that target", () => {
    let cache = ReferralCache.insert(ReferralCache.make(), two(), 1000)
    assert.deepStrictEqual(hinted(ReferralCache.get(cache, prefix)), [0, undefined])
    cache = ReferralCache.setHint(cache, prefix, ["B", "X"])
    const again = (...targets: ReadonlyArray<string>) =>
      hinted(ReferralCache.get(ReferralCache.insert(cache, entry(targets.map((one) => at(one))), 1000), prefix))
    assert.deepStrictEqual(again("\\a\\x", "\\b\\x"), [1, true])
    assert.deepStrictEqual(again("\\c\\x", "\\a\\x", "\\B\\X"), [2, true])
    assert.deepStrictEqual(again("\\b\\x"), [0, true])
    assert.deepStrictEqual(again("\\a\\x", "\\c\\x"), [0, undefined])
    // A target that no caller has tried is no reason.
    const untried = ReferralCache.insert(ReferralCache.insert(ReferralCache.make(), two(), 1000), two(), 1000)
    assert.deepStrictEqual(hinted(ReferralCache.get(untried, prefix)), [0, undefined])
  })

  it("is not kept at its expiry, or below 64 components, and takes the place of an absence", () => {
    assert.strictEqual(ReferralCache.insert(ReferralCache.make(), two(), 600_999).entries.size, 1)
    assert.strictEqual(ReferralCache.insert(ReferralCache.make(), two(), 601_000).entries.size, 0)
    const deep = (length: number) => ({ ...two(), prefix: Array.from({ length }, () => "x") })
    const sizes = [63, 64, 65].map((length) => ReferralCache.insert(ReferralCache.make(), deep(length), 0).entries.size)
    assert.deepStrictEqual(sizes, [1, 1, 0])
    const longest = ReferralCache.insert(ReferralCache.make(), deep(64), 0)
    assert.strictEqual(ReferralCache.lookup(longest, deep(70).prefix)?.prefix.length, 64)
    const error = new NamespaceNotFound({ server: "s", path: "p", status: NtStatus.STATUS_NOT_FOUND })
    const absent = ReferralCache.insertAbsence(ReferralCache.make(), prefix, { error, expiresAt: 5000 }, 0)
    assert.strictEqual(ReferralCache.absence(absent, ["S", "DFS", "L"], 4999)?.error, error)
    assert.isUndefined(ReferralCache.absence(absent, prefix, 5000))
    assert.isUndefined(ReferralCache.absence(absent, ["s", "dfs"], 0))
    assert.isUndefined(ReferralCache.absence(ReferralCache.insert(absent, two(), 0), prefix, 0))
    assert.isUndefined(ReferralCache.absence(ReferralCache.removeAbsence(absent, prefix), prefix, 0))
    assert.isDefined(ReferralCache.absence(ReferralCache.removeAbsence(absent, ["s"]), prefix, 0))
  })

  it("counts as evicted if it is dropped before its expiry", () => {
    const named = (name: string, expiresAt: number) => ({ ...two(), prefix: ["s", name], expiresAt })
    let cache = ReferralCache.make({ capacity: 2 })
    for (const [name, end] of [["a", 100], ["b", 100], ["c", 100]] as const) {
      cache = ReferralCache.insert(cache, named(name, end), 0)
    }
    assert.deepStrictEqual([[...cache.entries.keys()], cache.evictions], [["S\\B", "S\\C"], 1])
    cache = ReferralCache.insert(cache, named("d", 300), 100)
    assert.deepStrictEqual([[...cache.entries.keys()], cache.evictions], [["S\\D"], 1])
    assert.strictEqual(ReferralCache.make().capacity, 512)
    assert.strictEqual(ReferralCache.make({ capacity: 0 }).capacity, 1)
  })

  it("of an absence is dropped at the capacity: expired ones first, then the oldest", () => {
    const error = new NamespaceNotFound({ server: "s", path: "p", status: NtStatus.STATUS_NOT_FOUND })
    let cache = ReferralCache.make({ capacity: 2 })
    const put = (name: string, expiresAt: number, now: number) => {
      cache = ReferralCache.insertAbsence(cache, ["s", name], { error, expiresAt }, now)
      return [...cache.absences.keys()]
    }
    assert.deepStrictEqual(put("a", 100, 0), ["S\\A"])
    assert.deepStrictEqual(put("b", 10, 0), ["S\\A", "S\\B"])
    assert.deepStrictEqual(put("c", 100, 10), ["S\\A", "S\\C"])
    assert.deepStrictEqual(put("A", 100, 10), ["S\\C", "S\\A"])
    assert.deepStrictEqual(put("d", 100, 10), ["S\\A", "S\\D"])
    // One that has expired already, or that is too deep, is not kept.
    assert.deepStrictEqual(put("e", 10, 10), ["S\\A", "S\\D"])
    const deep = Array.from({ length: 65 }, () => "x")
    assert.strictEqual(ReferralCache.insertAbsence(cache, deep, { error, expiresAt: 100 }, 0), cache)
  })

  it("becomes an interlink, and is unchanged if it is one, or is not known", () => {
    const cache = ReferralCache.insert(ReferralCache.make(), two(), 0)
    const changed = ReferralCache.setInterlink(cache, prefix)
    assert.isTrue(ReferralCache.get(changed, prefix)?.interlink)
    assert.strictEqual(ReferralCache.setInterlink(changed, prefix), changed)
    assert.strictEqual(ReferralCache.setInterlink(cache, ["s", "none"]), cache)
    assert.strictEqual(ReferralCache.remove(cache, ["s", "none"]), cache)
    assert.isUndefined(ReferralCache.get(ReferralCache.remove(cache, ["S", "DFS", "L"]), prefix))
  })
})
