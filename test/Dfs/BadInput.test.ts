/**
 * Bad referrals on the wire (MS-DFSC 2.2), as the user of a client with DFS sees them, over servers in memory that
 * send them as bytes. Each read ends with an error that names path, server and step of MS-DFSC 3.1.4.1, or succeeds
 * where that is right.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import type * as NtStatus from "../../src/Codec/NtStatus.ts"
import * as DfsAdapter from "../../src/Dfs/DfsAdapter.ts"
import * as DfsResolver from "../../src/Dfs/DfsResolver.ts"
import { encodeReferralResponse, makeReferralResponse } from "../../src/Dfs/ReferralResponse.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import * as TestTransport from "../../src/Testing/TestTransport.ts"
import { bare } from "./namespace.ts"
import { vectors } from "./vectors.ts"

const path = "\\\\ns\\dfs\\l\\who.txt"
const rootKey = "\\\\ns\\dfs"
const linkKey = "\\\\ns\\dfs\\l"

type Table = NonNullable<TestTransport.ServerOptions["referrals"]>

const data = (text: string): TestTransport.ServerOptions => ({ shares: { data: { "who.txt": text } } })
const good: Table = { [rootKey]: { targets: [rootKey] }, [linkKey]: { targets: ["\\\\a\\data"] } }
const ns = (table: Table): TestTransport.ServerOptions => ({
  shares: { dfs: { "root.txt": "root" } },
  referrals: { ...good, ...table }
})

/** Reads the file with these hosts: the result, and the referral requests. */
const reading = (hosts: TestTransport.Hosts, options: DfsAdapter.DfsAdapterOptions = {}, what = path, times = 1) => {
  const transport = TestTransport.layer({ a: data("a"), b: data("b"), ...hosts })
  const joe = Credentials.layer(Credentials.password("user", Redacted.make("password")))
  return Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const { requests } = yield* TestTransport.TestServers
    let result: Result.Result<string, any> = Result.fail("nothing")
    for (let i = 0; i < times; i++) result = yield* Effect.result(smb.readFileString(what))
    const codes = (yield* requests).flatMap(({ request, server }) =>
      request._tag === "IOCTL" &&
        (request.body.ctlCode === Fsctl.FSCTL_DFS_GET_REFERRALS ||
          request.body.ctlCode === Fsctl.FSCTL_DFS_GET_REFERRALS_EX)
        ? [{ server, ex: request.body.ctlCode === Fsctl.FSCTL_DFS_GET_REFERRALS_EX }]
        : []
    )
    return { result, codes, resolver: yield* DfsResolver.DfsResolver }
  }).pipe(Effect.provide(Layer.mergeAll(
    DfsAdapter.layerWithoutDiscovery(options).pipe(Layer.provide(SmbClient.layer()), Layer.provide([transport, joe])),
    transport
  )))
}

const failing = (...args: Parameters<typeof reading>): Effect.Effect<any> =>
  Effect.map(reading(...args), ({ result }) => {
    assert(Result.isFailure(result), `it should fail, and gives ${JSON.stringify(result)}`)
    return bare(result.failure)
  })

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

interface Shape {
  readonly consumed?: number
  readonly targets?: ReadonlyArray<string>
  readonly ttl?: number
}

/** A referral of version 3 for the link, with one unusual field. */
const link = ({ consumed, targets = ["\\a\\data"], ttl = 300 }: Shape): Uint8Array =>
  Result.getOrThrow(encodeReferralResponse(makeReferralResponse({
    pathConsumed: consumed ?? "\\ns\\dfs\\l".length * 2,
    referralHeaderFlags: 2,
    referralEntries: targets.map((networkAddress) => ({
      versionNumber: 3 as const,
      serverType: 0,
      referralEntryFlags: 0,
      timeToLive: ttl,
      dfsPath: "\\ns\\dfs\\l",
      dfsAlternatePath: "\\ns\\dfs\\l",
      networkAddress
    }))
  })))

const changed = (bytes: Uint8Array, at: number, ...values: ReadonlyArray<number>): Uint8Array => {
  const copy = bytes.slice()
  copy.set(values, at)
  return copy
}

/** The root's referral (step 6), and the link's (step 8). */
const places = [["root", rootKey, 6], ["link", linkKey, 8]] as const

for (const [place, key, step] of places) {
  describe(`a bad ${place} referral`, () => {
    it.effect.each<readonly [string, Uint8Array, string, RegExp]>([
      ["a Size below its version's minimum", changed(link({}), 10, 33), "Malformed", /Size of at least 34, not 33/],
      ["a Size beyond the message", changed(link({}), 10, 0xff, 0xff), "Malformed", /an entry inside the message/],
      ["an offset outside of the message", changed(link({}), 24, 0xff, 0xff), "Malformed", /inside the message/],
      ["an offset into its own entry", changed(link({}), 24, 2, 0), "Malformed", /after its entry/],
      ["text without its NUL", link({}).subarray(0, -2), "Malformed", /ends with a NUL/],
      ["text of an odd number of bytes", link({}).subarray(0, -1), "Malformed", /ends with a NUL/],
      ["more entries than it has room for", changed(link({}), 2, 0xff, 0xff), "Malformed", /room for 65535 entries/],
      [
        "two versions",
        changed(link({ targets: ["\\a\\data", "\\b\\data"] }), 42, 2),
        "Malformed",
        /VersionNumber 3 as in the first entry, not 2/
      ],
      ["an unknown version", changed(link({}), 8, 5), "Unsupported", /referral version 5/],
      ["a list of names", vectors["response-dc-namelist"]!, "Malformed", /./],
      ["no bytes at all", new Uint8Array(0), "Malformed", /./],
      [
        "no target with a valid name",
        link({ targets: ["\\a\\..\\data", "\\b\\da\u0001ta"] }),
        "Malformed",
        /./
      ],
      ["a PathConsumed in the middle of a component", link({ consumed: 9 }), "Malformed", /PathConsumed at the end/],
      ["a PathConsumed past the end", link({ consumed: 0xfffe }), "Malformed", /PathConsumed at the end/]
    ])("fails with path, server and step: %s", ([, bytes, tag, words]) =>
      Effect.gen(function*() {
        const error = yield* failing({ ns: ns({ [key]: { hex: hex(bytes) } }) })
        assert.strictEqual(error._tag, tag)
        assert.deepStrictEqual([error.path, error.server, error.step], [path, "ns", step])
        assert.match(error.message, words)
      }))

    it.effect("is Malformed when it is truncated at any length", () =>
      Effect.gen(function*() {
        const whole = link({})
        for (let length = 0; length < whole.length; length++) {
          const error = yield* failing({ ns: ns({ [key]: { hex: hex(whole.subarray(0, length)) } }) })
          assert.strictEqual(error._tag, "Malformed", `${length} bytes`)
          assert.deepStrictEqual([error.path, error.server, error.step], [path, "ns", step])
        }
      }), { timeout: 30_000 })

    it.effect("fails with Overflow when it is larger than 56 KiB", () =>
      Effect.gen(function*() {
        const error = yield* failing({ ns: ns({ [key]: { status: "STATUS_BUFFER_OVERFLOW" } }) })
        assert.strictEqual(error._tag, "Overflow")
        assert.deepStrictEqual([error.server, error.size, error.step], ["ns", 57_344, step])
        assert.match(error.path, /^\\ns\\dfs/)
      }))
  })
}

it.effect("a client reads a referral that is larger than the buffer that it offered", () =>
  Effect.gen(function*() {
    const many = Array.from({ length: 400 }, (_, i) => `\\server-${i}\\data`)
    const bytes = link({ targets: ["\\a\\data", ...many] })
    assert.isAbove(bytes.length, 8192)
    const fault: TestTransport.Fault = {
      on: "IOCTL",
      skip: 1,
      times: 1,
      is: ({ request }) => {
        assert(request._tag === "IOCTL")
        const { ctlCode, fileId } = request.body
        return {
          response: { _tag: "IOCTL", body: { ctlCode, fileId, flags: 0, input: new Uint8Array(0), output: bytes } }
        }
      }
    }
    const { result } = yield* reading({ ns: { ...ns({}), faults: [fault] } })
    assert.deepStrictEqual(result, Result.succeed("a"))
  }))

describe("a referral's targets", () => {
  it.effect("can be missing: then a link fails with ReferralRefused, and a root is an ordinary share", () =>
    Effect.gen(function*() {
      const empty = { hex: hex(link({ targets: [] })) }
      const error = yield* failing({ ns: ns({ [linkKey]: empty }) })
      assert.strictEqual(error._tag, "ReferralRefused")
      assert.deepStrictEqual([error.path, error.server, error.step], ["\\ns\\dfs\\l\\who.txt", "ns", 14])
      assert.include(error.message, "STATUS_OBJECT_PATH_NOT_FOUND")
      const { result } = yield* reading({ ns: ns({ [rootKey]: empty }) }, {}, "\\\\ns\\dfs\\root.txt")
      assert.deepStrictEqual(result, Result.succeed("root"))
    }))

  it.effect("are all named in NoTargetLeft when they are down", () =>
    Effect.gen(function*() {
      const targets = ["\\\\a\\data", "\\\\b\\data"]
      const error = yield* failing({ ns: ns({ [linkKey]: { targets } }), a: "down", b: "down" })
      assert.strictEqual(error._tag, "NoTargetLeft")
      assert.deepStrictEqual([error.path, error.step], [path, 14])
      assert.deepStrictEqual(
        error.targets.map(({ target }: { readonly target: string }) => target),
        ["\\\\a\\data\\who.txt", "\\\\b\\data\\who.txt"]
      )
      assert.isDefined(error.server)
    }))

  it.effect("are all in NoTargetLeft when 200 of them are down, and eight are in its message", () =>
    Effect.gen(function*() {
      const targets = Array.from({ length: 200 }, (_, i) => `\\\\dead-${i}\\data`)
      const error = yield* failing({ ns: ns({ [linkKey]: { targets } }) })
      assert.deepStrictEqual([error._tag, error.targets.length], ["NoTargetLeft", 200])
      assert.isBelow(error.message.length, 2000)
      assert.match(error.message, /dead-7\\data\\who\.txt: [^;]+; and 192 more\)$/)
    }))

  it.effect("are skipped when their names are invalid and another target exists", () =>
    Effect.gen(function*() {
      const odd = ["\\a\\..\\data", "\\\\\\", "\\b", "\\a\\da\u0000ta", "\\a\\d?ta", "\\\u202e\\data/x"]
      for (const one of odd) {
        // A NUL ends the text on the wire, and the codec refuses to write one: the test writes U+0001.
        const bytes = link({ targets: [one.replace("\u0000", "\u0001"), "\\b\\data"] })
        const { result } = yield* reading({ ns: ns({ [linkKey]: { hex: hex(bytes) } }) })
        assert.deepStrictEqual(result, Result.succeed("b"), JSON.stringify(one))
      }
    }))

  it.effect("cause DfsLoop with the visited paths when they lead in a circle", () =>
    Effect.gen(function*() {
      const error = yield* failing({
        ns: ns({ [linkKey]: { targets: ["\\\\other\\dfs\\back"] } }),
        other: {
          shares: { dfs: {} },
          referrals: {
            "\\\\other\\dfs": { targets: ["\\\\other\\dfs"] },
            "\\\\other\\dfs\\back": { targets: [linkKey] }
          }
        }
      })
      assert.strictEqual(error._tag, "DfsLoop")
      assert.deepStrictEqual([error.path, error.step], [path, 11])
      assert.isDefined(error.server)
      assert.isAbove(error.visited.length, 1)
    }))
})

describe("a referral's time to live", () => {
  it.effect("of 0 lets the client use the referral once, and request it for each operation", () =>
    Effect.gen(function*() {
      const zero = {
        [rootKey]: { targets: [rootKey], timeToLive: 0 },
        [linkKey]: { targets: ["\\\\a\\data"], timeToLive: 0 }
      }
      const { codes, resolver, result } = yield* reading({ ns: ns(zero) }, {}, path, 3)
      assert.deepStrictEqual(result, Result.succeed("a"))
      assert.strictEqual(codes.length, 6)
      assert.strictEqual((yield* resolver.cache).entries.size, 0)
    }))

  it.effect("of 2^32 - 1 seconds is limited to a day", () =>
    Effect.gen(function*() {
      const long = { targets: ["\\\\a\\data"], timeToLive: "4294967295 seconds" } as const
      const { resolver, result } = yield* reading({ ns: ns({ [linkKey]: long }) })
      assert.deepStrictEqual(result, Result.succeed("a"))
      const now = yield* Clock.currentTimeMillis
      const times = [...(yield* resolver.cache).entries.values()].map(({ expiresAt }) => (expiresAt - now) / 1000)
      assert.deepStrictEqual(times, [300, 86_400])
    }))
})

describe("a refused REQ_GET_DFS_REFERRAL_EX", () => {
  const refusing = (status: NtStatus.Name): TestTransport.ServerOptions => ({
    ...ns({}),
    faults: [{
      on: "IOCTL",
      when: ({ request }) => request._tag === "IOCTL" && request.body.ctlCode === Fsctl.FSCTL_DFS_GET_REFERRALS_EX,
      is: { status }
    }]
  })

  it.effect.each<NtStatus.Name>([
    "STATUS_INVALID_DEVICE_REQUEST",
    "STATUS_NOT_SUPPORTED",
    "STATUS_FS_DRIVER_REQUIRED",
    "STATUS_INVALID_PARAMETER"
  ])("with %s is repeated without EX", (status) =>
    Effect.gen(function*() {
      const { codes, result } = yield* reading({ ns: refusing(status) }, { siteName: "Oslo", mode: "strict" })
      assert.deepStrictEqual(result, Result.succeed("a"))
      assert.deepStrictEqual(codes.filter(({ server }) => server === "ns").map(({ ex }) => ex), [
        true,
        false,
        true,
        false
      ])
    }))

  it.effect("with STATUS_ACCESS_DENIED is ReferralRefused at a link, and an ordinary share without one", () =>
    Effect.gen(function*() {
      for (const probe of ["referral-first", "lazily"] as const) {
        const { codes, result } = yield* reading({ ns: refusing("STATUS_ACCESS_DENIED") }, { siteName: "Oslo", probe })
        assert(Result.isFailure(result))
        const { _tag, message, server, step } = bare(result.failure)
        assert.deepStrictEqual([_tag, server, step], ["ReferralRefused", "ns", 14])
        assert.include(message, "STATUS_ACCESS_DENIED")
        assert.isTrue(codes.every(({ ex }) => ex))
      }
      // Without a link on the way, it is an ordinary share.
      const plain = yield* reading(
        { ns: refusing("STATUS_ACCESS_DENIED") },
        { siteName: "Oslo" },
        "\\\\ns\\dfs\\root.txt"
      )
      assert.deepStrictEqual(plain.result, Result.succeed("root"))
    }))
})

it.effect("a server that says PATH_NOT_COVERED and then refers to the root is ReferralRefused", () =>
  Effect.gen(function*() {
    // PATH_NOT_COVERED for the name, and the root's own referral for the link.
    const root = { hex: hex(link({ consumed: "\\ns\\dfs".length * 2, targets: ["\\ns\\dfs"] })) }
    const error = yield* failing({ ns: ns({ [linkKey]: root }) })
    assert.deepStrictEqual([error._tag, error.server, error.step], ["ReferralRefused", "ns", 14])
    assert.include(error.message, "\\ns\\dfs\\l\\who.txt: STATUS_OBJECT_PATH_NOT_FOUND")
  }))

describe("a domain controller", () => {
  const domain = (extra: TestTransport.ServerOptions): TestTransport.ServerOptions => ({
    ...extra,
    referrals: { "\\\\corp.test\\dfs": { targets: [rootKey] } }
  })
  const domainControllers = { "corp.test": ["dc1.corp.test", "dc2.corp.test"] }
  const inDomain = "\\\\corp.test\\dfs\\l\\who.txt"
  // It accepts the logon, and closes the connection at the referral request.
  const dying = domain({ faults: [TestTransport.fault("IOCTL", "drop")] })

  it.effect("that dies at the referral request is replaced by the next one", () =>
    Effect.gen(function*() {
      const { result } = yield* reading(
        { ns: ns({}), "dc1.corp.test": dying, "dc2.corp.test": domain({}) },
        { domainControllers },
        inDomain
      )
      assert.deepStrictEqual(result, Result.succeed("a"))
    }))

  it.effect("that dies as the last one causes NoDomainController with server, step and both controllers", () =>
    Effect.gen(function*() {
      const error = yield* failing(
        { ns: ns({}), "dc1.corp.test": dying, "dc2.corp.test": dying },
        { domainControllers },
        inDomain
      )
      assert.strictEqual(error._tag, "NoDomainController")
      assert.deepStrictEqual([error.path, error.server, error.step], [inDomain, "dc2.corp.test", 13])
      assert.strictEqual(error.targets.length, 2)
    }))

  it.effect("that never responds is replaced by the next one within three minutes", () =>
    Effect.gen(function*() {
      const mute = domain({ faults: [TestTransport.fault("IOCTL", "silence")] })
      const run = yield* Effect.forkChild(reading(
        { ns: ns({}), "dc1.corp.test": mute, "dc2.corp.test": domain({}) },
        { domainControllers },
        inDomain
      ))
      yield* TestClock.adjust("3 minutes")
      assert.deepStrictEqual((yield* Fiber.join(run)).result, Result.succeed("a"))
    }))
})
