/**
 * What is known of domains (MS-DFSC 3.1.1, BootstrapDC and DomainCache): given and learned controllers, the hint, times
 * at their borders, the capacity, and the names that a response to a domain or DC referral has.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as DomainCache from "../../src/Dfs/DomainCache.ts"
import { makeReferralResponse } from "../../src/Dfs/ReferralResponse.ts"

const given = DomainCache.make({ controllers: { "Corp.test": ["dc1.corp.test", "dc2.corp.test"], CORP: ["DC1"] } })
const names = (cache: DomainCache.DomainCache) => [...cache.entries.values()].map(({ name }) => name)

describe("given controllers", () => {
  it("are known for good, in any case; the first ones are BootstrapDC, and domains without any are left out", () => {
    const cache = DomainCache.make({ controllers: { "none.test": [], "b.test": ["dc"], "c.test": ["other"] } })
    assert.deepStrictEqual(cache.bootstrap, ["dc"])
    assert.isFalse(DomainCache.isDomain(cache, "none.test", 0))
    assert.isTrue(DomainCache.isDomain(cache, "B.TEST", Number.MAX_SAFE_INTEGER))
    assert.deepStrictEqual(DomainCache.get(cache, "c.test", 0)?.controllers, ["other"])
    assert.deepStrictEqual(DomainCache.make().bootstrap, [])
  })

  it("are not replaced by learned names, controllers or hosts, and stay BootstrapDC", () => {
    let cache = DomainCache.setNames(given, ["CORP.TEST", "new.test"], 100, 0)
    cache = DomainCache.setControllers(cache, "corp.test", ["evil"], 100, 0)
    cache = DomainCache.setHost(cache, "corp", 100, 0)
    assert.deepStrictEqual(DomainCache.get(cache, "corp.test", 0)?.controllers, ["dc1.corp.test", "dc2.corp.test"])
    assert.isTrue(DomainCache.isDomain(cache, "corp", 0))
    assert.deepStrictEqual(cache.bootstrap, ["dc1.corp.test", "dc2.corp.test"])
    assert.deepStrictEqual(DomainCache.get(cache, "new.test", 0)?.controllers, [])
  })
})

describe("a learned name", () => {
  it("is valid until its time, and not at it", () => {
    const cache = DomainCache.setNames(DomainCache.make(), ["a.test"], 100, 0)
    assert.strictEqual(DomainCache.get(cache, "A.test", 99)?.name, "a.test")
    assert.isUndefined(DomainCache.get(cache, "a.test", 100))
    assert.isTrue(DomainCache.isDomain(cache, "a.test", 99))
    assert.isFalse(DomainCache.isDomain(cache, "a.test", 100))
    assert.strictEqual(cache.listedUntil, 100)
    assert.strictEqual(DomainCache.setUnlisted(cache, 30).listedUntil, 30)
  })

  it("of a host is no domain", () => {
    const cache = DomainCache.setHost(DomainCache.make(), "nas", 100, 0)
    assert.strictEqual(DomainCache.get(cache, "NAS", 0)?.kind, "host")
    assert.isFalse(DomainCache.isDomain(cache, "nas", 0))
    // A host that turns out to be a domain is one.
    assert.isTrue(DomainCache.isDomain(DomainCache.setNames(cache, ["nas"], 100, 0), "nas", 0))
  })

  it("keeps its controllers when the list of domains comes again, and loses them after its time", () => {
    const cache = DomainCache.setControllers(DomainCache.make(), "a.test", ["dc"], 100, 0)
    assert.deepStrictEqual(
      DomainCache.get(DomainCache.setNames(cache, ["A.TEST"], 200, 99), "a.test", 99)?.controllers,
      ["dc"]
    )
    assert.deepStrictEqual(
      DomainCache.get(DomainCache.setNames(cache, ["A.TEST"], 200, 100), "a.test", 100)?.controllers,
      []
    )
  })

  it("is dropped at the capacity: expired ones first, then the oldest, and never a given one", () => {
    let cache = DomainCache.make({ capacity: 3, controllers: { given: ["dc"] } })
    cache = DomainCache.setHost(cache, "old", 1000, 0)
    cache = DomainCache.setHost(cache, "short", 10, 0)
    assert.deepStrictEqual(names(cache), ["given", "old", "short"])
    cache = DomainCache.setHost(cache, "new", 1000, 10)
    assert.deepStrictEqual(names(cache), ["given", "old", "new"])
    cache = DomainCache.setHost(cache, "newer", 1000, 10)
    assert.deepStrictEqual(names(cache), ["given", "new", "newer"])
    // A name that is learned again is the newest.
    cache = DomainCache.setHost(DomainCache.setHost(cache, "NEW", 1000, 10), "newest", 1000, 10)
    assert.deepStrictEqual(names(cache), ["given", "NEW", "newest"])
    assert.deepStrictEqual(names(DomainCache.setHost(DomainCache.make({ capacity: 0 }), "one", 10, 0)), ["one"])
  })
})

describe("BootstrapDC", () => {
  it("is the first controllers that are learned, and follows those of the same domain only", () => {
    let cache = DomainCache.setControllers(DomainCache.make(), "a.test", [], 100, 0)
    assert.deepStrictEqual(cache.bootstrap, [])
    cache = DomainCache.setControllers(cache, "a.test", ["one"], 100, 0)
    assert.deepStrictEqual(cache.bootstrap, ["one"])
    cache = DomainCache.setControllers(cache, "b.test", ["other"], 100, 0)
    assert.deepStrictEqual(cache.bootstrap, ["one"])
    cache = DomainCache.setControllers(cache, "A.TEST", ["two"], 100, 0)
    assert.deepStrictEqual(cache.bootstrap, ["two"])
    // Without controllers, the old ones are still the only ones to ask.
    cache = DomainCache.setControllers(cache, "a.test", [], 100, 0)
    assert.deepStrictEqual(cache.bootstrap, ["two"])
  })
})

describe("the controllers of a domain", () => {
  const order = (cache: DomainCache.DomainCache) => DomainCache.controllersOf(DomainCache.get(cache, "a.test", 0)!)
  const three = DomainCache.setControllers(DomainCache.make(), "a.test", ["x", "y", "z"], 100, 0)

  it("are asked with the one first that answered last, and the others as given", () => {
    assert.deepStrictEqual(order(three), ["x", "y", "z"])
    const second = DomainCache.setHint(three, "A.Test", "Y")
    assert.deepStrictEqual(order(second), ["y", "x", "z"])
    assert.deepStrictEqual(order(DomainCache.setHint(second, "a.test", "z")), ["z", "x", "y"])
    assert.deepStrictEqual(order(DomainCache.setHint(second, "a.test", "x")), ["x", "y", "z"])
    assert.deepStrictEqual(order(DomainCache.setControllers(three, "a.test", [], 100, 0)), [])
  })

  it("are unchanged by an answer of another server, of another domain, and of the same controller", () => {
    for (const [domain, controller] of [["a.test", "w"], ["b.test", "y"], ["a.test", "x"]] as const) {
      assert.strictEqual(DomainCache.setHint(three, domain, controller), three)
    }
  })
})

describe("the domain of a server", () => {
  it.each([
    ["fs.corp.test", "corp.test"],
    ["FS.Sub.Corp.Test", "sub.corp.test"],
    ["corp.test", "corp.test"],
    ["xcorp.test", undefined],
    ["corp.test.org", undefined],
    ["dc.elsewhere", "other.test"],
    ["host", undefined],
    ["a.host", undefined],
    ["a.expired.test", undefined]
  ])("of %s is %s: the longest that its name ends in, or the one that it is a controller of", (server, domain) => {
    let cache = DomainCache.setNames(DomainCache.make(), ["corp.test", "sub.corp.test"], 100, 0)
    cache = DomainCache.setControllers(cache, "other.test", ["DC.elsewhere"], 100, 0)
    cache = DomainCache.setNames(DomainCache.setHost(cache, "host", 100, 0), ["expired.test"], 50, 0)
    assert.strictEqual(DomainCache.domainOf(cache, server, 50), domain)
  })
})

describe("a response", () => {
  const list = (specialName: string | undefined, expandedNames: ReadonlyArray<string>, timeToLive = 60) => ({
    versionNumber: 3 as const,
    serverType: 0,
    referralEntryFlags: 2,
    timeToLive,
    ...(specialName === undefined ? {} : { specialName }),
    expandedNames
  })
  const target = {
    versionNumber: 3,
    serverType: 0,
    referralEntryFlags: 0,
    timeToLive: 1,
    networkAddress: "\\s\\x"
  } as const
  type Entries = Parameters<typeof makeReferralResponse>[0]["referralEntries"]
  const response = (...referralEntries: Entries) => makeReferralResponse({ pathConsumed: 0, referralEntries })
  const malformed = (result: ReturnType<typeof DomainCache.namesFromResponse>) => {
    assert(Result.isFailure(result))
    return [result.failure.offset, result.failure.expected, result.failure.server]
  }

  it("to a domain referral has the names of all entries, for the shortest time", () => {
    const read = (...entries: Entries) => DomainCache.namesFromResponse(response(...entries), "dc")
    assert.deepStrictEqual(
      read(list("\\CORP", [], 90), list("corp.test", [], 30), list("\\\\x", ["ignored"], 60)),
      Result.succeed({ names: ["CORP", "corp.test", "x"], timeToLive: 30 })
    )
    assert.deepStrictEqual(read(), Result.succeed({ names: [], timeToLive: 0 }))
    for (
      const odd of [list(undefined, []), list("\\a\\b", []), list("\\a*", []), list("\\", []), list("..", []), target]
    ) {
      assert.deepStrictEqual(malformed(read(odd)), [8, "a list of domains' names", "dc"])
    }
    assert.deepStrictEqual(malformed(read(list("\\a", []), target)), [8, "a list of domains' names", "dc"])
  })

  it("to a DC referral has one entry, and the controllers in it whose names are names", () => {
    const read = (...entries: Entries) => DomainCache.controllersFromResponse(response(...entries), "dc")
    assert.deepStrictEqual(
      read(list("\\corp.test", ["\\dc1", "dc2.corp.test", "\\a\\b", "", ".."], 90)),
      Result.succeed({ names: ["dc1", "dc2.corp.test"], timeToLive: 90 })
    )
    const one = [2, "one name list with a domain's controllers", "dc"]
    assert.deepStrictEqual(malformed(read()), one)
    assert.deepStrictEqual(malformed(read(target)), one)
    assert.deepStrictEqual(malformed(read(list("\\a", ["\\dc"]), list("\\a", ["\\dc"]))), one)
    for (const none of [[], ["\\a\\b"]]) {
      assert.deepStrictEqual(malformed(read(list("\\a", none))), [8, "the name of a domain controller", "dc"])
    }
  })
})
