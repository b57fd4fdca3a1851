import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import * as DfsPolicy from "../../src/Dfs/DfsPolicy.ts"
import * as DfsResolver from "../../src/Dfs/DfsResolver.ts"
import type { Target } from "../../src/Dfs/DfsStep.ts"
import { decodeReferralRequest, decodeReferralRequestEx } from "../../src/Dfs/ReferralRequest.ts"
import { fromStatus, ReferralSource, type SourceError } from "../../src/Dfs/ReferralSource.ts"
import { Malformed, NotDfsCapable, Overflow, type ResolutionError } from "../../src/Protocol/DfsError.ts"
import { fromStatus as smbError, type SmbError, TransportError } from "../../src/Protocol/Errors.ts"
import { noDiscovery } from "./discovery.ts"
import { samba } from "./vectors.ts"

interface Asked {
  readonly server: string
  readonly controlCode: number
  readonly path: string
  readonly level: number
  readonly maxOutput: number
}

/** A source that answers from a script, with what was asked of it. */
const scripted = (answer: (asked: Asked) => Uint8Array | number | SourceError) => {
  const log: Array<Asked> = []
  const source = ReferralSource.of({
    ioctl: (server, { controlCode, input, maxOutput }) =>
      Effect.suspend(() => {
        const request = Result.getOrThrow(
          controlCode === 0x60194 ? decodeReferralRequest(input) : decodeReferralRequestEx(input)
        )
        const asked = {
          server,
          controlCode,
          path: request.requestFileName,
          level: request.maxReferralLevel,
          maxOutput
        }
        log.push(asked)
        const said = answer(asked)
        return said instanceof Uint8Array
          ? Effect.succeed(said)
          : Effect.fail(typeof said === "number" ? smbError(said, "IOCTL") : said)
      })
  })
  const make = (options?: DfsResolver.DfsResolverOptions) =>
    Effect.provideService(DfsResolver.make(options), ReferralSource, source).pipe(Effect.provide(noDiscovery))
  return { log, make, source }
}

/** What smbd answered for its root and links, as captured. */
const smbd = (asked: Asked): Uint8Array | number => {
  const found = samba.find((one) =>
    one.maxReferralLevel >= 3 && (asked.path === one.path || asked.path.startsWith(`${one.path}\\`)) &&
    (one.path.split("\\").length > 3 || asked.path === one.path)
  )
  return found === undefined ? 0xc0000225 : new Uint8Array(Buffer.from(found.response, "hex"))
}

const dead = new TransportError({ reason: { _tag: "ConnectionRefused" }, server: "127.0.0.9", port: 445 })
const notCovered = smbError(0xc0000257, "CREATE")

/** Targets that do what smbd and a dead host do. */
const attempt = (target: Target): Effect.Effect<string, SmbError | TransportError> =>
  target.server === "127.0.0.9"
    ? Effect.fail(dead)
    : target.dfsName !== undefined && target.path !== ""
    ? Effect.fail(notCovered)
    : Effect.succeed(`\\\\${target.server}\\${target.share}\\${target.path}`)
const judge = (error: SmbError | TransportError): DfsResolver.Verdict =>
  error._tag === "TransportError"
    ? "TargetFailed"
    : error.reason._tag === "PathNotCovered"
    ? "PathNotCovered"
    : "Failed"

const two = "\\\\127.0.0.14\\dfs\\two\\file"

describe("use", () => {
  it.effect("walks over a dead target with smbd's own referrals, and asks nobody afterwards", () =>
    Effect.gen(function*() {
      const { log, make } = scripted(smbd)
      const resolver = yield* make({ refreshAhead: 0 })
      assert.strictEqual(yield* resolver.use(two, attempt, judge), "\\\\127.0.0.14\\share\\file")
      assert.deepStrictEqual(log, [
        { server: "127.0.0.14", controlCode: 0x60194, path: "\\127.0.0.14\\dfs", level: 4, maxOutput: 8192 },
        {
          server: "127.0.0.14",
          controlCode: 0x60194,
          path: "\\127.0.0.14\\dfs\\two\\file",
          level: 4,
          maxOutput: 8192
        }
      ])
      assert.strictEqual(yield* resolver.use(two, attempt, judge), "\\\\127.0.0.14\\share\\file")
      assert.strictEqual(log.length, 2)
      // smbd's time to live is 600 s.
      yield* TestClock.adjust("599 seconds")
      yield* resolver.use(two, attempt, judge)
      assert.strictEqual(log.length, 2)
      yield* TestClock.adjust("1 second")
      yield* resolver.use(two, attempt, judge)
      assert.strictEqual(log.length, 4)
    }))

  it.effect("passes the attempt's own failure on", () =>
    Effect.gen(function*() {
      const resolver = yield* scripted(() => 0xc0000225).make()
      const denied = smbError(0xc0000022, "CREATE")
      assert.strictEqual(yield* Effect.flip(resolver.use(two, () => Effect.fail(denied), judge)), denied)
    }))

  it.effect("sends one request for a thousand equal ones in flight, and drops it with the last that waits", () =>
    Effect.gen(function*() {
      const { log, source } = scripted(smbd)
      const gate = yield* Deferred.make<void>()
      let interrupted = 0
      const slow = ReferralSource.of({
        ioctl: (server, request) =>
          Effect.andThen(
            server === "x"
              ? Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
              : Deferred.await(gate),
            source.ioctl(server, request)
          )
      })
      const resolver = yield* Effect.provideService(DfsResolver.make(), ReferralSource, slow).pipe(
        Effect.provide(noDiscovery)
      )
      const root = "\\\\127.0.0.14\\dfs"
      const first = yield* Effect.forkChild(resolver.use(root, attempt, judge))
      const all = yield* Effect.forkChild(
        Effect.all(Array.from({ length: 999 }, () => resolver.use(root, attempt, judge)), { concurrency: "unbounded" })
      )
      yield* Effect.yieldNow
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(all)).length, 999)
      assert.strictEqual(log.length, 1)

      const alone = yield* Effect.forkChild(resolver.use("\\\\x\\y", attempt, judge))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(alone)
      assert.strictEqual(interrupted, 1)
    }))

  it.effect("tells who cannot be reached as it came, outside of any namespace", () =>
    Effect.gen(function*() {
      const resolver = yield* scripted(() => dead).make()
      assert.strictEqual(yield* Effect.flip(resolver.use(two, attempt, judge)), dead)
    }))
})

describe("resolve", () => {
  it.effect("names the targets in order, without touching them", () =>
    Effect.gen(function*() {
      const resolver = yield* scripted((asked) => (asked.path.includes("share") ? 0xc0000225 : smbd(asked))).make()
      const result = yield* resolver.resolve("\\\\127.0.0.14\\dfs\\one\\a\\b")
      assert.deepStrictEqual(result, {
        path: "\\\\127.0.0.14\\dfs\\one\\a\\b",
        resolvedPath: "\\\\127.0.0.14\\share\\a\\b",
        status: "link",
        targets: [{ server: "127.0.0.14", share: "share", path: "a\\b" }]
      })
      const both = yield* resolver.resolve(two)
      assert.deepStrictEqual(both.targets.map((one) => one.server), ["127.0.0.9", "127.0.0.14"])
      assert.strictEqual(both.status, "link")
      const root = yield* resolver.resolve("\\\\127.0.0.14\\dfs")
      assert.strictEqual(root.status, "root")
      assert.deepStrictEqual(root.targets[0]!.dfsName, { server: "127.0.0.14", share: "dfs" })
    }))
  it.effect("asPlain asks nobody", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* DfsResolver.asPlain("\\\\nas\\media\\a"), {
        path: "\\\\nas\\media\\a",
        resolvedPath: "\\\\nas\\media\\a",
        status: "plain",
        targets: [{ server: "nas", share: "media", path: "a" }]
      })
    }))
})

describe("statuses", () => {
  const request = { server: "s", path: "\\s\\dfs", size: 8192 }
  it.each<[number, string]>([
    [0xc000019c, "NotDfsCapable"],
    [0xc000000e, "NotDfsCapable"],
    [0xc0000010, "NotDfsCapable"],
    [0xc00000bb, "NotDfsCapable"],
    [0x80000005, "Overflow"],
    [0xc0000225, "NamespaceNotFound"],
    [0xc000026d, "NamespaceNotFound"],
    [0xc000000f, "NamespaceNotFound"],
    [0xc000000d, "ReferralRefused"],
    [0xc0000022, "ReferralRefused"]
  ])("%i is %s", (status, tag) => {
    assert.strictEqual(fromStatus(status, request)._tag, tag)
    assert.include(fromStatus(status, request).message, "\\s\\dfs")
  })

  it.effect("in strict mode FS_DRIVER_REQUIRED fails, and the caller may go on without DFS", () =>
    Effect.gen(function*() {
      const resolver = yield* scripted(() => 0xc000019c).make({ mode: "strict" })
      const error = yield* Effect.flip(resolver.resolve(two))
      assert.instanceOf(error, NotDfsCapable)
      const plain = yield* resolver.resolve(two).pipe(DfsPolicy.fallback(() => DfsResolver.asPlain(two)))
      assert.strictEqual(plain.resolvedPath, two)
      const fallback = yield* scripted(() => 0xc000019c).make({ mode: "fallback" })
      assert.strictEqual((yield* fallback.resolve(two)).status, "plain")
    }))

  it.effect("a logon that fails on the way is not the server's answer to the request", () =>
    Effect.gen(function*() {
      const denied = smbError(0xc0000022, "TREE_CONNECT")
      const resolver = yield* scripted(() => denied).make()
      assert.strictEqual(yield* Effect.flip(resolver.resolve(two)), denied)
    }))

  it.effect("malformed bytes name the server", () =>
    Effect.gen(function*() {
      const resolver = yield* scripted(() => new Uint8Array(7)).make({ mode: "strict" })
      const error = yield* Effect.flip(resolver.resolve(two))
      assert.instanceOf(error, Malformed)
      assert.match(error.message, /from 127\.0\.0\.14 for \\\\127\.0\.0\.14\\dfs\\two\\file is malformed at byte 4/)
    }))
})

describe("requests", () => {
  it.effect("double the buffer on Overflow, up to 56 KiB", () =>
    Effect.gen(function*() {
      const { log, make } = scripted(() => 0x80000005)
      const resolver = yield* make({ mode: "strict" })
      const error = yield* Effect.flip(resolver.resolve(two))
      assert.instanceOf(error, Overflow)
      assert.strictEqual(error.size, 57_344)
      assert.deepStrictEqual(log.map((one) => one.maxOutput), [8192, 16_384, 32_768, 57_344])
    }))
  it.effect("take what fits at last", () =>
    Effect.gen(function*() {
      const { log, make } = scripted((asked) => (asked.maxOutput < 16_384 ? 0x80000005 : smbd(asked)))
      const resolver = yield* make()
      yield* resolver.use("\\\\127.0.0.14\\dfs", attempt, judge)
      assert.strictEqual(log.length, 2)
    }))
  it.effect("go by EX with a site, and without EX where the server does not know it", () =>
    Effect.gen(function*() {
      // As smbd does: FS_DRIVER_REQUIRED to EX, a referral to the plain code.
      const { log, make } = scripted((asked) => (asked.controlCode === 0x601b0 ? 0xc000019c : smbd(asked)))
      const resolver = yield* make({ siteName: "Berlin", mode: "strict" })
      yield* resolver.use("\\\\127.0.0.14\\dfs", attempt, judge)
      assert.deepStrictEqual(log.map((one) => one.controlCode), [0x601b0, 0x60194])
    }))
  it.effect("retryOverflow stands alone", () =>
    Effect.gen(function*() {
      const sizes: Array<number> = []
      const ask = Effect.flatMap(DfsPolicy.ReferralBuffer, (size) => {
        sizes.push(size)
        return Effect.fail(new Overflow({ server: "s", path: "p", size }))
      })
      const error: ResolutionError = yield* Effect.flip(DfsPolicy.retryOverflow({ largest: 20_000 })(ask))
      assert.strictEqual(error._tag, "Overflow")
      assert.deepStrictEqual(sizes, [8192, 16_384, 20_000])
    }))
})
