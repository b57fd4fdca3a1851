/**
 * How long a referral, and the absence of one, is believed, and when it is asked for again (MS-DFSC 3.1.1, 3.1.5.4.3):
 * what a server's response means to the cache, and how often servers are asked.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Metric, Result } from "effect"
import { TestClock } from "effect/testing"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as DfsMetrics from "../../src/Dfs/DfsMetrics.ts"
import * as DfsResolver from "../../src/Dfs/DfsResolver.ts"
import type { Target } from "../../src/Dfs/DfsStep.ts"
import * as DfsTrace from "../../src/Dfs/DfsTrace.ts"
import * as Namespace from "../../src/Dfs/Namespace.ts"
import * as ReferralCache from "../../src/Dfs/ReferralCache.ts"
import { decodeReferralRequest } from "../../src/Dfs/ReferralRequest.ts"
import {
  makeReferralResponse,
  ReferralEntryFlags,
  ReferralHeaderFlags,
  type ReferralResponse
} from "../../src/Dfs/ReferralResponse.ts"
import { ReferralSource } from "../../src/Dfs/ReferralSource.ts"
import { NotDfsCapable } from "../../src/Protocol/DfsError.ts"
import { fromStatus as smbError, TransportError } from "../../src/Protocol/Errors.ts"
import { noDiscovery } from "./discovery.ts"

interface Entry {
  readonly ttl?: number
  readonly version?: 1 | 3 | 4
  readonly target?: string
  readonly root?: boolean
  readonly boundary?: boolean
}

const asked = ["ns", "dfs", "link", "below"]
const link = "\\ns\\dfs\\link"

const response = (entries: ReadonlyArray<Entry>, flags = 0, pathConsumed = link.length * 2): ReferralResponse =>
  makeReferralResponse({
    pathConsumed,
    referralHeaderFlags: flags,
    referralEntries: entries.map(({ boundary, root, target = "\\t\\s", ttl = 300, version = 4 }) => {
      const common = { serverType: root === true ? 1 : 0 }
      return version === 1
        ? { versionNumber: 1, ...common, referralEntryFlags: 0, shareName: target }
        : {
          versionNumber: version,
          ...common,
          referralEntryFlags: boundary === true ? ReferralEntryFlags.TargetSetBoundary : 0,
          timeToLive: ttl,
          networkAddress: target
        }
    })
  })

const read = (one: ReferralResponse, ttl: Partial<ReferralCache.TtlBounds> = {}) =>
  ReferralCache.fromResponse(one, {
    asked,
    server: "ns",
    prefixOf: (count) => asked.slice(0, count),
    now: 1_000_000,
    ttl: { minimum: 0, maximum: 86_400, ...ttl },
    refreshAhead: 0.1
  })
const entryOf = (...given: Parameters<typeof read>) => Result.getOrThrow(read(...given))

describe("a response", () => {
  const lives: ReadonlyArray<readonly [string, ReadonlyArray<Entry>, Partial<ReferralCache.TtlBounds>, number]> = [
    ["the time of its one target", [{ ttl: 60 }], {}, 60],
    ["the shortest time, if that is the first target's", [{ ttl: 10 }, { ttl: 60 }, { ttl: 300 }], {}, 10],
    ["the shortest time, if that is the second target's", [{ ttl: 60 }, { ttl: 10 }, { ttl: 300 }], {}, 10],
    ["the shortest time, if that is the last target's", [{ ttl: 300 }, { ttl: 60 }, { ttl: 10 }], {}, 10],
    ["the shortest time, also of a target that is of no use", [{ ttl: 300 }, { ttl: 10, target: "\\t" }], {}, 10],
    ["at least the minimum", [{ ttl: 3 }], { minimum: 20 }, 20],
    ["at most the maximum", [{ ttl: 90_000 }], { maximum: 3600 }, 3600],
    ["five minutes in version 1, which has no time", [{ version: 1 }], {}, 300]
  ]
  it.each(lives)("lives for %s", (_, entries, ttl, seconds) => {
    const { expiresAt, refreshAt } = entryOf(response(entries), ttl)
    assert.strictEqual(expiresAt, 1_000_000 + seconds * 1000)
    // The last tenth is for its renewal.
    assert.strictEqual(refreshAt, 1_000_000 + seconds * 900)
  })

  const { ReferralServers, StorageServers, TargetFailback } = ReferralHeaderFlags
  // MS-DFSC 3.1.5.4.5: targets that are not storage, but answer referrals, are in another namespace.
  it.each([
    ["nothing", 0, false],
    ["ReferralServers", ReferralServers, true],
    ["StorageServers", StorageServers, false],
    ["both", ReferralServers | StorageServers, false]
  ])("of a link with %s in its header", (_, flags, interlink) => {
    assert.strictEqual(entryOf(response([{}], flags)).interlink, interlink)
    // A root is never an interlink: its targets hold the namespace itself.
    assert.deepInclude(entryOf(response([{ root: true }], flags)), { kind: "root", interlink: false })
    assert.strictEqual(entryOf(response([{}], flags)).targetFailback, false)
    assert.strictEqual(entryOf(response([{}], flags | TargetFailback)).targetFailback, true)
  })

  it("has the boundary of a target that is of no use at the next one", () => {
    const sets = (...entries: ReadonlyArray<Entry>) =>
      entryOf(response(entries)).targets.map(({ path, setBoundary }) => `${setBoundary ? "| " : ""}${path[0]}`)
    assert.deepStrictEqual(sets({ target: "\\a\\s" }, { target: "\\b\\s" }), ["| a", "b"])
    assert.deepStrictEqual(sets({ target: "\\a\\s" }, { target: "\\b\\s", boundary: true }), ["| a", "| b"])
    assert.deepStrictEqual(
      sets({ target: "\\a\\s" }, { target: "\\b", boundary: true }, { target: "\\c\\s" }, { target: "\\d\\s" }),
      ["| a", "| c", "d"]
    )
    // Version 3 has no sets, and its flag another meaning.
    assert.deepStrictEqual(
      sets({ target: "\\a\\s", version: 3 }, { target: "\\b\\s", version: 3, boundary: true }),
      ["| a", "b"]
    )
  })

  const refused: ReadonlyArray<readonly [string, ReferralResponse, string]> = [
    ["no entry", response([]), "ReferralRefused"],
    ["no usable target", response([{ target: "\\t" }, { target: "" }]), "Malformed"],
    ["a PathConsumed of one component", response([{}], 0, "\\ns".length * 2), "Malformed"],
    ["a PathConsumed inside a component", response([{}], 0, link.length * 2 - 2), "Malformed"]
  ]
  it.each(refused)("is refused with %s", (_, one, tag) => {
    const result = read(one)
    assert(Result.isFailure(result))
    assert.strictEqual(result.failure._tag, tag)
  })

  it("stands for the components that it consumed, of a root two", () => {
    assert.deepStrictEqual(entryOf(response([{}])).prefix, ["ns", "dfs", "link"])
    assert.deepStrictEqual(entryOf(response([{ root: true }], 0, "\\ns\\dfs".length * 2)).prefix, ["ns", "dfs"])
  })
})

describe("an absence", () => {
  const error = new NotDfsCapable({ server: "ns", path: "\\ns\\dfs" })
  const path = ["ns", "dfs"]
  const entry = (expiresAt: number) => ({
    ...entryOf(response([{ root: true }], 0, "\\ns\\dfs".length * 2)),
    expiresAt
  })
  const absent = (expiresAt = 100, now = 0) =>
    ReferralCache.insertAbsence(ReferralCache.make(), path, { error, expiresAt }, now)

  it("ends at its time, and is of exactly its path, in any case", () => {
    const cache = absent()
    assert.strictEqual(ReferralCache.absence(cache, ["NS", "DFS"], 99)?.error, error)
    assert.isUndefined(ReferralCache.absence(cache, path, 100))
    assert.isUndefined(ReferralCache.absence(cache, ["ns"], 0))
    assert.isUndefined(ReferralCache.absence(cache, ["ns", "dfs", "x"], 0))
    assert.isUndefined(ReferralCache.absence(absent(100, 100), path, 0), "an absence that is over is not kept")
  })

  it("is forgotten with a referral for its path, also one that is never kept", () => {
    for (const expiresAt of [1000, 0]) {
      const cache = ReferralCache.insert(absent(), entry(expiresAt), 0)
      assert.isUndefined(ReferralCache.absence(cache, path, 1))
    }
    const other = ReferralCache.insert(absent(), { ...entry(1000), prefix: ["ns", "other"] }, 0)
    assert.isDefined(ReferralCache.absence(other, path, 1))
    assert.isUndefined(ReferralCache.absence(ReferralCache.removeAbsence(absent(), ["NS", "Dfs"]), path, 1))
  })

  it("makes room by those that are over, then by the oldest", () => {
    let cache = ReferralCache.make({ capacity: 2 })
    const add = (name: string, expiresAt: number, now: number) => {
      cache = ReferralCache.insertAbsence(cache, ["s", name], { error, expiresAt }, now)
    }
    add("a", 100, 0)
    add("b", 10, 0)
    add("c", 100, 10)
    assert.deepStrictEqual([...cache.absences.keys()], ["S\\A", "S\\C"])
    add("a", 200, 20)
    add("d", 100, 20)
    assert.deepStrictEqual([...cache.absences.keys()], ["S\\A", "S\\D"])
  })
})

/** A namespace whose referrals live 100 seconds, and a log of the referrals that were asked for. */
const scene = Effect.fnUntraced(function*(options: DfsResolver.DfsResolverOptions = {}) {
  const asks: Array<string> = []
  const state = { referral: Effect.void as Effect.Effect<void, TransportError> }
  const namespace: Namespace.Namespace = {
    roots: {
      dfs: {
        targets: ["\\\\ns\\dfs"],
        timeToLive: 1000,
        links: { link: { targets: ["\\\\a\\data", "\\\\b\\data"], timeToLive: 100 } }
      }
    }
  }
  const source = ReferralSource.of({
    ioctl: (_, { input }) =>
      Effect.suspend(() => {
        const request = Result.getOrThrow(decodeReferralRequest(input))
        asks.push(request.requestFileName)
        const answer = Namespace.answer(namespace, request, { maximumOutput: 8192 })
        return Effect.andThen(
          state.referral,
          answer._tag === "Response" ? Effect.succeed(answer.bytes) : Effect.fail(smbError(answer.status, "IOCTL"))
        )
      })
  })
  const resolver = yield* DfsResolver.make({ enabled: true, ...options }).pipe(
    Effect.provideService(ReferralSource, source),
    Effect.provide(noDiscovery)
  )
  const attempt = (target: Target) =>
    target.dfsName === undefined
      ? Effect.succeed(target.server)
      : Effect.fail(smbError(NtStatus.STATUS_PATH_NOT_COVERED, "CREATE"))
  const use = resolver.use(
    "\\\\ns\\dfs\\link\\file",
    attempt,
    (error) => error._tag === "SmbError" && error.reason._tag === "PathNotCovered" ? "PathNotCovered" : "Failed"
  )
  /** The referrals that were asked for since the last call. */
  const since = Effect.sync(() => asks.splice(0))
  return { use, resolver, since, state }
})

const dead = new TransportError({ reason: { _tag: "ConnectionRefused" }, server: "ns", port: 445 })
/** Lets what runs in the background get on. */
const settle = Effect.promise(async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
})

describe("a renewal", () => {
  it.effect("is asked for once by many operations in the last tenth of its time, which do not wait for it", () =>
    Effect.gen(function*() {
      const { since, state, use } = yield* scene()
      assert.strictEqual(yield* use, "a")
      assert.deepStrictEqual(yield* since, ["\\ns\\dfs", "\\ns\\dfs\\link\\file"])
      yield* TestClock.adjust("89 seconds")
      yield* use
      yield* settle
      assert.deepStrictEqual(yield* since, [])
      yield* TestClock.adjust("1 second")
      const gate = yield* Deferred.make<void>()
      state.referral = Deferred.await(gate)
      assert.deepStrictEqual(
        yield* Effect.all(Array.from({ length: 10 }, () => use), { concurrency: "unbounded" }),
        Array.from({ length: 10 }, () => "a")
      )
      yield* settle
      // As long as it is under way, no other begins.
      yield* TestClock.adjust("5 seconds")
      yield* use
      yield* settle
      assert.deepStrictEqual(yield* since, ["\\ns\\dfs\\link"])
      yield* Deferred.succeed(gate, undefined)
      yield* settle
      assert.strictEqual((yield* Metric.value(DfsMetrics.refreshes)).count, 1)
      // It lives a hundred seconds from its renewal.
      yield* TestClock.adjust("85 seconds")
      yield* use
      yield* settle
      assert.deepStrictEqual(yield* since, [])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("that failed is tried again after a while, not by each operation", () =>
    Effect.gen(function*() {
      const { since, state, use } = yield* scene()
      yield* use
      yield* since
      yield* TestClock.adjust("90 seconds")
      state.referral = Effect.fail(dead)
      for (let i = 0; i < 3; i++) {
        assert.strictEqual(yield* use, "a")
        yield* settle
      }
      yield* TestClock.adjust("9 seconds")
      yield* use
      yield* settle
      assert.deepStrictEqual(yield* since, ["\\ns\\dfs\\link"])
    }))

  it.effect("is asked for by a resolution from the cache too, and not before its time", () =>
    Effect.gen(function*() {
      const { resolver, since, use } = yield* scene()
      yield* use
      yield* since
      for (const [seconds, asked] of [[89, []], [1, ["\\ns\\dfs\\link"]], [1, []]] as const) {
        yield* TestClock.adjust(`${seconds} seconds`)
        const { resolvedPath, status } = yield* resolver.resolve("\\\\ns\\dfs\\link\\file")
        assert.deepStrictEqual([resolvedPath, status], ["\\\\a\\data\\file", "link"])
        yield* settle
        // The resolution asks the link's target too whether it leads on.
        assert.deepStrictEqual((yield* since).filter((one) => one.startsWith("\\ns")), [...asked])
      }
    }))

  it.effect("that failed is tried again after the time for which an absence is believed, and is not counted", () =>
    Effect.gen(function*() {
      const { since, state, use } = yield* scene({ timeToLive: { negative: "3 seconds" } })
      const asks = Effect.andThen(use, Effect.andThen(settle, since))
      yield* asks
      yield* TestClock.adjust("90 seconds")
      state.referral = Effect.fail(dead)
      assert.deepStrictEqual(yield* asks, ["\\ns\\dfs\\link"])
      yield* TestClock.adjust("2999 millis")
      assert.deepStrictEqual(yield* asks, [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* asks, ["\\ns\\dfs\\link"])
      assert.strictEqual((yield* Metric.value(DfsMetrics.refreshes)).count, 0)
      yield* TestClock.adjust("3 seconds")
      state.referral = Effect.void
      assert.deepStrictEqual(yield* asks, ["\\ns\\dfs\\link"])
      assert.strictEqual((yield* Metric.value(DfsMetrics.refreshes)).count, 1)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("is no part of the operation whose trace is listened to", () =>
    Effect.gen(function*() {
      const { use } = yield* scene()
      yield* use
      yield* TestClock.adjust("90 seconds")
      const notes: Array<string> = []
      yield* Effect.andThen(use, settle).pipe(
        Effect.provideService(DfsTrace.TraceListener, (note) => void notes.push(note._tag))
      )
      assert.include(notes, "CacheHit")
      assert.notInclude(notes, "Asking")
    }))
})
