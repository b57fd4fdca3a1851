/**
 * Domains in the algorithm of MS-DFSC 3.1.4.1: domain controllers that are given or found in DNS, NetBIOS names,
 * SYSVOL and NETLOGON, name lists in recorded bytes, the cache of domains, and SRV records.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Dns } from "effect/net"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as DfsTrace from "../../src/Dfs/DfsTrace.ts"
import * as DomainCache from "../../src/Dfs/DomainCache.ts"
import * as DomainControllers from "../../src/Dfs/DomainControllers.ts"
import { decodeReferralResponse, makeReferralResponse } from "../../src/Dfs/ReferralResponse.ts"
import { ReferralRefused } from "../../src/Protocol/DfsError.ts"
import { bare, ignorance, run, type Servers } from "./namespace.ts"
import { vectors } from "./vectors.ts"

const known = (controllers: DomainCache.Controllers) => ({
  knowledge: { ...ignorance, domains: DomainCache.make({ controllers }) }
})
const target = (result: ReturnType<typeof run>) => {
  if (result.end._tag === "Fail") assert.fail(String(result.end.error))
  const { path, server, share } = result.end.target
  return `\\\\${server}\\${share}${path === "" ? "" : `\\${path}`}`
}
const failure = (result: ReturnType<typeof run>): any => {
  assert.strictEqual(result.end._tag, "Fail")
  return bare((result.end as { readonly error: unknown }).error)
}

/** Two controllers of one domain, and a separate server with the namespace. */
const roots = {
  dfs: { targets: ["\\ns.corp.test\\dfs"] },
  sysvol: { targets: ["\\dc1.corp.test\\sysvol", "\\dc2.corp.test\\sysvol"], flags: 2 },
  NETLOGON: { targets: ["\\dc1.corp.test\\NETLOGON"] }
}
const domains = { CORP: ["dc1.corp.test", "dc2.corp.test"], "corp.test": ["dc1.corp.test", "dc2.corp.test"] }
const shares = { sysvol: ["corp.test\\policy"], NETLOGON: ["logon.cmd"] }
const corp: Servers = {
  "dc1.corp.test": { domains, roots, shares },
  "dc2.corp.test": { domains, roots, shares },
  "ns.corp.test": { roots: { dfs: { files: ["readme"], links: { one: ["\\fs\\data"], far: ["\\CORP\\dfs\\one"] } } } },
  fs: { shares: { data: ["file"] } }
}
const given = known({ "corp.test": ["dc1.corp.test", "dc2.corp.test"] })

describe("a domain with given controllers", () => {
  it("is resolved by a root referral of a controller and a link referral of the root's target", () => {
    assert.deepStrictEqual(run(corp, "\\\\corp.test\\dfs\\one\\file", given).log, [
      "ask dc1.corp.test \\corp.test\\dfs",
      "try root \\\\ns.corp.test\\dfs\\one\\file as corp.test\\dfs",
      "ask ns.corp.test \\ns.corp.test\\dfs\\one\\file",
      "try link \\\\fs\\data\\file"
    ])
  })
  it("has SYSVOL and NETLOGON in any case, and no link below them is requested (step 10)", () => {
    const sysvol = run(corp, "\\\\corp.test\\sysvol\\corp.test\\policy", given)
    assert.deepStrictEqual(sysvol.log, [
      "ask dc1.corp.test \\corp.test\\sysvol",
      "try link \\\\dc1.corp.test\\sysvol\\corp.test\\policy"
    ])
    assert.strictEqual(sysvol.notes.find((note) => note._tag === "Asking")!.step, 10)
    const netlogon = run(corp, "\\\\CORP.TEST\\NETLOGON\\none", given)
    assert.deepStrictEqual(netlogon.log, [
      "ask dc1.corp.test \\CORP.TEST\\NETLOGON",
      "try link \\\\dc1.corp.test\\NETLOGON\\none"
    ])
    assert.strictEqual(failure(netlogon), "not found")
    // With a cached referral, no request is sent.
    const again = run(corp, "\\\\Corp.Test\\SysVol\\corp.test\\policy", { knowledge: sysvol.knowledge })
    assert.deepStrictEqual(again.log, ["try link \\\\dc1.corp.test\\sysvol\\corp.test\\policy"])
    assert.deepStrictEqual(
      run(corp, "\\\\corp.test\\sysvol\\x", { ...given, probing: true }).log.length,
      2
    )
  })
  it("is resolved by the next controller when one is down, also the next time", () => {
    const dying = { ...corp, "dc1.corp.test": { down: true } }
    const first = run(dying, "\\\\corp.test\\dfs\\readme", given)
    assert.deepStrictEqual(first.log.slice(0, 2), [
      "ask dc1.corp.test \\corp.test\\dfs",
      "ask dc2.corp.test \\corp.test\\dfs"
    ])
    const second = run(dying, "\\\\corp.test\\sysvol\\corp.test\\policy", { knowledge: first.knowledge })
    assert.deepStrictEqual(second.log, [
      "ask dc2.corp.test \\corp.test\\sysvol",
      // A target that is known to be dead comes last.
      "try link \\\\dc2.corp.test\\sysvol\\corp.test\\policy"
    ])
  })
  it("fails with NoDomainController and each controller's reason when all are down (step 13)", () => {
    const error = failure(run({}, "\\\\corp.test\\dfs\\readme", given))
    assert.strictEqual(error._tag, "NoDomainController")
    assert.strictEqual(error.step, 13)
    assert.strictEqual(error.server, "dc2.corp.test")
    assert.strictEqual(
      error.message,
      "No domain controller of corp.test answers for \\\\corp.test\\dfs\\readme " +
        "(\\\\dc1.corp.test: is down; \\\\dc2.corp.test: is down)"
    )
  })
  it("is known by its NetBIOS name after a domain referral and a DC referral (step 5)", () => {
    const result = run(corp, "\\\\CORP\\dfs\\readme", given)
    assert.deepStrictEqual(result.log, [
      "ask dc1.corp.test ",
      "ask dc1.corp.test \\CORP",
      "ask dc1.corp.test \\CORP\\dfs",
      "try root \\\\ns.corp.test\\dfs\\readme as CORP\\dfs"
    ])
    // The list and the controllers are kept; another share costs one request.
    const next = run(corp, "\\\\CORP\\sysvol\\corp.test\\policy", { knowledge: result.knowledge })
    assert.deepStrictEqual(next.log.slice(0, 1), ["ask dc1.corp.test \\CORP\\sysvol"])
    // An ordinary server is not taken for a domain.
    const host = run(corp, "\\\\fs\\data\\file", { knowledge: result.knowledge })
    assert.deepStrictEqual(host.log, ["ask fs \\fs\\data", "try plain \\\\fs\\data\\file"])
  })
  it("is resolved by the next controller when one dies between two steps", () => {
    const listing = { CORP: ["gone.corp.test", "dc2.corp.test"] }
    const servers: Servers = { ...corp, "dc1.corp.test": { domains: listing } }
    const result = run(servers, "\\\\CORP\\dfs\\readme", given)
    assert.deepStrictEqual(result.log.slice(2, 4), [
      "ask gone.corp.test \\CORP\\dfs",
      "ask dc2.corp.test \\CORP\\dfs"
    ])
    assert.strictEqual(target(result), "\\\\ns.corp.test\\dfs\\readme")
    const all = failure(
      run({ "dc1.corp.test": { domains: { CORP: ["gone.corp.test"] } } }, "\\\\CORP\\dfs\\readme", given)
    )
    assert.deepStrictEqual([all._tag, all.domain, all.server, all.step], [
      "NoDomainController",
      "CORP",
      "gone.corp.test",
      13
    ])
  })
  it("has its list of domains requested once, also when the controller refuses it", () => {
    const mute = { ...corp, "dc1.corp.test": { roots, shares } }
    const first = run(mute, "\\\\fs\\data\\file", given)
    assert.deepStrictEqual(first.log, ["ask dc1.corp.test ", "ask fs \\fs\\data", "try plain \\\\fs\\data\\file"])
    const second = run(mute, "\\\\fs\\other\\file", { knowledge: first.knowledge, now: 1000 })
    assert.strictEqual(second.log[0], "ask fs \\fs\\other")
  })
  it("is an interlink when a link leads to it (step 11)", () => {
    const listed = run(corp, "\\\\CORP\\dfs\\readme", given)
    const result = run(corp, "\\\\corp.test\\dfs\\far\\file", { knowledge: listed.knowledge })
    assert.strictEqual(target(result), "\\\\fs\\data\\file")
    assert.isTrue(result.notes.some((note) => note._tag === "Interlink" && note.step === 11))
    assert.isFalse(result.log.includes("try link \\\\CORP\\dfs\\one\\file"))
  })
  it("without such a namespace fails in strict mode, and is an ordinary server in fallback mode", () => {
    const servers = { ...corp, "corp.test": { shares: { plain: ["file"] } } }
    const strict = failure(run(servers, "\\\\corp.test\\plain\\file", { ...given, mode: "strict" }))
    assert.strictEqual(strict._tag, "NamespaceNotFound")
    assert.strictEqual(strict.step, 13)
    const result = run(servers, "\\\\corp.test\\plain\\file", given)
    assert.strictEqual(target(result), "\\\\corp.test\\plain\\file")
  })
  it("is resolved by the next controller when one refuses the referral", () => {
    const refusing: Servers = {
      ...corp,
      "dc1.corp.test": {
        answers: {
          "\\corp.test\\dfs": new ReferralRefused({
            server: "dc1",
            path: "",
            status: NtStatus.STATUS_INSUFFICIENT_RESOURCES
          })
        }
      }
    }
    assert.strictEqual(target(run(refusing, "\\\\corp.test\\dfs\\readme", given)), "\\\\ns.corp.test\\dfs\\readme")
  })
  it("that is its own target, as Samba says, is replaced by the controller that sent the referral", () => {
    const samba = (targets: ReadonlyArray<string>): Servers => ({
      "dc1.corp.test": { down: true },
      "dc2.corp.test": { roots: { dfs: { targets, files: ["readme"] } }, shares: { dfs: ["readme"] } },
      "corp.test": { shares: { dfs: ["readme"] } },
      ns: { shares: { dfs: ["readme"] } }
    })
    const result = run(samba(["\\CORP.TEST\\dfs", "\\ns\\dfs"]), "\\\\corp.test\\dfs\\readme", given)
    // Kerberos has no service with the domain's name; the name on the wire stays the requested one.
    assert.deepStrictEqual(result.log, [
      "ask dc1.corp.test \\corp.test\\dfs",
      "ask dc2.corp.test \\corp.test\\dfs",
      "try root \\\\dc2.corp.test\\dfs\\readme as corp.test\\dfs"
    ])
    const entry = [...result.cache.entries.values()][0]!
    assert.deepStrictEqual(
      entry.targets.map(({ path, setBoundary }) => [path.join(), setBoundary]),
      [["dc2.corp.test,dfs", true], ["dc1.corp.test,dfs", false], ["ns,dfs", false]]
    )
    // All controllers have it: when this one dies, another is used.
    const killed = run(
      { "dc1.corp.test": { shares: { dfs: ["readme"] } }, "dc2.corp.test": { down: true } },
      "\\\\corp.test\\dfs\\readme",
      { knowledge: result.knowledge, now: 60_000 }
    )
    assert.strictEqual(target(killed), "\\\\dc1.corp.test\\dfs\\readme")
    // An ordinary host that names itself stays itself, and a namespace on another server stays there.
    const host = run({ "corp.test": { roots: { dfs: { files: ["readme"] } } } }, "\\\\corp.test\\dfs\\readme")
    assert.strictEqual(target(host), "\\\\corp.test\\dfs\\readme")
    assert.strictEqual(target(run(samba(["\\ns\\dfs"]), "\\\\corp.test\\dfs\\readme", given)), "\\\\ns\\dfs\\readme")
  })
  it("is the domain of its servers and targets, for their credentials", () => {
    const result = run(corp, "\\\\corp.test\\dfs\\one\\file", given)
    const short = result.end._tag === "Done" ? result.end.target.domain : undefined
    // The link is in the domain's namespace, and the target has a short name.
    assert.strictEqual(short, "corp.test")
    const { domains: cache } = result.knowledge
    assert.strictEqual(DomainCache.domainOf(cache, "ns.corp.test", 0), "corp.test")
    assert.isUndefined(DomainCache.domainOf(cache, "ns.notcorp.test", 0))
  })
})

describe("a domain that DNS finds", () => {
  const found = { "corp.test": ["dc2.corp.test"] }
  it("is searched for once, and its controller becomes BootstrapDC", () => {
    const result = run(corp, "\\\\corp.test\\dfs\\readme", { discover: true, found })
    assert.deepStrictEqual(result.log.slice(0, 2), ["find corp.test", "ask dc2.corp.test \\corp.test\\dfs"])
    const netbios = run(corp, "\\\\CORP\\dfs\\readme", { discover: true, found, knowledge: result.knowledge })
    assert.deepStrictEqual(netbios.log.slice(0, 2), ["ask dc2.corp.test ", "ask dc2.corp.test \\CORP"])
  })
  it("has its new controllers as BootstrapDC, but given controllers stay", () => {
    const options = { discover: true }
    const first = run(corp, "\\\\corp.test\\dfs\\readme", { ...options, found: { "corp.test": ["dc1.corp.test"] } })
    assert.deepStrictEqual(first.knowledge.domains.bootstrap, ["dc1.corp.test"])
    const later: Servers = { ...corp, "dc1.corp.test": { down: true } }
    const second = run(later, "\\\\corp.test\\dfs\\readme", {
      ...options,
      found,
      knowledge: first.knowledge,
      now: 700_000
    })
    assert.strictEqual(target(second), "\\\\ns.corp.test\\dfs\\readme")
    // A path with the short name does not wait for the old controller.
    const third = run(later, "\\\\CORP\\dfs\\readme", { ...options, found, knowledge: second.knowledge, now: 800_000 })
    assert.deepStrictEqual(third.log.slice(0, 2), ["ask dc2.corp.test ", "ask dc2.corp.test \\CORP"])
    // Given controllers stay.
    const kept = DomainCache.make({ controllers: { "corp.test": ["given"] } })
    assert.deepStrictEqual(DomainCache.setControllers(kept, "corp.test", ["other"], 1000, 0).bootstrap, ["given"])
  })
  it("is a host for 29 s when DNS has no controllers, and addresses are never searched for", () => {
    const options = { discover: true }
    const first = run(corp, "\\\\fs\\data\\file", options)
    assert.deepStrictEqual(first.log, ["find fs", "ask fs \\fs\\data", "try plain \\\\fs\\data\\file"])
    const second = run(corp, "\\\\fs\\other", { ...options, knowledge: first.knowledge, now: 29_000 })
    assert.deepStrictEqual(second.log[0], "ask fs \\fs\\other")
    for (const address of ["192.0.2.1", "2001:db8::1", "2001-db8--1.ipv6-literal.net"]) {
      assert.isFalse(run({}, `\\\\${address}\\x\\y`, options).log.some((line) => line.startsWith("find")))
    }
  })
  it("is searched for when the known controllers do not name its controllers", () => {
    const bootstrap = known({ "other.test": ["dc9"] })
    const servers: Servers = { ...corp, dc9: { domains: { "corp.test": [] } } }
    const result = run(servers, "\\\\corp.test\\dfs\\readme", { ...bootstrap, discover: true, found })
    assert.deepStrictEqual(result.log.slice(0, 4), [
      "ask dc9 ",
      "ask dc9 \\corp.test",
      "find corp.test",
      "ask dc2.corp.test \\corp.test\\dfs"
    ])
    const none = failure(run(servers, "\\\\corp.test\\dfs\\readme", bootstrap))
    assert.strictEqual(none._tag, "Malformed")
    assert.strictEqual(none.step, 13)
    assert.strictEqual(none.server, "dc9")
    assert.strictEqual(none.path, "\\\\corp.test\\dfs\\readme")
  })
})

describe("a name list in recorded bytes of Windows and of another client's tests", () => {
  const decoded = (name: string) => Result.getOrThrow(decodeReferralResponse(vectors[name]!))
  it("is read as a domain referral with its names", () => {
    const list = Result.getOrThrow(DomainCache.namesFromResponse(decoded("response-domain-namelist"), "dc"))
    assert.deepStrictEqual(list.names, ["TEST", "TEST.local"])
  })
  it("is read as a DC referral with its controllers", () => {
    const list = Result.getOrThrow(DomainCache.controllersFromResponse(decoded("response-dc-namelist"), "dc"))
    assert.deepStrictEqual(list.names, ["DC01.domain.test", "DC01.domain.test2"])
  })
  it("leads to the controller that it names", () => {
    const servers: Servers = {
      first: {
        answers: { "": vectors["response-domain-namelist"]!, "\\TEST": vectors["response-dc-namelist"]! }
      },
      "DC01.domain.test": { roots: { files: { targets: ["\\ns\\files"] } } },
      ns: { roots: { files: { files: ["x"] } } }
    }
    assert.deepStrictEqual(run(servers, "\\\\TEST\\files\\x", known({ boot: ["first"] })).log, [
      "ask first ",
      "ask first \\TEST",
      "ask DC01.domain.test \\TEST\\files",
      "try root \\\\ns\\files\\x as TEST\\files"
    ])
  })
  it("is Malformed in place of a root referral, and a root referral in place of a list too", () => {
    for (const name of ["response-dc-namelist", "response-domain-namelist"]) {
      const answers = { "\\corp.test\\dfs": vectors[name]! }
      const error = failure(run({ "dc1.corp.test": { answers } }, "\\\\corp.test\\dfs\\x", given))
      assert.strictEqual(error._tag, "Malformed")
      assert.deepStrictEqual([error.step, error.server, error.path], [6, "dc1.corp.test", "\\\\corp.test\\dfs\\x"])
    }
    const root = decoded("response-v4-root")
    assert.isTrue(Result.isFailure(DomainCache.controllersFromResponse(root, "dc")))
    assert.isTrue(Result.isFailure(DomainCache.namesFromResponse(root, "dc")))
    const empty = makeReferralResponse({ pathConsumed: 0, referralEntries: [] })
    assert.isTrue(Result.isFailure(DomainCache.controllersFromResponse(empty, "dc")))
  })
})

describe("the cache of domains", () => {
  it("drops the oldest hosts at its capacity, keeps given domains, and expires hosts", () => {
    let cache = DomainCache.make({ capacity: 3, controllers: { given: ["dc"] } })
    for (const name of ["a", "b", "c", "d"]) cache = DomainCache.setHost(cache, name, 1000, 0)
    assert.deepStrictEqual([...cache.entries.keys()], ["GIVEN", "C", "D"])
    assert.strictEqual(DomainCache.get(cache, "c", 999)!.kind, "host")
    assert.isUndefined(DomainCache.get(cache, "c", 1000))
    assert.deepStrictEqual(DomainCache.setControllers(cache, "Given", ["x"], 9, 0).entries, cache.entries)
  })
})

describe("the finder of domain controllers by SRV records", () => {
  const srv = (target: string, priority: number, weight: number) =>
    Dns.makeRecordUnsafe("SRV", { target: target as never, port: 389, priority, weight })
  const zone = {
    records: {
      "_ldap._tcp.berlin._sites.dc._msdcs.corp.test": [srv("dc3.corp.test", 0, 100)],
      "_ldap._tcp.dc._msdcs.corp.test": [
        srv("dc9.corp.test", 10, 100),
        srv("dc1.corp.test", 0, 10),
        srv("dc2.corp.test", 0, 90),
        srv("dc3.corp.test", 0, 50)
      ]
    }
  }
  it.effect("gives the site's controllers first, then others by priority and weight", () =>
    Effect.gen(function*() {
      const finder = yield* DomainControllers.DomainControllers
      assert.deepStrictEqual(yield* finder.find("corp.test", "berlin"), [
        "dc3.corp.test",
        "dc2.corp.test",
        "dc1.corp.test",
        "dc9.corp.test"
      ])
      assert.strictEqual((yield* finder.find("corp.test", undefined))[0], "dc2.corp.test")
      assert.deepStrictEqual(yield* finder.find("none.test", "berlin"), [])
      assert.deepStrictEqual(yield* finder.find("CORP", undefined), [])
      assert.deepStrictEqual(yield* finder.find("not a name..", undefined), [])
    }).pipe(Effect.provide(DomainControllers.layerDns()), Effect.provide(Dns.layerStatic(zone))))
})

it("DfsTrace.explain puts the notes of a resolution by a NetBIOS name into words", () => {
  const { notes } = run(corp, "\\\\CORP\\dfs\\one\\file", given)
  assert.deepStrictEqual(notes.map((note) => `${note.step}. ${DfsTrace.explain(note)}`), [
    "2. \\\\CORP\\dfs\\one\\file: nothing is known",
    "5. ask dc1.corp.test which domains there are",
    "5. answer: CORP, corp.test (600 s)",
    "5. ask dc1.corp.test which controllers CORP has",
    "5. CORP: dc1.corp.test, dc2.corp.test (600 s)",
    "6. ask dc1.corp.test for the root \\CORP\\dfs",
    "6. \\\\CORP\\dfs: \\\\ns.corp.test\\dfs (600 s)",
    "8. try \\\\ns.corp.test\\dfs\\one\\file, target of the root",
    "8. \\\\ns.corp.test\\dfs\\one\\file crosses a link",
    "8. ask ns.corp.test which link lies on the way to \\ns.corp.test\\dfs\\one\\file",
    "8. \\\\CORP\\dfs\\one: \\\\fs\\data (600 s)",
    "8. try \\\\fs\\data\\file, target of the link",
    "8. it is at \\\\fs\\data\\file"
  ])
})
