/**
 * The steps of a resolution as a user reads them in a trace: each with its number in MS-DFSC 3.1.4.1, from the first
 * look into the cache to the end. The algorithm runs against servers as data.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger, References } from "effect"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as DfsResolver from "../../src/Dfs/DfsResolver.ts"
import * as DfsTrace from "../../src/Dfs/DfsTrace.ts"
import * as DomainCache from "../../src/Dfs/DomainCache.ts"
import * as Namespace from "../../src/Dfs/Namespace.ts"
import * as ReferralCache from "../../src/Dfs/ReferralCache.ts"
import { decodeReferralRequest } from "../../src/Dfs/ReferralRequest.ts"
import { encodeReferralResponse, makeReferralResponse } from "../../src/Dfs/ReferralResponse.ts"
import { ReferralSource } from "../../src/Dfs/ReferralSource.ts"
import * as TargetHealth from "../../src/Dfs/TargetHealth.ts"
import { fromStatus, type SmbError } from "../../src/Protocol/Errors.ts"
import { noDiscovery } from "./discovery.ts"
import { bare, ignorance, run, type Servers } from "./namespace.ts"

const steps = ({ notes }: ReturnType<typeof run>): ReadonlyArray<string> =>
  notes.map((note) => `${note.step}. ${DfsTrace.explain(note)}`)
const failure = (result: ReturnType<typeof run>): any => {
  assert.strictEqual(result.end._tag, "Fail")
  return bare((result.end as { readonly error: unknown }).error)
}

const servers: Servers = {
  ns: {
    roots: {
      dfs: {
        files: ["readme"],
        links: {
          one: ["\\fs\\data"],
          two: ["\\down1\\data", "\\fs\\data"],
          gone: ["\\down1\\data", "\\down2\\data"],
          far: ["\\other\\dfs\\deep"],
          loop: ["\\ns\\dfs\\loop"]
        }
      }
    },
    shares: { plain: ["f"] }
  },
  other: { roots: { dfs: { links: { deep: ["\\fs\\data"] } } } },
  fs: { shares: { data: ["f"] } }
}

describe("the steps of a resolution", () => {
  it("outside of all namespaces: 1 and 12, with a look into the cache where a share could be a root", () => {
    assert.deepStrictEqual(steps(run(servers, "\\\\ns", { said: { ns: { _tag: "Succeeded" } } })), [
      "12. \\\\ns is not in a namespace: there is no share that could be one",
      "12. use \\\\ns as it is",
      "12. it is at \\\\ns"
    ])
    const first = run(servers, "\\\\ns\\plain\\f")
    const reason = /no referral \((.*)\)/.exec(steps(first)[2]!)![1]!
    assert.deepStrictEqual(steps(first), [
      "2. \\\\ns\\plain\\f: nothing is known",
      "6. ask ns for the root \\ns\\plain",
      `6. ns: no referral (${reason})`,
      `12. \\\\ns\\plain\\f is not in a namespace: ${reason}`,
      "12. use \\\\ns\\plain\\f as it is",
      "12. it is at \\\\ns\\plain\\f"
    ])
    const { knowledge } = first
    assert.deepStrictEqual(steps(run(servers, "\\\\ns\\plain\\f", { knowledge, now: 1000 })), [
      "2. \\\\ns\\plain is known to be in no namespace, for 29 s yet",
      `12. \\\\ns\\plain\\f is not in a namespace: ${reason}`,
      "12. use \\\\ns\\plain\\f as it is",
      "12. it is at \\\\ns\\plain\\f"
    ])
  })

  it("to a link: 2, 6 and 8; from the cache only 2 and 8; after its expiry 9", () => {
    const first = run(servers, "\\\\ns\\dfs\\one\\f")
    assert.deepStrictEqual(steps(first), [
      "2. \\\\ns\\dfs\\one\\f: nothing is known",
      "6. ask ns for the root \\ns\\dfs",
      "6. \\\\ns\\dfs: \\\\ns\\dfs (600 s)",
      "8. try \\\\ns\\dfs\\one\\f, target of the root",
      "8. \\\\ns\\dfs\\one\\f crosses a link",
      "8. ask ns which link lies on the way to \\ns\\dfs\\one\\f",
      "8. \\\\ns\\dfs\\one: \\\\fs\\data (600 s)",
      "8. try \\\\fs\\data\\f, target of the link",
      "8. it is at \\\\fs\\data\\f"
    ])
    assert.deepStrictEqual(steps(run(servers, "\\\\ns\\dfs\\one\\f", { knowledge: first.knowledge, now: 100_000 })), [
      "2. \\\\ns\\dfs\\one\\f: the link \\\\ns\\dfs\\one is known, for 500 s yet",
      "8. try \\\\fs\\data\\f, target of the link",
      "8. it is at \\\\fs\\data\\f"
    ])
    // The root was learned later, so it is still known when the link has expired.
    const { knowledge } = first
    const root = ReferralCache.get(knowledge.cache, ["ns", "dfs"])!
    const later = ReferralCache.insert(knowledge.cache, { ...root, expiresAt: 900_000, refreshAt: 900_000 }, 0)
    const again = run(servers, "\\\\ns\\dfs\\one\\f", { knowledge: { ...knowledge, cache: later }, now: 600_000 })
    assert.deepStrictEqual(steps(again), [
      "2. \\\\ns\\dfs\\one\\f: what was known of \\\\ns\\dfs\\one has expired",
      "9. ask ns which link lies on the way to \\ns\\dfs\\one\\f",
      "9. \\\\ns\\dfs\\one: \\\\fs\\data (600 s)",
      "8. try \\\\fs\\data\\f, target of the link",
      "8. it is at \\\\fs\\data\\f"
    ])
  })

  it("to a target that is dead and to the next one: 8, and the failover", () => {
    const first = run(servers, "\\\\ns\\dfs\\two\\f")
    assert.deepStrictEqual(steps(first).slice(6), [
      "8. \\\\ns\\dfs\\two: \\\\down1\\data, \\\\fs\\data (600 s)",
      "8. try \\\\down1\\data\\f, target of the link",
      "8. \\\\down1\\data\\f cannot be used: is down",
      "8. try \\\\fs\\data\\f, target of the link",
      "8. \\\\ns\\dfs\\two is served by \\\\fs\\data from now on, no longer by \\\\down1\\data",
      "8. it is at \\\\fs\\data\\f"
    ])
    const second = run(servers, "\\\\ns\\dfs\\gone\\f", { knowledge: first.knowledge })
    assert.deepStrictEqual(steps(second).slice(4), [
      "8. \\\\ns\\dfs\\gone: \\\\down1\\data, \\\\down2\\data (600 s)",
      "8. leave for last what has failed lately: \\\\down1\\data",
      "8. try \\\\down2\\data\\f, target of the link",
      "8. \\\\down2\\data\\f cannot be used: is down",
      "8. try \\\\down1\\data\\f, target of the link",
      "8. \\\\down1\\data\\f cannot be used: is down",
      `14. it ends here: ${failure(second).message}`
    ])
    // The error is that of the last target.
    assert.deepInclude(failure(second), { _tag: "NoTargetLeft", server: "down1", step: 14, cause: "down1 is down" })
    assert.deepStrictEqual(failure(second).targets, [
      { target: "\\\\down2\\data\\f", reason: "is down" },
      { target: "\\\\down1\\data\\f", reason: "is down" }
    ])
  })

  it("in a race of connections: 8, with each loser", () => {
    const result = run(servers, "\\\\ns\\dfs\\two\\f", { connect: "race" })
    assert.deepStrictEqual(steps(result).slice(7), [
      "8. connect to whichever answers first: \\\\down1\\data\\f, \\\\fs\\data\\f",
      "8. \\\\down1\\data\\f cannot be used: is down",
      "8. try \\\\fs\\data\\f, target of the link",
      "8. \\\\ns\\dfs\\two is served by \\\\fs\\data from now on, no longer by \\\\down1\\data",
      "8. it is at \\\\fs\\data\\f"
    ])
  })

  it("into another namespace: 11, and from there 2 again", () => {
    assert.deepStrictEqual(steps(run(servers, "\\\\ns\\dfs\\far\\f")).slice(6), [
      "8. \\\\ns\\dfs\\far: \\\\other\\dfs\\deep (600 s)",
      "8. try \\\\other\\dfs\\deep\\f, target of the link",
      "8. \\\\other\\dfs\\deep\\f crosses a link",
      "11. the link leads into another namespace: \\\\ns\\dfs\\far\\f goes on as \\\\other\\dfs\\deep\\f",
      "2. \\\\other\\dfs\\deep\\f: nothing is known",
      "6. ask other for the root \\other\\dfs",
      "6. \\\\other\\dfs: \\\\other\\dfs (600 s)",
      "8. try \\\\other\\dfs\\deep\\f, target of the root",
      "8. \\\\other\\dfs\\deep\\f crosses a link",
      "8. ask other which link lies on the way to \\other\\dfs\\deep\\f",
      "8. \\\\other\\dfs\\deep: \\\\fs\\data (600 s)",
      "8. try \\\\fs\\data\\f, target of the link",
      "8. it is at \\\\fs\\data\\f"
    ])
  })

  it("to a link that leads to itself: 11 ends it, with the paths on the way", () => {
    const result = run(servers, "\\\\ns\\dfs\\loop\\f")
    assert.strictEqual(steps(result).at(-1), `11. it ends here: ${failure(result).message}`)
    assert.deepInclude(failure(result), { _tag: "DfsLoop", path: "\\\\ns\\dfs\\loop\\f", server: "ns", step: 11 })
    assert.deepStrictEqual(failure(result).visited, ["\\\\ns\\dfs\\loop\\f", "\\\\ns\\dfs\\loop\\f"])
  })

  it("by referrals alone: the target of a link is asked once whether it leads on, which is no step outside of DFS", () => {
    const lines = steps(run(servers, "\\\\ns\\dfs\\one\\f", { probing: true }))
    assert.deepStrictEqual(lines.filter((line) => line.startsWith("12.")), [
      "12. use \\\\fs\\data\\f as it is",
      "12. it is at \\\\fs\\data\\f"
    ])
    assert.include(lines, "6. ask fs for the root \\fs\\data")
  })

  it("behind an interlink in an ordinary share: only a failure of the connection makes its server a dead one", () => {
    const interlink: Servers = { ...servers, ns: { roots: { dfs: { flags: 1, links: { inter: ["\\fs\\data"] } } } } }
    const table = [["Failed", false], ["NotFound", false], ["Lost", true], ["ServerFailed", true]] as const
    for (const [_tag, isDead] of table) {
      const result = run(interlink, "\\\\ns\\dfs\\inter\\f", { said: { fs: { _tag, error: "no", reason: "no" } } })
      assert.include(steps(result), "12. use \\\\fs\\data\\f as it is")
      assert.strictEqual(TargetHealth.isOpen(result.knowledge.health, ["fs", "data"], 0), isDead, _tag)
    }
  })

  it("to a target that gives the result: 8 ends it, whether the work failed or its response was lost", () => {
    for (const name of ["one\\f", "readme"]) {
      for (const _tag of ["Failed", "Lost"] as const) {
        const said = { _tag, error: "no", reason: "no" }
        const result = run(servers, `\\\\ns\\dfs\\${name}`, { said: name === "readme" ? { ns: said } : { fs: said } })
        assert.strictEqual(steps(result).at(-1), "8. it ends here: no", `${name} ${_tag}`)
      }
    }
    assert.strictEqual(steps(run(servers, "\\\\ns\\dfs\\one\\none")).at(-1), "8. it ends here: not found")
    assert.strictEqual(steps(run(servers, "\\\\ns\\dfs\\one\\f")).at(-1), "8. it is at \\\\fs\\data\\f")
  })

  it("to its end: the last step is that of MS-DFSC 3.1.4.1 in the trace and in the error", () => {
    const said = (_tag: "Failed" | "Lost" | "NotFound" | "PathNotCovered") => ({
      said: { ns: { _tag, error: "no", reason: "no" } }
    })
    const few = (steps: number) => ({ limits: { hops: 8, steps } })
    const table: ReadonlyArray<readonly [string, string, Parameters<typeof run>[2], string]> = [
      // Step 12: the path is in no namespace. The server's own error is the result.
      ["an ordinary share that fails", "\\\\ns\\plain\\f", said("Failed"), "12. it ends here: no"],
      ["an ordinary share whose response is lost", "\\\\ns\\plain\\f", said("Lost"), "12. it ends here: no"],
      ["an ordinary share without the name", "\\\\ns\\plain\\f", said("NotFound"), "12. it ends here: no"],
      // Step 14: the path is in a namespace, and nothing is left to try.
      ["a root that crosses an unknown link", "\\\\ns\\dfs", said("PathNotCovered"), "14. it ends here: no"],
      ["too many steps without a failure", "\\\\ns\\dfs\\far\\f", few(4), "14. it ends here: DfsLoop"],
      ["too many steps after failures", "\\\\ns\\dfs\\gone\\f", few(5), "14. it ends here: NoTargetLeft"],
      ["no target left", "\\\\ns\\dfs\\gone\\f", {}, "14. it ends here: NoTargetLeft"]
    ]
    for (const [title, path, options, expected] of table) {
      const result = run(servers, path, options)
      const error = failure(result)
      const end = steps(result).at(-1)!
      if (error._tag === undefined) assert.strictEqual(end, expected, title)
      else {
        assert.strictEqual(`${/^\d+/.exec(end)![0]}. it ends here: ${error._tag}`, expected, title)
        assert.strictEqual(error.step, 14, title)
      }
    }
  })

  it("to a missing name below a root: 8 asks once, and the end has the server's own error", () => {
    const result = run(servers, "\\\\ns\\dfs\\none\\x")
    assert.deepStrictEqual(steps(result).slice(3), [
      "8. try \\\\ns\\dfs\\none\\x, target of the root",
      "8. ask ns which link lies on the way to \\ns\\dfs\\none\\x",
      "14. it ends here: not found"
    ])
  })

  it("to a server that cannot be reached: 6 ends it with its own error", () => {
    assert.deepStrictEqual(steps(run(servers, "\\\\down\\dfs\\x")), [
      "2. \\\\down\\dfs\\x: nothing is known",
      "6. ask down for the root \\down\\dfs",
      "6. \\\\down cannot be used: is down",
      "6. it ends here: down is down"
    ])
  })

  it("to a domain that DNS finds, and to its SYSVOL: 5 and 10", () => {
    const corp: Servers = {
      "dc1.corp.test": { down: true },
      "dc2.corp.test": {
        domains: { "corp.test": ["dc2.corp.test"] },
        roots: { SYSVOL: { targets: ["\\dc2.corp.test\\SYSVOL"], flags: 2 } },
        shares: { SYSVOL: ["f"] }
      }
    }
    const found = { "corp.test": ["dc1.corp.test", "dc2.corp.test"] }
    assert.deepStrictEqual(steps(run(corp, "\\\\corp.test\\SYSVOL\\f", { discover: true, found })), [
      "2. \\\\corp.test\\SYSVOL\\f: nothing is known",
      "5. look for controllers of a domain corp.test",
      "5. the controllers of corp.test are dc1.corp.test, dc2.corp.test",
      "10. ask dc1.corp.test for \\corp.test\\SYSVOL",
      "10. \\\\dc1.corp.test cannot be used: is down",
      "10. ask dc2.corp.test for \\corp.test\\SYSVOL",
      "10. \\\\corp.test\\SYSVOL: \\\\dc2.corp.test\\SYSVOL (600 s)",
      "8. try \\\\dc2.corp.test\\SYSVOL\\f, target of the link",
      "8. it is at \\\\dc2.corp.test\\SYSVOL\\f"
    ])
    const none = run({}, "\\\\corp.test\\SYSVOL\\f", { discover: true, found })
    assert.deepStrictEqual(steps(none).slice(3), [
      "10. ask dc1.corp.test for \\corp.test\\SYSVOL",
      "10. \\\\dc1.corp.test cannot be used: is down",
      "10. ask dc2.corp.test for \\corp.test\\SYSVOL",
      "10. \\\\dc2.corp.test cannot be used: is down",
      `13. it ends here: ${failure(none).message}`
    ])
    assert.deepInclude(failure(none), {
      _tag: "NoDomainController",
      domain: "corp.test",
      path: "\\\\corp.test\\SYSVOL\\f",
      step: 13,
      cause: "dc2.corp.test is down"
    })
  })

  it("to a given domain whose first controller is down: 5 asks the next one which domains there are", () => {
    const controllers = { "corp.test": ["dc1.corp.test", "dc2.corp.test"] }
    const knowledge = { ...ignorance, domains: DomainCache.make({ controllers }) }
    const domains = { CORP: ["dc2.corp.test"] }
    const result = run({ "dc2.corp.test": { domains, roots: { dfs: { files: ["f"] } } } }, "\\\\CORP\\dfs\\f", {
      knowledge
    })
    assert.deepStrictEqual(steps(result).slice(0, 6), [
      "2. \\\\CORP\\dfs\\f: nothing is known",
      "5. ask dc1.corp.test which domains there are",
      "5. \\\\dc1.corp.test cannot be used: is down",
      "5. ask dc2.corp.test which domains there are",
      "5. answer: CORP (600 s)",
      "5. ask dc2.corp.test which controllers CORP has"
    ])
  })
})

/** A resolver whose referrals come from described namespaces, by server. */
const resolverOf = (hosts: Readonly<Record<string, Namespace.Namespace>>) =>
  Effect.provideService(
    DfsResolver.make(),
    ReferralSource,
    ReferralSource.of({
      ioctl: (server, { input, maxOutput }) => {
        const request = decodeReferralRequest(input)
        const answer = request._tag === "Success" && hosts[server] !== undefined
          ? Namespace.answer(hosts[server], request.success, { maximumOutput: maxOutput })
          : { _tag: "Status" as const, status: NtStatus.STATUS_FS_DRIVER_REQUIRED }
        return answer._tag === "Response"
          ? Effect.succeed(answer.bytes)
          : Effect.fail(fromStatus(answer.status, "IOCTL"))
      }
    })
  )

it.effect("DfsResolver.resolve through two namespaces gives the targets of the last link, and each time the same", () =>
  Effect.gen(function*() {
    const hosts: Readonly<Record<string, Namespace.Namespace>> = {
      ns: { roots: { dfs: { links: { far: ["\\\\other\\dfs\\deep"] } } } },
      other: { roots: { dfs: { links: { deep: ["\\\\fs1\\data", "\\\\fs2\\data\\sub"] } } } }
    }
    const resolver = yield* resolverOf(hosts)
    const path = "\\\\ns\\dfs\\far\\f"
    for (let round = 0; round < 2; round++) {
      const { targets, ...rest } = yield* resolver.resolve(path)
      assert.deepStrictEqual(rest, { path, resolvedPath: "\\\\fs1\\data\\f", status: "link" })
      assert.deepStrictEqual(targets.map(({ path, server, share }) => [server, share, path]), [
        ["fs1", "data", "f"],
        ["fs2", "data", "sub\\f"]
      ])
    }
  }).pipe(Effect.provide(noDiscovery), Effect.scoped))

it.effect("DfsResolver.resolve gives the target of a link that leads to another server of its own root", () =>
  Effect.gen(function*() {
    const hosts: Readonly<Record<string, Namespace.Namespace>> = {
      ns: { roots: { dfs: { targets: ["\\\\r1\\dfs", "\\\\r2\\dfs"], links: {} } } },
      r1: { roots: { dfs: { links: { one: ["\\\\r2\\dfs\\one"] } } } }
    }
    const resolver = yield* resolverOf(hosts)
    const { resolvedPath, status, targets } = yield* resolver.resolve("\\\\ns\\dfs\\one\\f")
    // The target has the path that the root's second target would have, and is still that of a link.
    assert.deepStrictEqual([resolvedPath, status], ["\\\\r2\\dfs\\one\\f", "link"])
    assert.deepStrictEqual(targets.map(({ server }) => server), ["r2"])
  }).pipe(Effect.provide(noDiscovery), Effect.scoped))

describe("a resolution by the cache alone", () => {
  it.effect("logs each step of its trace but the look into the cache, once and in order, and nothing below Debug", () =>
    Effect.gen(function*() {
      const path = "\\\\s\\dfs\\f"
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const source = ReferralSource.of({
        ioctl: () => {
          const { success } = encodeReferralResponse(makeReferralResponse({
            pathConsumed: 12,
            referralHeaderFlags: 3,
            referralEntries: [{
              versionNumber: 3,
              serverType: 1,
              referralEntryFlags: 0,
              timeToLive: 600,
              networkAddress: "\\s\\dfs"
            }]
          })) as { readonly success: Uint8Array }
          return Effect.succeed(success)
        }
      })
      const resolver = yield* Effect.provideService(DfsResolver.make(), ReferralSource, source)
      const logged = resolver.resolve(path).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Debug")
      )
      yield* logged
      lines.length = 0
      // The same steps without the log.
      const { notes } = yield* resolver.trace(path)
      assert.deepStrictEqual((yield* logged).status, "root")
      const wanted = notes.filter(({ _tag }) => _tag !== "CacheHit").map(DfsTrace.explain)
      assert.strictEqual(wanted.at(-1), "it is at \\\\s\\dfs\\f")
      assert.deepStrictEqual(lines, wanted)
      lines.length = 0
      yield* resolver.resolve(path).pipe(Effect.provide(Logger.layer([logger])))
      assert.deepStrictEqual(lines, [])
    }).pipe(Effect.provide(noDiscovery), Effect.scoped))
})

describe("a request for a referral", () => {
  const root = (path: string, serverType: number, to: string) =>
    encodeReferralResponse(makeReferralResponse({
      pathConsumed: path.length * 2,
      referralHeaderFlags: serverType === 1 ? 3 : 2,
      referralEntries: [{ versionNumber: 3, serverType, referralEntryFlags: 0, timeToLive: 600, networkAddress: to }]
    }))
  /** The time limits of the requests for a path, by what they ask for. */
  const limits = (path: string, options: DfsResolver.DfsResolverOptions) => {
    const asked: Array<readonly [server: string, limit: unknown]> = []
    const source = ReferralSource.of({
      ioctl: (server, { limit }) =>
        Effect.suspend(() => {
          asked.push([server, limit])
          const bytes = asked.length === 1
            ? root("\\corp\\dfs", 1, "\\corp\\dfs")
            : root(`\\${server}\\dfs\\l`, 0, "\\fs\\x")
          return bytes._tag === "Success" ? Effect.succeed(bytes.success) : Effect.die(bytes.failure)
        })
    })
    return DfsResolver.make(options).pipe(
      Effect.flatMap((resolver) =>
        resolver.use(
          path,
          ({ server }): Effect.Effect<string, SmbError> =>
            server === "fs"
              ? Effect.succeed(server)
              : Effect.fail(fromStatus(NtStatus.STATUS_PATH_NOT_COVERED, "CREATE")),
          () => "PathNotCovered"
        )
      ),
      Effect.as(asked),
      Effect.provideService(ReferralSource, source),
      Effect.provide(noDiscovery),
      Effect.scoped
    )
  }

  it.effect("has `askTimeout` for the root of a server in fallback mode, and no other limit", () =>
    Effect.gen(function*() {
      const path = "\\\\corp\\dfs\\l\\f"
      const askTimeout = "3 seconds"
      // In fallback mode the host may have no DFS: a server that does not respond costs little. A link's root has DFS.
      assert.deepStrictEqual(yield* limits(path, { mode: "fallback", askTimeout }), [
        ["corp", askTimeout],
        ["corp", undefined]
      ])
      assert.deepStrictEqual(yield* limits(path, { mode: "strict", askTimeout }), [
        ["corp", undefined],
        ["corp", undefined]
      ])
      // A domain has DFS.
      const domainControllers = { corp: ["dc.corp"] }
      assert.deepStrictEqual(yield* limits(path, { mode: "fallback", askTimeout, domainControllers }), [
        ["dc.corp", undefined],
        ["dc.corp", undefined]
      ])
    }))
})
