/**
 * The resolver service over a scripted source of referrals, which answers with recorded bytes of smbd: its cache and
 * expiry, shared requests, statuses as errors, and the sizes of its buffers.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as DfsPolicy from "../../src/Dfs/DfsPolicy.ts"
import * as DfsResolver from "../../src/Dfs/DfsResolver.ts"
import type { Target } from "../../src/Dfs/DfsStep.ts"
import { decodeReferralRequest, decodeReferralRequestEx } from "../../src/Dfs/ReferralRequest.ts"
import { fromStatus, ReferralSource, type SourceError } from "../../src/Dfs/ReferralSource.ts"
import { Malformed, NotDfsCapable, Overflow, type ResolutionError } from "../../src/Protocol/DfsError.ts"
import { fromStatus as smbError, type SmbError, TransportError } from "../../src/Protocol/Errors.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import { noDiscovery } from "./discovery.ts"
import { samba } from "./vectors.ts"

interface Asked {
  readonly server: string
  readonly controlCode: number
  readonly path: string
  readonly level: number
  readonly maxOutput: number
}

/** A source that responds from a script, with the requests that it got. */
const scripted = (answer: (asked: Asked) => Uint8Array | number | SourceError) => {
  const log: Array<Asked> = []
  const source = ReferralSource.of({
    ioctl: (server, { controlCode, input, maxOutput }) =>
      Effect.suspend(() => {
        const request = Result.getOrThrow(
          controlCode === Fsctl.FSCTL_DFS_GET_REFERRALS ? decodeReferralRequest(input) : decodeReferralRequestEx(input)
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

/** The recorded responses of smbd for its root and links. */
const smbd = (asked: Asked): Uint8Array | number => {
  const found = samba.find((one) =>
    one.maxReferralLevel >= 3 && (asked.path === one.path || asked.path.startsWith(`${one.path}\\`)) &&
    (one.path.split("\\").length > 3 || asked.path === one.path)
  )
  return found === undefined ? NtStatus.STATUS_NOT_FOUND : new Uint8Array(Buffer.from(found.response, "hex"))
}

const dead = new TransportError({ reason: { _tag: "ConnectionRefused" }, server: "127.0.0.9", port: 445 })
const notCovered = smbError(NtStatus.STATUS_PATH_NOT_COVERED, "CREATE")

/** Targets that behave like smbd and like a dead host. */
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

describe("DfsResolver.use", () => {
  it.effect("skips a dead target of smbd's referrals, and sends no request until they expire after 600 s", () =>
    Effect.gen(function*() {
      const { log, make } = scripted(smbd)
      const resolver = yield* make({ refreshAhead: 0 })
      assert.strictEqual(yield* resolver.use(two, attempt, judge), "\\\\127.0.0.14\\share\\file")
      assert.deepStrictEqual(log, [
        {
          server: "127.0.0.14",
          controlCode: Fsctl.FSCTL_DFS_GET_REFERRALS,
          path: "\\127.0.0.14\\dfs",
          level: 4,
          maxOutput: 8192
        },
        {
          server: "127.0.0.14",
          controlCode: Fsctl.FSCTL_DFS_GET_REFERRALS,
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

  it.effect("fails with the attempt's own error", () =>
    Effect.gen(function*() {
      const resolver = yield* scripted(() => NtStatus.STATUS_NOT_FOUND).make()
      const denied = smbError(NtStatus.STATUS_ACCESS_DENIED, "CREATE")
      assert.strictEqual(yield* Effect.flip(resolver.use(two, () => Effect.fail(denied), judge)), denied)
    }))

  it.effect("sends one request for a thousand equal uses at once, and interrupts it with the last waiting use", () =>
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

  it.effect("fails with the transport's error when the server cannot be reached", () =>
    Effect.gen(function*() {
      const resolver = yield* scripted(() => dead).make()
      assert.strictEqual(yield* Effect.flip(resolver.use(two, attempt, judge)), dead)
    }))
})

/** A server that refuses to say whether a path is in a namespace. */
const refusing = () => NtStatus.STATUS_ACCESS_DENIED

describe("an error at a server that refuses referrals", () => {
  const path = "\\\\nas\\media\\a"
  const missing = smbError(NtStatus.STATUS_OBJECT_PATH_NOT_FOUND, "CREATE")
  const told = Effect.fnUntraced(function*(answer: Parameters<typeof scripted>[0], verdict: DfsResolver.Verdict) {
    const asked: Array<string> = []
    const resolver = yield* scripted(answer).make({ mode: "fallback" })
    const error = yield* Effect.flip(
      resolver.use(path, () => Effect.fail(missing), () => verdict, {
        mayBeLink: ({ path }) => Effect.sync(() => asked.push(path) > 0)
      })
    )
    return { asked, error }
  })

  it.effect("is the refusal if a name is missing and a link may be on the way", () =>
    Effect.gen(function*() {
      const { asked, error } = yield* told(refusing, "NotFound")
      assert.deepStrictEqual(asked, ["a"])
      assert.deepInclude(error, { _tag: "DfsError" })
    }))

  it.effect.each(["Failed", "TargetFailed", "ServerFailed", "Lost"] as const)(
    "stays the same if the verdict is %s: then no link can be its reason",
    (verdict) =>
      Effect.gen(function*() {
        const { asked, error } = yield* told(refusing, verdict)
        assert.deepStrictEqual([asked, error], [[], missing])
      })
  )

  it.effect.each([NtStatus.STATUS_NOT_FOUND, NtStatus.STATUS_FS_DRIVER_REQUIRED])(
    "stays the same if the server has said by %i that there is no namespace",
    (status) =>
      Effect.gen(function*() {
        const { asked, error } = yield* told(() => status, "NotFound")
        assert.deepStrictEqual([asked, error], [[], missing])
      })
  )
})

describe("DfsResolver.resolve", () => {
  it.effect("gives the targets in order without connecting to them", () =>
    Effect.gen(function*() {
      const resolver = yield* scripted((
        asked
      ) => (asked.path.includes("share") ? NtStatus.STATUS_NOT_FOUND : smbd(asked))).make()
      const result = yield* resolver.resolve("\\\\127.0.0.14\\dfs\\one\\a\\b")
      assert.deepStrictEqual(result, {
        path: "\\\\127.0.0.14\\dfs\\one\\a\\b",
        resolvedPath: "\\\\127.0.0.14\\share\\a\\b",
        status: "link",
        targets: [{ server: "127.0.0.14", share: "share", path: "a\\b", namesBelowLink: 2 }]
      })
      const both = yield* resolver.resolve(two)
      assert.deepStrictEqual(both.targets.map((one) => one.server), ["127.0.0.9", "127.0.0.14"])
      assert.strictEqual(both.status, "link")
      const root = yield* resolver.resolve("\\\\127.0.0.14\\dfs")
      assert.strictEqual(root.status, "root")
      assert.deepStrictEqual(root.targets[0]!.dfsName, { server: "127.0.0.14", share: "dfs" })
    }))
  it.effect("asPlain gives the path itself without a request", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* DfsResolver.asPlain("\\\\nas\\media\\a"), {
        path: "\\\\nas\\media\\a",
        resolvedPath: "\\\\nas\\media\\a",
        status: "plain",
        targets: [{ server: "nas", share: "media", path: "a" }]
      })
    }))
})

describe("a status of a referral request", () => {
  const request = { server: "s", path: "\\s\\dfs", size: 8192 }
  it.each<[number, string]>([
    [NtStatus.STATUS_FS_DRIVER_REQUIRED, "NotDfsCapable"],
    [NtStatus.STATUS_NO_SUCH_DEVICE, "NotDfsCapable"],
    [NtStatus.STATUS_INVALID_DEVICE_REQUEST, "NotDfsCapable"],
    [NtStatus.STATUS_NOT_SUPPORTED, "NotDfsCapable"],
    [NtStatus.STATUS_BUFFER_OVERFLOW, "Overflow"],
    [NtStatus.STATUS_NOT_FOUND, "NamespaceNotFound"],
    [NtStatus.STATUS_DFS_UNAVAILABLE, "NamespaceNotFound"],
    [NtStatus.STATUS_NO_SUCH_FILE, "NamespaceNotFound"],
    [NtStatus.STATUS_INVALID_PARAMETER, "ReferralRefused"],
    [NtStatus.STATUS_ACCESS_DENIED, "ReferralRefused"]
  ])("of %i is the error %s", (status, tag) => {
    assert.strictEqual(fromStatus(status, request)._tag, tag)
    assert.include(fromStatus(status, request).message, "\\s\\dfs")
  })

  it.effect("of FS_DRIVER_REQUIRED fails in strict mode, and DfsPolicy.fallback continues without DFS", () =>
    Effect.gen(function*() {
      const resolver = yield* scripted(() => NtStatus.STATUS_FS_DRIVER_REQUIRED).make({ mode: "strict" })
      const error = yield* Effect.flip(resolver.resolve(two))
      assert.instanceOf(error, NotDfsCapable)
      const plain = yield* resolver.resolve(two).pipe(DfsPolicy.fallback(() => DfsResolver.asPlain(two)))
      assert.strictEqual(plain.resolvedPath, two)
      const fallback = yield* scripted(() => NtStatus.STATUS_FS_DRIVER_REQUIRED).make({ mode: "fallback" })
      assert.strictEqual((yield* fallback.resolve(two)).status, "plain")
    }))

  it.effect("is not replaced: an error of TREE_CONNECT stays that error", () =>
    Effect.gen(function*() {
      const denied = smbError(NtStatus.STATUS_ACCESS_DENIED, "TREE_CONNECT")
      const resolver = yield* scripted(() => denied).make()
      assert.strictEqual(yield* Effect.flip(resolver.resolve(two)), denied)
    }))

  it.effect("of success with malformed bytes is Malformed and names server and path", () =>
    Effect.gen(function*() {
      const resolver = yield* scripted(() => new Uint8Array(7)).make({ mode: "strict" })
      const error = yield* Effect.flip(resolver.resolve(two))
      assert.instanceOf(error, Malformed)
      assert.match(error.message, /from 127\.0\.0\.14 for \\\\127\.0\.0\.14\\dfs\\two\\file is malformed at byte 4/)
    }))
})

describe("the resolver's requests", () => {
  it.effect("double the buffer on Overflow, up to 56 KiB", () =>
    Effect.gen(function*() {
      const { log, make } = scripted(() => NtStatus.STATUS_BUFFER_OVERFLOW)
      const resolver = yield* make({ mode: "strict" })
      const error = yield* Effect.flip(resolver.resolve(two))
      assert.instanceOf(error, Overflow)
      assert.strictEqual(error.size, 57_344)
      assert.deepStrictEqual(log.map((one) => one.maxOutput), [8192, 16_384, 32_768, 57_344])
    }))
  it.effect("are repeated until the referral fits", () =>
    Effect.gen(function*() {
      const { log, make } = scripted((
        asked
      ) => (asked.maxOutput < 16_384 ? NtStatus.STATUS_BUFFER_OVERFLOW : smbd(asked)))
      const resolver = yield* make()
      yield* resolver.use("\\\\127.0.0.14\\dfs", attempt, judge)
      assert.strictEqual(log.length, 2)
    }))
  it.effect("use EX with a site, and are repeated without EX when the server does not support it", () =>
    Effect.gen(function*() {
      // smbd does this: FS_DRIVER_REQUIRED to EX, a referral to the plain control code.
      const { log, make } = scripted((
        asked
      ) => (asked.controlCode === Fsctl.FSCTL_DFS_GET_REFERRALS_EX ? NtStatus.STATUS_FS_DRIVER_REQUIRED : smbd(asked)))
      const resolver = yield* make({ siteName: "Berlin", mode: "strict" })
      yield* resolver.use("\\\\127.0.0.14\\dfs", attempt, judge)
      assert.deepStrictEqual(log.map((one) => one.controlCode), [
        Fsctl.FSCTL_DFS_GET_REFERRALS_EX,
        Fsctl.FSCTL_DFS_GET_REFERRALS
      ])
    }))
  it.effect("double their buffer up to `largest` by DfsPolicy.retryOverflow alone", () =>
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
