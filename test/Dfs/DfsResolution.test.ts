/**
 * The algorithm that resolves a DFS path (MS-DFSC 3.1.4.1), as a pure function that is run against servers as data:
 * which referrals it requests, which targets it tries, what it caches, and how it ends. Bad and random responses too.
 */
import { assert, describe, it } from "@effect/vitest"
import * as DfsResolution from "../../src/Dfs/DfsResolution.ts"
import { defaultOptions, type Event, type Knowledge } from "../../src/Dfs/DfsStep.ts"
import * as DomainCache from "../../src/Dfs/DomainCache.ts"
import * as ReferralCache from "../../src/Dfs/ReferralCache.ts"
import { makeReferralResponse } from "../../src/Dfs/ReferralResponse.ts"
import * as TargetHealth from "../../src/Dfs/TargetHealth.ts"
import {
  Malformed,
  NamespaceNotFound,
  NotDfsCapable,
  Overflow,
  ReferralRefused,
  Unsupported
} from "../../src/Protocol/DfsError.ts"
import { bare, run, type Servers } from "./namespace.ts"
import { random, vectors } from "./vectors.ts"

const failure = (result: ReturnType<typeof run>): any => {
  assert.strictEqual(result.end._tag, "Fail")
  return bare((result.end as { readonly error: unknown }).error)
}
const target = (result: ReturnType<typeof run>) => {
  assert.strictEqual(result.end._tag, "Done")
  const { path, server, share } = (result.end as any).target
  return `\\\\${server}\\${share}${path === "" ? "" : `\\${path}`}`
}

const servers: Servers = {
  a: {
    roots: {
      dfs: {
        files: ["readme"],
        links: {
          one: ["\\b\\data"],
          deep: ["\\b\\data\\sub"],
          two: ["\\dead\\data", "\\b\\data"],
          gone: ["\\dead\\data", "\\dead2\\data"],
          inter: ["\\b\\dfs\\far"],
          inter2: ["\\dead\\dfs\\far", "\\b\\dfs\\far"],
          loop: ["\\b\\dfs\\back"],
          self: ["\\a\\dfs\\self"]
        }
      }
    },
    shares: { plain: ["file"] }
  },
  b: {
    roots: { dfs: { links: { far: ["\\c\\data"], back: ["\\a\\dfs\\loop"] } } },
    shares: { data: ["file", "sub\\file"] }
  },
  c: { shares: { data: ["file"] } },
  old: { notCapable: true, shares: { data: ["file"] } }
}

describe("a standalone namespace", () => {
  it("reads a file of the root under the requested name", () => {
    const result = run(servers, "\\\\a\\dfs\\readme")
    assert.deepStrictEqual(result.log, ["ask a \\a\\dfs", "try root \\\\a\\dfs\\readme as a\\dfs"])
    assert.strictEqual(target(result), "\\\\a\\dfs\\readme")
  })
  it("follows a link when the root says PATH_NOT_COVERED, without a DFS name for the target", () => {
    const result = run(servers, "\\\\a\\dfs\\one\\file")
    assert.deepStrictEqual(result.log, [
      "ask a \\a\\dfs",
      "try root \\\\a\\dfs\\one\\file as a\\dfs",
      "ask a \\a\\dfs\\one\\file",
      "try link \\\\b\\data\\file"
    ])
  })
  it("follows a link to a folder inside a share", () => {
    assert.strictEqual(target(run(servers, "\\\\a\\dfs\\deep\\file")), "\\\\b\\data\\sub\\file")
  })
  it("requests nothing the second time, with the path in another case", () => {
    const { cache } = run(servers, "\\\\a\\dfs\\one\\file")
    const result = run(servers, "\\\\A\\Dfs\\ONE\\file", { cache })
    assert.deepStrictEqual(result.log, ["try link \\\\b\\data\\file"])
  })
  it("compares whole components with cached prefixes", () => {
    const { cache } = run(servers, "\\\\a\\dfs\\one\\file")
    assert.match(run(servers, "\\\\a\\dfs\\ones", { cache }).log[0]!, /^try root/)
  })
  it("tries the next target when one is down, and begins with it the next time", () => {
    const first = run(servers, "\\\\a\\dfs\\two\\file")
    assert.deepStrictEqual(first.log.slice(3), ["try link \\\\dead\\data\\file", "try link \\\\b\\data\\file"])
    const second = run(servers, "\\\\a\\dfs\\two\\file", { cache: first.cache })
    assert.deepStrictEqual(second.log, ["try link \\\\b\\data\\file"])
  })
  it("fails with NoTargetLeft and each target's reason, and forgets the link's referral", () => {
    const result = run(servers, "\\\\a\\dfs\\gone\\file")
    const error = failure(result)
    assert.strictEqual(error._tag, "NoTargetLeft")
    assert.strictEqual(
      error.message,
      "No target of \\\\a\\dfs\\gone\\file can be used (\\\\dead\\data\\file: is down; \\\\dead2\\data\\file: is down)"
    )
    assert.strictEqual(error.cause, "dead2 is down")
    // The entry was of no use, so the next operation requests it again.
    assert.isUndefined(ReferralCache.get(result.cache, ["a", "dfs", "gone"]))
    assert.isDefined(ReferralCache.get(result.cache, ["a", "dfs"]))
  })
  it("requests a link's referral once when the server says only that a name was not found", () => {
    const vague = { ...servers, a: { ...servers["a"]!, vague: true } }
    assert.strictEqual(target(run(vague, "\\\\a\\dfs\\one\\file")), "\\\\b\\data\\file")
    const missing = run(vague, "\\\\a\\dfs\\nothing\\file")
    assert.strictEqual(failure(missing), "not found")
    assert.deepStrictEqual(missing.log.length, 3)
  })
  it("requests no referral for one-component paths and IPC$", () => {
    assert.deepStrictEqual(run(servers, "\\\\a").log, ["try plain \\\\a\\"])
    assert.deepStrictEqual(run(servers, "\\\\a\\ipc$\\srvsvc").log, ["try plain \\\\a\\ipc$\\srvsvc"])
  })
  it("uses an ordinary share unchanged in both modes", () => {
    for (const mode of ["strict", "fallback"] as const) {
      const result = run(servers, "\\\\a\\plain\\file", { mode })
      assert.deepStrictEqual(result.log, ["ask a \\a\\plain", "try plain \\\\a\\plain\\file"])
    }
  })
  it("goes to the next root target when the first is down", () => {
    const two: Servers = {
      ns: { roots: { dfs: { targets: ["\\r1\\dfs", "\\r2\\dfs"] } } },
      r1: { roots: { dfs: { links: { one: ["\\b\\data"] } } }, answers: {} },
      r2: { roots: { dfs: { links: { one: ["\\c\\data"] } } } },
      c: servers["c"]!
    }
    assert.deepStrictEqual(run({ ...two, r1: { down: true } }, "\\\\ns\\dfs\\one\\file").log, [
      "ask ns \\ns\\dfs",
      "try root \\\\r1\\dfs\\one\\file as ns\\dfs",
      "try root \\\\r2\\dfs\\one\\file as ns\\dfs",
      "ask r2 \\r2\\dfs\\one\\file",
      "try link \\\\c\\data\\file"
    ])
  })
  it("follows a root referral that says the whole share is a link", () => {
    const proxy: Servers = {
      a: {
        answers: {
          "\\a\\proxy": makeReferralResponse({
            pathConsumed: 16,
            referralHeaderFlags: 2,
            referralEntries: [{
              versionNumber: 3,
              serverType: 0,
              referralEntryFlags: 0,
              timeToLive: 60,
              networkAddress: "\\b\\data"
            }]
          })
        }
      },
      b: servers["b"]!
    }
    assert.strictEqual(target(run(proxy, "\\\\a\\proxy\\file")), "\\\\b\\data\\file")
  })
})

describe("an interlink", () => {
  it.each([2, 1])("leads from namespace to namespace, with header flags %i", (flags) => {
    const a = servers["a"]!
    const result = run(
      { ...servers, a: { ...a, roots: { dfs: { ...a.roots!["dfs"]!, flags } } } },
      "\\\\a\\dfs\\inter\\file"
    )
    assert.strictEqual(target(result), "\\\\c\\data\\file")
    assert.deepStrictEqual(result.log.includes("try link \\\\b\\dfs\\far\\file"), flags === 2)
    // Both ways it is cached for the next time.
    const again = run(servers, "\\\\a\\dfs\\inter\\file", { cache: result.cache })
    assert.deepStrictEqual(again.log, ["try link \\\\c\\data\\file"])
  })
  it("has its next target tried when the first is down", () => {
    assert.strictEqual(target(run(servers, "\\\\a\\dfs\\inter2\\file")), "\\\\c\\data\\file")
    assert.strictEqual(target(run(servers, "\\\\a\\dfs\\inter2\\file", { probing: true })), "\\\\c\\data\\file")
  })
  it.each(["loop", "self"])("fails with DfsLoop when it is a %s", (name) => {
    for (const probe of [false, true]) {
      const error = failure(run(servers, `\\\\a\\dfs\\${name}\\file`, { probing: probe }))
      assert.strictEqual(error._tag, "DfsLoop")
      assert.isAtMost(error.visited.length, 3)
      assert.deepStrictEqual([error.path, error.step], [`\\\\a\\dfs\\${name}\\file`, 11])
    }
  })
  it("into an ordinary share tells how many names are below the link, as any link does", () => {
    // A removal and a rename must not take the link itself, nor what is above it.
    const inter = { roots: { dfs: { flags: 1, links: { inter: ["\\b\\data"], far: ["\\c\\dfs\\deep"] } } } }
    const all: Servers = {
      ...servers,
      a: inter,
      b: { shares: { data: ["", "x", "x\\y"] } },
      c: { roots: { dfs: { flags: 1, links: { deep: ["\\b\\data"] } } } }
    }
    for (const link of ["inter", "far"]) {
      for (const [below, count, isLink] of [["", 0, true], ["\\x", 1, false], ["\\x\\y", 2, false]] as const) {
        const { end } = run(all, `\\\\a\\dfs\\${link}${below}`)
        assert.strictEqual(end._tag, "Done")
        const { target } = end as Extract<typeof end, { readonly _tag: "Done" }>
        assert.deepStrictEqual([target.namesBelowLink, target.isLink === true], [count, isLink], link + below)
      }
    }
    const plain = run(all, "\\\\b\\data\\x").end as any
    assert.notProperty(plain.target, "namesBelowLink")
  })
  it("is followed eight times and not nine times", () => {
    const chain: Record<string, Servers[string]> = { end: { shares: { data: ["file"] } } }
    for (let i = 0; i < 10; i++) {
      chain[`s${i}`] = {
        roots: { dfs: { flags: 1, links: { go: [`\\s${i + 1}\\dfs\\go`], end: ["\\end\\data"] } } }
      }
    }
    const ends = (n: number) => ({ ...chain, [`s${n}`]: { roots: { dfs: { links: { go: ["\\end\\data"] } } } } })
    assert.strictEqual(target(run(ends(8), "\\\\s0\\dfs\\go\\file")), "\\\\end\\data\\file")
    const error = failure(run(ends(9), "\\\\s0\\dfs\\go\\file"))
    assert.strictEqual(error._tag, "DfsLoop")
    assert.strictEqual(error.server, "s9")
    assert.match(error.message, /do not come to an end: \\\\s0\\dfs\\go\\file -> \\\\s1/)
  })
})

describe("the time to live of a referral", () => {
  it("makes an expired link be requested from the root's target, and an expired root with all links", () => {
    const first = run(servers, "\\\\a\\dfs\\one\\file", { now: 0 })
    const later = run(servers, "\\\\a\\dfs\\readme", {
      now: 500_000,
      cache: ReferralCache.remove(first.cache, ["a", "dfs"])
    })
    const link = run(servers, "\\\\a\\dfs\\one\\file", { now: 600_000, cache: later.cache })
    assert.deepStrictEqual(link.log, ["ask a \\a\\dfs\\one\\file", "try link \\\\b\\data\\file"])
    const all = run(servers, "\\\\a\\dfs\\one\\file", { now: 1_200_000, cache: link.cache })
    assert.strictEqual(all.log.length, 4)
  })
  it("makes an expired link that no longer exists be tried at the root", () => {
    const first = run(servers, "\\\\a\\dfs\\one\\file")
    const cache = ReferralCache.insert(
      first.cache,
      { ...ReferralCache.get(first.cache, ["a", "dfs"])!, expiresAt: 1e9 },
      0
    )
    const changed: Servers = { a: { roots: { dfs: { files: ["one\\file"] } } } }
    const result = run(changed, "\\\\a\\dfs\\one\\file", { now: 700_000, cache })
    assert.deepStrictEqual(result.log, ["ask a \\a\\dfs\\one\\file", "try root \\\\a\\dfs\\one\\file as a\\dfs"])
  })
  it("of 0 lets the referral be used once and not be cached", () => {
    const zero = { ...servers, a: { ...servers["a"]!, ttl: 0 } }
    const result = run(zero, "\\\\a\\dfs\\one\\file")
    assert.strictEqual(target(result), "\\\\b\\data\\file")
    assert.strictEqual(result.cache.entries.size, 0)
  })
  it("is limited to a day", () => {
    const long = { ...servers, a: { ...servers["a"]!, ttl: 2 ** 32 - 1 } }
    const { cache } = run(long, "\\\\a\\dfs\\readme", { now: 1000 })
    assert.strictEqual(ReferralCache.get(cache, ["a", "dfs"])!.expiresAt, 1000 + 86_400_000)
  })
})

describe("a server without DFS", () => {
  it("is used without DFS in fallback mode", () => {
    const result = run(servers, "\\\\old\\data\\file", { mode: "fallback" })
    assert.deepStrictEqual(result.log, ["ask old \\old\\data", "try plain \\\\old\\data\\file"])
  })
  it("fails with NotDfsCapable in strict mode", () => {
    const error = failure(run(servers, "\\\\old\\data\\file", { mode: "strict" }))
    assert.strictEqual(error._tag, "NotDfsCapable")
    assert.match(error.message, /old does not support DFS.*`mode: "fallback"`/)
  })
  it("can be a link's target in strict mode", () => {
    const linked: Servers = { a: { roots: { dfs: { links: { x: ["\\old\\data"] } } } }, old: servers["old"]! }
    for (const probe of [false, true]) {
      assert.strictEqual(
        target(run(linked, "\\\\a\\dfs\\x\\file", { mode: "strict", probing: probe })),
        "\\\\old\\data\\file"
      )
    }
  })
  it("fails as without DFS when it is down", () => {
    assert.strictEqual(failure(run(servers, "\\\\dead\\data\\file")), "dead is down")
  })
})

describe("resolution by referrals alone", () => {
  it.each([
    ["\\\\a\\dfs", "\\\\a\\dfs"],
    ["\\\\a\\dfs\\readme", "\\\\a\\dfs\\readme"],
    ["\\\\a\\dfs\\one\\file", "\\\\b\\data\\file"],
    ["\\\\a\\dfs\\inter\\file", "\\\\c\\data\\file"],
    ["\\\\a\\plain\\file", "\\\\a\\plain\\file"],
    ["\\\\old\\data", "\\\\old\\data"]
  ])("leads %s to %s", (from, to) => {
    assert.strictEqual(target(run(servers, from, { probing: true })), to)
  })
})

describe("a bad referral", () => {
  const answering = (answer: Uint8Array | Parameters<typeof makeReferralResponse>[0], link = false) => {
    const response = answer instanceof Uint8Array ? answer : makeReferralResponse(answer)
    const a = servers["a"]!
    const at = link ? "\\a\\dfs\\one\\file" : "\\a\\dfs"
    return failure(run({ ...servers, a: { ...a, answers: { [at]: response } } }, "\\\\a\\dfs\\one\\file"))
  }
  const one = (networkAddress: string) => ({
    versionNumber: 3 as const,
    serverType: 1,
    referralEntryFlags: 0,
    timeToLive: 600,
    networkAddress
  })

  it.each([1, 3, 5, 13, 14 + 2, 0xffff])(
    "is Malformed with a PathConsumed of %i bytes, not at the end of a component",
    (pathConsumed) => {
      const error = answering({ pathConsumed, referralEntries: [one("\\a\\dfs")] })
      assert.strictEqual(error._tag, "Malformed")
      assert.strictEqual(error.server, "a")
      assert.match(error.message, /PathConsumed at the end of a component of \\a\\dfs/)
    }
  )
  it.each([["\\a\\dfs", 12], ["\\a\\dfs\\one", 20], ["\\a\\dfs\\one\\file", 20]] as const)(
    "is accepted when its PathConsumed of %s counts a terminator or a backslash",
    (asked, bytes) => {
      const a = servers["a"]!
      const path = asked === "\\a\\dfs" ? "\\\\a\\dfs\\readme" : `\\${asked}`
      const answers = {
        [asked]: makeReferralResponse({
          pathConsumed: bytes + 2,
          referralEntries: [asked === "\\a\\dfs" ? one(asked) : { ...one("\\b\\data"), serverType: 0 }]
        })
      }
      const expected = run(servers, path)
      const found = run({ ...servers, a: { ...a, answers } }, path, { mode: "strict" })
      assert.deepStrictEqual(found.log, expected.log)
      assert.deepStrictEqual([...found.cache.entries.keys()], [...expected.cache.entries.keys()])
      assert.strictEqual(target(found), target(expected))
    }
  )
  it("is Malformed with a PathConsumed inside a link's name", () => {
    assert.match(answering({ pathConsumed: 18, referralEntries: [one("\\b\\data")] }, true).message, /PathConsumed/)
  })
  it("without entries is an ordinary share for a root, and ReferralRefused for a link", () => {
    const a = servers["a"]!
    const response = makeReferralResponse({ pathConsumed: 12, referralEntries: [] })
    const root = run({ a: { ...a, answers: { "\\a\\dfs": response } } }, "\\\\a\\dfs\\readme")
    assert.deepStrictEqual(root.log[1], "try plain \\\\a\\dfs\\readme")
    const error = answering({ pathConsumed: 12, referralEntries: [] }, true)
    assert.strictEqual(error._tag, "ReferralRefused")
    assert.match(error.message, /a refused a referral for \\a\\dfs\\one\\file: STATUS_OBJECT_PATH_NOT_FOUND/)
  })
  it.each(["", "\\", "\\b", "\\b\\..\\data", "\\b\\da/ta", "\\b\\d\u0001"])(
    "is refused when its only target is %j",
    (address) => {
      assert.match(answering({ pathConsumed: 12, referralEntries: [one(address)] }).message, /a target such as/)
    }
  )
  it("is Malformed when it is a name list or truncated", () => {
    assert.strictEqual(answering(vectors["response-dc-namelist"]!)._tag, "Malformed")
    assert.strictEqual(answering(vectors["response-v1"]!.subarray(0, 30))._tag, "Malformed")
    assert.strictEqual(answering(vectors["response-v1"]!.subarray(0, 30), true)._tag, "Malformed")
  })
})

it("the resolution with recorded referrals of Windows sends the requests that Windows 11 sends", () => {
  const result = run({
    "LAB.LOCAL": { answers: { "\\LAB.LOCAL\\Files": vectors["response-v4-root"]! } },
    "LAB-DC1.LAB.LOCAL": {
      roots: { Files: { links: { Sales: [] } } },
      answers: { "\\LAB-DC1.LAB.LOCAL\\Files\\Sales\\plan.txt": vectors["response-v4-link-two-targets"]! }
    },
    "LAB-FS1": { shares: { Sales: ["plan.txt"] } }
  }, "\\\\LAB.LOCAL\\Files\\Sales\\plan.txt")
  assert.deepStrictEqual(result.log, [
    "ask LAB.LOCAL \\LAB.LOCAL\\Files",
    "try root \\\\LAB-DC1.LAB.LOCAL\\Files\\Sales\\plan.txt as LAB.LOCAL\\Files",
    "ask LAB-DC1.LAB.LOCAL \\LAB-DC1.LAB.LOCAL\\Files\\Sales\\plan.txt",
    "try link \\\\LAB-FS2\\Sales\\plan.txt",
    "try link \\\\LAB-FS1\\Sales\\plan.txt"
  ])
  const known = ReferralCache.get(result.cache, ["lab.local", "files", "sales"])!
  assert.strictEqual(known.hint, 1)
  assert.deepStrictEqual(known.targets.map((one) => one.setBoundary), [true, false])
})

it("the resolution ends after a bounded number of steps for random events and responses", () => {
  const names = ["a", "b", "dfs", "x", "IPC$"]
  const errors = [
    new NotDfsCapable({ server: "a", path: "" }),
    new NamespaceNotFound({ server: "a", path: "", status: 1 }),
    new ReferralRefused({ server: "a", path: "", status: 1 }),
    new Overflow({ server: "a", path: "", size: 8192 }),
    new Unsupported({ what: "x" }),
    new Malformed({ structure: "x", offset: 0, expected: "y" })
  ]
  for (let seed = 0; seed < 150; seed++) {
    const { below, chance } = random(seed)
    const path = (least: number) => Array.from({ length: least + below(4) }, () => names[below(names.length)]!)
    const responses = () =>
      makeReferralResponse({
        pathConsumed: chance(0.9) ? (below(8) + 1) * 2 : below(65536),
        referralHeaderFlags: below(8),
        referralEntries: Array.from({ length: below(5) }, () => ({
          versionNumber: 4 as const,
          serverType: below(2),
          referralEntryFlags: chance(0.3) ? 4 : 0,
          timeToLive: chance(0.3) ? 0 : below(1000),
          networkAddress: `\\${path(1).join("\\")}`
        }))
      })
    const lists = () =>
      makeReferralResponse({
        pathConsumed: 0,
        referralEntries: Array.from({ length: 1 + below(2) }, () => ({
          versionNumber: 3 as const,
          serverType: 0,
          referralEntryFlags: 2,
          timeToLive: below(1000),
          specialName: `\\${names[below(names.length)]}`,
          expandedNames: Array.from({ length: below(3) }, () => `\\${names[below(names.length)]}`)
        }))
      })
    const failures = () =>
      Array.from({ length: below(4) }, () => ({
        index: below(5) - 1,
        error: "e",
        reason: "r",
        what: chance(0.5) ? "server" as const : "share" as const
      }))
    const events: ReadonlyArray<() => Event<string>> = [
      () => ({ _tag: "Start" }),
      () => ({ _tag: "Referral", response: responses() }),
      () => ({ _tag: "Referral", response: responses() }),
      () => ({ _tag: "ReferralFailed", error: errors[below(errors.length)]! }),
      () => ({ _tag: "Unreachable", error: "e", reason: "r" }),
      () => ({ _tag: "PathNotCovered", error: "e" }),
      () => ({ _tag: "PathNotCovered", error: "e" }),
      () => ({ _tag: "NotFound", error: "e" }),
      () => ({ _tag: "TargetFailed", error: "e", reason: "r" }),
      () => ({ _tag: "ServerFailed", error: "e", reason: "r" }),
      () => (chance(0.1) ? { _tag: "Lost", error: "e" } : { _tag: "Start" }),
      () => ({ _tag: "Controllers", controllers: chance(0.5) ? [] : [names[below(3)]!, "dc"] }),
      () => ({ _tag: "Connected", index: below(5) - 1, failures: failures() }),
      () => ({ _tag: "ConnectFailed", failures: failures() }),
      () => ({ _tag: "Referral", response: lists() }),
      () => ({ _tag: "Probe" }),
      () => ({ _tag: chance(0.1) ? "Succeeded" : "Probe" }),
      () => (chance(0.1) ? { _tag: "Failed", error: "e" } : { _tag: "Start" })
    ]
    let knowledge: Knowledge = {
      cache: ReferralCache.make({ capacity: 1 + below(8) }),
      domains: DomainCache.make({ capacity: 2, ...(chance(0.5) ? { controllers: { x: ["b", "a"] } } : {}) }),
      health: TargetHealth.none
    }
    for (let round = 0; round < 5; round++) {
      let state = DfsResolution.start<string>(path(0), { renew: chance(0.1) })
      let now = 0
      let ended = 0
      for (let n = 0; n < 400; n++) {
        now += below(100_000)
        const mode = chance(0.5) ? "strict" : "fallback"
        const options = {
          ...defaultOptions,
          mode,
          probe: chance(0.5) ? "lazily" : "referral-first",
          connect: chance(0.5) ? "race" : "ordered",
          discover: chance(0.5)
        } as const
        const result = DfsResolution.step(state, events[below(events.length)]!(), { ...knowledge, now, options })
        state = result.state
        knowledge = { cache: result.cache, domains: result.domains, health: result.health }
        const { cache } = knowledge
        if (cache.absences.size > cache.capacity) assert.fail("the cache of absences grew")
        if (cache.entries.size > cache.capacity) assert.fail("the cache grew")
        if (state.visited.length > defaultOptions.limits.hops + 1) assert.fail("too many hops")
        if (result.command._tag === "Done" || result.command._tag === "Fail") ended ||= n + 1
        else if (ended > 0) assert.fail("it went on after its end")
        if (ended > 0 && n > ended + 2) break
      }
      assert.isAtLeast(ended, 1)
      assert.isAtMost(ended, defaultOptions.limits.steps + 1)
    }
  }
})
