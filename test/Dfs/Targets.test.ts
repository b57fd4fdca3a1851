/**
 * Which targets the algorithm of MS-DFSC 3.1.4.1 tries and in what order: target sets, failback, dead targets, races,
 * remembered absences, lazy mode, IPv6 names and patterns. It is run against servers as data.
 */
import { assert, describe, it } from "@effect/vitest"
import * as DfsPath from "../../src/Dfs/DfsPath.ts"
import * as DfsPattern from "../../src/Dfs/DfsPattern.ts"
import * as ReferralCache from "../../src/Dfs/ReferralCache.ts"
import { makeReferralResponse } from "../../src/Dfs/ReferralResponse.ts"
import * as TargetHealth from "../../src/Dfs/TargetHealth.ts"
import { bare, run, type Servers } from "./namespace.ts"
import { vectors } from "./vectors.ts"

const failure = (result: ReturnType<typeof run>): any => {
  assert.strictEqual(result.end._tag, "Fail")
  return bare((result.end as { readonly error: unknown }).error)
}

/** A version 4 referral for a link with targets in sets: "|" begins a set. */
const sets = (targets: string, flags = 2) => {
  let boundary = true
  const referralEntries = targets.split(" ").flatMap((name) => {
    if (name === "|") {
      boundary = true
      return []
    }
    const entry = {
      versionNumber: 4 as const,
      serverType: 0,
      referralEntryFlags: boundary ? 4 : 0,
      timeToLive: 600,
      networkAddress: `\\${name}\\data`
    }
    boundary = false
    return [entry]
  })
  return makeReferralResponse({ pathConsumed: 18, referralHeaderFlags: flags, referralEntries })
}
const namespace = (targets: string, down: ReadonlyArray<string> = [], flags = 2): Servers => ({
  ns: { roots: { dfs: { links: { l: [] } } }, answers: { "\\ns\\dfs\\l\\f": sets(targets, flags) } },
  ...Object.fromEntries(
    targets.split(" ").filter((name) => name !== "|").map((name) => [
      name,
      { shares: { data: ["f"] }, down: down.includes(name) }
    ])
  )
})
const path = "\\\\ns\\dfs\\l\\f"
const tried = (result: ReturnType<typeof run>) =>
  result.log.filter((line) => /^(try link|race)/.test(line)).map((line) =>
    line.replace(/^try link \\\\(\w+)\\.*$/, "$1")
  )
const count = (result: ReturnType<typeof run>, tag: string) => result.notes.filter((note) => note._tag === tag).length

describe("target sets in version 4 referrals of our own codec", () => {
  it("are tried one after the other", () => {
    const result = run(namespace("a b | c d", ["a", "b", "c"]), path)
    assert.deepStrictEqual(tried(result), ["a", "b", "c", "d"])
    assert.strictEqual(count(result, "Failover"), 1)
  })
  it("keep the target that worked without TargetFailback", () => {
    const first = run(namespace("a b | c d", ["a", "b"]), path)
    const later = run(namespace("a b | c d"), path, { knowledge: first.knowledge, now: 500_000 })
    assert.deepStrictEqual(tried(later), ["c"])
  })
  it("are tried from the first again with TargetFailback, after the cooldown of 30 s", () => {
    const first = run(namespace("a b | c d", ["a", "b"], 6), path)
    assert.deepStrictEqual(tried(first), ["a", "b", "c"])
    // While they are known to be dead, no operation waits for them.
    const soon = run(namespace("a b | c d", [], 6), path, { knowledge: first.knowledge, now: 29_999 })
    assert.deepStrictEqual(tried(soon), ["c"])
    const back = run(namespace("a b | c d", [], 6), path, { knowledge: soon.knowledge, now: 30_000 })
    assert.deepStrictEqual(tried(back), ["a"])
    assert.strictEqual(count(back, "Failback"), 1)
    assert.strictEqual(ReferralCache.lookup(back.cache, ["ns", "dfs", "l"])!.hint, 0)
    assert.strictEqual(back.knowledge.health.size, 1)
  })
  it("of a recorded version 4 response are raced in their order", () => {
    const servers: Servers = {
      "LAB-DC1.LAB.LOCAL": {
        roots: { Files: { links: { Sales: [] } } },
        answers: { "\\LAB-DC1.LAB.LOCAL\\Files\\Sales\\plan.txt": vectors["response-v4-link-two-targets"]! }
      },
      "LAB.LOCAL": { answers: { "\\LAB.LOCAL\\Files": vectors["response-v4-root"]! } },
      "LAB-FS1": { shares: { Sales: ["plan.txt"] } },
      "LAB-FS2": { shares: { Sales: ["plan.txt"] } }
    }
    const result = run(servers, "\\\\LAB.LOCAL\\Files\\Sales\\plan.txt", { connect: "race" })
    assert.deepStrictEqual(result.log.slice(-2), ["race LAB-FS2 LAB-FS1", "try link \\\\LAB-FS2\\Sales\\plan.txt"])
  })
})

describe("a dead target", () => {
  it("is deferred the second time, also under another link", () => {
    const servers: Servers = {
      ns: { roots: { dfs: { links: { one: ["\\a\\data", "\\b\\data"], two: ["\\a\\data", "\\b\\data"] } } } },
      a: { down: true },
      b: { shares: { data: ["f"] } }
    }
    const first = run(servers, "\\\\ns\\dfs\\one\\f")
    assert.deepStrictEqual(tried(first), ["a", "b"])
    const second = run(servers, "\\\\ns\\dfs\\two\\f", { knowledge: first.knowledge, now: 1000 })
    assert.deepStrictEqual(tried(second), ["b"])
    assert.strictEqual(count(second, "Deferred"), 1)
  })
  it("is tried again when all other targets are dead too", () => {
    const first = run(namespace("a b", ["a", "b"]), path)
    assert.strictEqual(failure(first)._tag, "NoTargetLeft")
    assert.deepStrictEqual([failure(first).step, failure(first).server], [14, "b"])
    const second = run(namespace("a b"), path, { knowledge: first.knowledge, now: 1 })
    assert.deepStrictEqual(tried(second), ["a"])
  })
  it("is probed by one operation after its cooldown, which doubles up to a limit while it stays dead", () => {
    const breaker = { cooldown: 1000, longest: 3000 }
    const at = ["a", "data"]
    let health = TargetHealth.failed(TargetHealth.none, at, "server", 0, breaker)
    assert.isTrue(TargetHealth.isOpen(health, ["A", "other"], 999))
    assert.isFalse(TargetHealth.isOpen(health, at, 1000))
    health = TargetHealth.probing(health, at, 1000, breaker)
    assert.isTrue(TargetHealth.isOpen(health, at, 1001))
    health = TargetHealth.failed(health, at, "server", 1500, breaker)
    assert.isTrue(TargetHealth.isOpen(health, at, 3499))
    health = TargetHealth.failed(health, at, "server", 3500, breaker)
    assert.isFalse(TargetHealth.isOpen(health, at, 6500))
    assert.strictEqual(TargetHealth.worked(health, at).size, 0)
    const share = TargetHealth.failed(TargetHealth.none, at, "share", 0, breaker)
    assert.isFalse(TargetHealth.isOpen(share, ["a", "other"], 1))
    let many = TargetHealth.none
    for (let i = 0; i < 2000; i++) many = TargetHealth.failed(many, [`s${i}`, "x"], "server", 0, breaker)
    assert.strictEqual(many.size, 1024)
  })
  it("that could have done the work is not followed by another, and is deferred the next time", () => {
    const said = { a: { _tag: "Lost" as const, error: "broke off" } }
    const first = run(namespace("a b"), path, { said })
    assert.strictEqual(failure(first), "broke off")
    assert.deepStrictEqual(tried(first), ["a"])
    assert.deepStrictEqual(tried(run(namespace("a b"), path, { knowledge: first.knowledge, now: 1 })), ["b"])
  })
})

describe("a race of connections", () => {
  it("is run among the targets of one set, and the winner is used", () => {
    const result = run(namespace("a b | c d", ["a"]), path, { connect: "race" })
    assert.deepStrictEqual(tried(result), ["race a b", "b"])
    const again = run(namespace("a b | c d", ["a"]), path, { connect: "race", knowledge: result.knowledge })
    assert.deepStrictEqual(tried(again), ["b"])
  })
  it("continues with the next set when no target of a set is up", () => {
    const result = run(namespace("a b | c d", ["a", "b", "c"]), path, { connect: "race" })
    assert.deepStrictEqual(tried(result), ["race a b", "race c d", "d"])
  })
  it("fails with NoTargetLeft and each target when all are down", () => {
    const error = failure(run(namespace("a b | c", ["a", "b", "c"]), path, { connect: "race" }))
    assert.strictEqual(error._tag, "NoTargetLeft")
    assert.strictEqual(error.targets.length, 3)
  })
})

describe("a winner that is known", () => {
  it("is not raced against the others, and the others race once it is of no use", () => {
    const race = { connect: "race" } as const
    const first = run(namespace("a b c"), path, race)
    assert.deepStrictEqual(tried(first), ["race a b c", "a"])
    const { knowledge } = first
    assert.deepStrictEqual(tried(run(namespace("a b c"), path, { ...race, knowledge })), ["a"])
    const without = run(namespace("a b c", ["a"]), path, { ...race, knowledge, now: 1 })
    assert.deepStrictEqual(tried(without), ["a", "race b c", "b"])
    // The first of a list that no operation has used yet is not known to work.
    const fresh = ReferralCache.get(first.cache, ["ns", "dfs", "l"])!
    const unused = { ...fresh, confirmed: false }
    const cache = ReferralCache.insert(ReferralCache.remove(first.cache, fresh.prefix), unused, 0)
    assert.deepStrictEqual(tried(run(namespace("a b c"), path, { ...race, knowledge: { ...knowledge, cache } })), [
      "race a b c",
      "a"
    ])
  })
})

describe("a link that is asked for again when its time is over", () => {
  const servers: Servers = {
    ns: { roots: { dfs: { files: ["f"], links: { l: ["\\a\\data"] } } } },
    a: { shares: { data: ["f"] } }
  }
  /** The link's time is over, the root's is not. */
  const later = () => {
    const { knowledge } = run(servers, path)
    const root = ReferralCache.get(knowledge.cache, ["ns", "dfs"])!
    const cache = ReferralCache.insert(knowledge.cache, { ...root, expiresAt: 1e9, refreshAt: 1e9 }, 0)
    return { knowledge: { ...knowledge, cache }, now: 600_000 }
  }
  const root = makeReferralResponse({
    pathConsumed: "\\ns\\dfs".length * 2,
    referralHeaderFlags: 3,
    referralEntries: [{
      versionNumber: 4,
      serverType: 1,
      referralEntryFlags: 4,
      timeToLive: 600,
      networkAddress: "\\ns\\dfs"
    }]
  })
  const gone: Servers = { ...servers, ns: { ...servers["ns"]!, answers: { "\\ns\\dfs\\l\\f": root } } }
  const asks = ["ask ns \\ns\\dfs\\l\\f", "try root \\\\ns\\dfs\\l\\f as ns\\dfs"]

  it("is asked for once, of the root, and used", () => {
    assert.deepStrictEqual(run(servers, path, later()).log, [asks[0], "try link \\\\a\\data\\f"])
  })
  it("and is gone: the root is not asked a second time, no matter what it responds to the path", () => {
    const crossed = run(gone, path, later())
    assert.deepStrictEqual(crossed.log, asks)
    assert.strictEqual(failure(crossed), "path not covered")
    const vague = { ...gone, ns: { ...gone["ns"]!, vague: true } }
    const missing = run(vague, path, later())
    assert.deepStrictEqual(missing.log, asks)
    assert.strictEqual(failure(missing), "not found")
    const probed = run(gone, path, { ...later(), probing: true })
    assert.strictEqual(probed.end._tag, "Done")
    assert.deepStrictEqual(probed.log.filter((line) => line.startsWith("ask")), [asks[0]])
  })
})

describe("a namespace that is known, of a host that once gave no referral", () => {
  it("is asked for again when its time is over", () => {
    const servers: Servers = {
      ns: { roots: { dfs: { files: ["f"] } } }
    }
    const { knowledge } = run(servers, "\\\\ns\\dfs\\f")
    const { error } = { error: failure(run({ ns: { notCapable: true } }, "\\\\ns\\x", { mode: "strict" })) }
    const cache = ReferralCache.insertAbsence(knowledge.cache, ["ns"], { error, expiresAt: 1e9 }, 0)
    const log = (path: string, now: number) => run(servers, path, { knowledge: { ...knowledge, cache }, now }).log
    assert.deepStrictEqual(log("\\\\ns\\dfs\\f", 600_000), ["ask ns \\ns\\dfs", "try root \\\\ns\\dfs\\f as ns\\dfs"])
    assert.deepStrictEqual(log("\\\\ns\\other\\f", 600_000), ["try plain \\\\ns\\other\\f"])
  })
})

describe("a server that says PATH_NOT_COVERED and gives no referral", () => {
  const crossing = { ns: { _tag: "PathNotCovered" as const, error: "path not covered" } }
  it("does no DFS: its own error is the answer", () => {
    for (const probe of ["lazily", "referral-first"] as const) {
      const result = run({ ns: { notCapable: true, shares: { dfs: [] } } }, path, { probe, said: crossing })
      assert.strictEqual(failure(result), "path not covered")
    }
  })
  it("has a reason: that is the answer", () => {
    const servers: Servers = { ns: { shares: { dfs: [] } } }
    for (const probe of ["lazily", "referral-first"] as const) {
      assert.strictEqual(failure(run(servers, path, { probe, said: crossing }))._tag, "NamespaceNotFound")
    }
  })
})

describe("the cache remembers", () => {
  const servers: Servers = {
    ns: { vague: true, roots: { dfs: { files: ["f"], links: { l: ["\\a\\data"] } } } },
    a: { shares: { data: ["f"] } },
    old: { notCapable: true, shares: { x: ["f"], y: ["f"] } }
  }
  it("that a share is in no namespace, for a while", () => {
    const first = run(servers, "\\\\a\\data\\f")
    const second = run(servers, "\\\\A\\DATA\\f", { knowledge: first.knowledge, now: 29_999 })
    assert.deepStrictEqual(second.log, ["try plain \\\\A\\DATA\\f"])
    const third = run(servers, "\\\\a\\data\\f", { knowledge: first.knowledge, now: 30_000 })
    assert.strictEqual(third.log.length, 2)
  })
  it("that a server does no DFS, for all of its shares, in strict mode too", () => {
    const first = run(servers, "\\\\old\\x\\f")
    assert.deepStrictEqual(run(servers, "\\\\old\\y\\f", { knowledge: first.knowledge }).log, [
      "try plain \\\\old\\y\\f"
    ])
    const strict = failure(run(servers, "\\\\old\\y\\f", { knowledge: first.knowledge, mode: "strict" }))
    assert.strictEqual(strict._tag, "NotDfsCapable")
  })
  it("that no link is on the way to a name", () => {
    const first = run(servers, "\\\\ns\\dfs\\none")
    assert.strictEqual(first.log.length, 3)
    const second = run(servers, "\\\\ns\\dfs\\none", { knowledge: first.knowledge, now: 1000 })
    assert.deepStrictEqual(second.log, ["try root \\\\ns\\dfs\\none as ns\\dfs"])
    assert.strictEqual(failure(second), "not found")
  })
  it("a path that was resolved by referrals alone, and requests none the next time", () => {
    for (const name of ["f", "l\\f"]) {
      const first = run(servers, `\\\\ns\\dfs\\${name}`, { probing: true })
      const second = run(servers, `\\\\ns\\dfs\\${name}`, { probing: true, knowledge: first.knowledge, now: 1 })
      assert.isFalse(second.log.some((line) => line.startsWith("ask")))
      assert.deepStrictEqual(second.end, first.end)
    }
  })
  it("no more absences than its capacity", () => {
    let cache = ReferralCache.make({ capacity: 3 })
    const error = failure(run(servers, "\\\\old\\x", { mode: "strict" }))
    for (const name of ["a", "b", "c", "d"]) {
      cache = ReferralCache.insertAbsence(cache, ["s", name], { error, expiresAt: 10 }, 0)
    }
    assert.deepStrictEqual([...cache.absences.keys()], ["S\\B", "S\\C", "S\\D"])
  })
  it("the hint of a renewed referral, and the old referral when renewing fails", () => {
    const two = namespace("a b", ["a"])
    const first = run(two, path)
    const known = ReferralCache.get(first.cache, ["ns", "dfs", "l"])!
    assert.deepStrictEqual([known.refreshAt, known.expiresAt], [540_000, 600_000])
    const renewing = { ...two, ns: { ...two["ns"]!, answers: { "\\ns\\dfs\\l": sets("a b") } } }
    const renewed = run(renewing, "\\\\ns\\dfs\\l", {
      knowledge: first.knowledge,
      now: 550_000,
      probing: true,
      renew: true
    })
    assert.deepStrictEqual(renewed.log, ["ask ns \\ns\\dfs\\l"])
    const after = ReferralCache.get(renewed.cache, ["ns", "dfs", "l"])!
    assert.deepStrictEqual([after.hint, after.expiresAt], [1, 1_150_000])
    // A failed renewal keeps the existing entry.
    const vain = run({ ns: { down: true } }, "\\\\ns\\dfs\\l", {
      knowledge: first.knowledge,
      now: 550_000,
      probing: true,
      renew: true
    })
    assert.strictEqual(vain.end._tag, "Fail")
    assert.isDefined(ReferralCache.get(vain.cache, ["ns", "dfs", "l"]))
    const root = run(two, "\\\\ns\\dfs", { knowledge: first.knowledge, now: 550_000, probing: true, renew: true })
    assert.deepStrictEqual(root.log, ["ask ns \\ns\\dfs"])
  })
})

describe("probe: lazily", () => {
  const servers: Servers = {
    ns: { roots: { dfs: { files: ["f"], links: { l: ["\\a\\data"] } } } },
    a: { shares: { data: ["f"] } },
    dc: { roots: { files: { targets: ["\\ns2\\files"] } } },
    ns2: { roots: { files: { files: ["f"] } } }
  }
  const lazily = { probe: "lazily" } as const
  it("requests no referral for existing paths", () => {
    assert.deepStrictEqual(run(servers, "\\\\a\\data\\f", lazily).log, ["try plain \\\\a\\data\\f"])
    assert.deepStrictEqual(run(servers, "\\\\ns\\dfs\\f", lazily).log, ["try plain \\\\ns\\dfs\\f"])
    assert.strictEqual(failure(run(servers, "\\\\a\\data\\none", lazily)), "not found")
  })
  it("requests referrals after PATH_NOT_COVERED, and uses cached ones", () => {
    const first = run(servers, "\\\\ns\\dfs\\l\\f", lazily)
    assert.deepStrictEqual(first.log.slice(0, 2), ["try plain \\\\ns\\dfs\\l\\f", "ask ns \\ns\\dfs"])
    assert.strictEqual(first.end._tag, "Done")
    const second = run(servers, "\\\\ns\\dfs\\l\\f", { ...lazily, knowledge: first.knowledge })
    assert.deepStrictEqual(second.log, ["try link \\\\a\\data\\f"])
  })
  it("requests referrals after BAD_NETWORK_NAME, because the first component can be a domain", () => {
    const said = { dc: { _tag: "TargetFailed" as const, error: "bad network name", reason: "has no such share" } }
    assert.deepStrictEqual(run(servers, "\\\\dc\\files\\f", { ...lazily, said }).log, [
      "try plain \\\\dc\\files\\f",
      "ask dc \\dc\\files",
      "try root \\\\ns2\\files\\f as dc\\files"
    ])
    assert.strictEqual(failure(run(servers, "\\\\a\\none\\f", lazily)), "bad network name")
    assert.strictEqual(failure(run(servers, "\\\\dead\\none\\f", lazily)), "dead is down")
  })
  it("requests referrals when it resolves by referrals alone", () => {
    assert.strictEqual(
      run(servers, "\\\\ns\\dfs\\l\\f", { ...lazily, probing: true }).log.includes("ask ns \\ns\\dfs"),
      true
    )
  })
})

describe("a target with an IPv6 name", () => {
  it.each([
    ["[2001:db8::1]", "2001:db8::1"],
    ["2001:db8::1", "2001:db8::1"],
    ["2001-db8--1.ipv6-literal.net", "2001:db8::1"],
    ["FE80--1S4.IPv6-Literal.Net", "FE80::1%4"],
    ["server.ipv6-literal.net", "server.ipv6-literal.net"]
  ])("of %s is connected to as %s", (name, host) => {
    const servers: Servers = {
      ns: { roots: { dfs: { links: { l: [`\\${name}\\data`] } } } },
      [host]: { shares: { data: ["f"] } }
    }
    const result = run(servers, "\\\\ns\\dfs\\l\\f")
    assert.strictEqual(result.end._tag === "Done" ? result.end.target.server : "", host)
  })
})

describe("DfsPattern", () => {
  const applies = (include: ReadonlyArray<string>, exclude: ReadonlyArray<string>, unc: string) =>
    DfsPattern.make({ include, exclude })(DfsPath.fromString(unc))
  it.each<[ReadonlyArray<string>, ReadonlyArray<string>, string, boolean]>([
    [[], [], "\\\\a\\b", true],
    [["\\\\corp.test\\*"], [], "\\\\CORP.TEST\\dfs\\x\\y", true],
    [["//corp.test/d?s"], [], "\\\\corp.test\\dfs\\x", true],
    [["//corp.test/d?s"], [], "\\\\corp.test\\dffs\\x", false],
    [["\\\\corp.test\\dfs"], [], "\\\\corp.test\\dfsx", false],
    [["\\\\corp.test\\dfs\\a"], [], "\\\\corp.test\\dfs", false],
    [["\\\\*.test"], [], "\\\\corp.test\\x", true],
    [["\\\\corpxtest"], [], "\\\\corp.test\\x", false],
    [[], ["\\\\nas"], "\\\\nas\\x", false],
    [["\\\\nas"], ["\\\\nas\\x"], "\\\\nas\\x\\y", false],
    [["\\\\**\\secret"], [], "\\\\a\\b\\c\\secret\\d", true],
    [["\\\\**\\secret"], [], "\\\\a\\b\\c", false],
    [["\\\\a\\**"], [], "\\\\a", true],
    [["\\\\a+b\\(x)"], [], "\\\\a+b\\(x)", true]
  ])("with include %j and exclude %j applies to %s: %s", (include, exclude, unc, wanted) => {
    assert.strictEqual(applies(include, exclude, unc), wanted)
  })
  it("ends for patterns with many wildcards", () => {
    const path = `\\\\${Array.from({ length: 200 }, () => "aaaaaaaa").join("\\")}`
    const pattern = `\\\\${Array.from({ length: 50 }, () => "**\\a*").join("\\")}\\b`
    assert.isFalse(applies([pattern], [], path))
    assert.isFalse(applies([`\\\\${"*a".repeat(12)}b`], [], `\\\\${"a".repeat(255)}`))
  })
})
