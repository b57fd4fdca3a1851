/**
 * How the client finds the symbolic link at which a server stopped, if the server does not say which: over a share as
 * data, whose opens stop at the links (MS-SMB2 3.3.5.9, FILE_OPEN_REPARSE_POINT for the last component).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { explained } from "../../src/Client/internal/StoppedLink.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as Reparse from "../../src/Codec/Reparse.ts"
import { fromStatus, SmbError, type SymbolicLink } from "../../src/Protocol/Errors.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import { CreateOptions } from "../../src/Smb2/Message/Constants.ts"

const stop = (path: string, command: "CREATE" | "WRITE" = "CREATE", link?: SymbolicLink) =>
  fromStatus(NtStatus.STATUS_STOPPED_ON_SYMLINK, command, `\\\\nas\\data\\${path}`, link)

interface Link {
  readonly target: string
  readonly relative: boolean
  readonly data?: Uint8Array
}

/** A share with links; `missing` are paths that do not exist. */
const shareOf = (links: Readonly<Record<string, Link>>, missing: ReadonlyArray<string> = []) => {
  const opens: Array<readonly [string, bigint | undefined]> = []
  const share = {
    server: "nas",
    port: 445,
    name: "data",
    batch: (path: string, options: Share.OpenOptions) => {
      opens.push([path, options.timewarp])
      assert.notStrictEqual(options.createOptions & CreateOptions.FILE_OPEN_REPARSE_POINT, 0)
      if (missing.includes(path)) {
        return Effect.fail(fromStatus(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND, "CREATE", `\\\\nas\\data\\${path}`))
      }
      const on = Object.keys(links).find((link) => path.startsWith(`${link}\\`))
      if (on !== undefined) return Effect.fail(stop(path))
      const link = links[path]
      const data = link === undefined
        ? Result.fail(fromStatus(NtStatus.STATUS_NOT_A_REPARSE_POINT, "IOCTL", path))
        : Result.succeed(
          link.data ?? Codec.encode(Reparse.ReparseDataBuffer)({
            _tag: "SymbolicLink",
            substituteName: link.target,
            printName: "shown",
            flags: link.relative ? Reparse.SYMLINK_FLAG_RELATIVE : 0
          })
        )
      return Effect.succeed({ opened: {}, results: [data] })
    }
  } as unknown as Share.Share
  return { share, opens }
}

const linkOf = (error: unknown): SymbolicLink | undefined =>
  error instanceof SmbError && error.reason._tag === "StoppedOnSymlink"
    ? (error.reason as { readonly symbolicLink?: SymbolicLink }).symbolicLink
    : undefined
const fail = (share: Share.Share, path: string, error: SmbError = stop(path)) =>
  Effect.flip(explained(share, path, () => Effect.fail(error)))

const mount = Codec.encode(Reparse.ReparseDataBuffer)({
  _tag: "MountPoint",
  substituteName: "\\??\\C:\\x",
  printName: "C:\\x"
})

describe("an error that a server stopped at a link", () => {
  it.effect("gets the link, its target and the rest of the path, for each place of the link", () =>
    Effect.gen(function*() {
      const path = "one\\two\\three\\four"
      for (const link of ["one", "one\\two", "one\\two\\three", path]) {
        for (const relative of [true, false]) {
          const { opens, share } = shareOf({ [link]: { target: "elsewhere", relative } })
          assert.deepStrictEqual(linkOf(yield* fail(share, path)), {
            path,
            unparsed: path.length - link.length,
            target: "elsewhere",
            relative
          })
          // Each path from the whole one up to the link is opened once.
          const depths = path.split("\\").length - link.split("\\").length + 1
          assert.strictEqual(opens.length, depths)
        }
      }
    }))

  it.effect("gets the nearest link of two on the way, and the opens have the previous version's time", () =>
    Effect.gen(function*() {
      const { opens, share } = shareOf({ "a\\b": { target: "t", relative: true } })
      const token = "@GMT-2026.01.02-03.04.05"
      const error = yield* Effect.flip(
        explained(share, `${token}\\a\\b\\c`, () => Effect.fail(stop("a\\b\\c")))
      )
      assert.strictEqual(linkOf(error)?.unparsed, 2)
      assert.deepStrictEqual(opens.map(([path]) => path), ["a\\b\\c", "a\\b"])
      assert.isTrue(opens.every(([, time]) => time !== undefined && time === opens[0]![1]))
      const { opens: now, share: current } = shareOf({ "a\\b": { target: "t", relative: true } })
      yield* fail(current, "a\\b\\c")
      assert.deepStrictEqual(now.map(([, time]) => time), [undefined, undefined])
    }))

  it.effect("finds a link 31 components above the end of the path, and none further up", () =>
    Effect.gen(function*() {
      for (const [above, finds] of [[31, true], [32, false]] as const) {
        const path = ["link", ...Array.from({ length: above }, (_, i) => `d${i}`)].join("\\")
        const { opens, share } = shareOf({ link: { target: "t", relative: true } })
        assert.strictEqual(linkOf(yield* fail(share, path)) !== undefined, finds)
        assert.strictEqual(opens.length, 32)
      }
    }))

  it.effect("stays if the path opens without a link, or does not exist, or the data are not those of a link", () =>
    Effect.gen(function*() {
      const cases = [
        shareOf({}),
        shareOf({}, ["a\\b"]),
        shareOf({ "a\\b": { target: "", relative: true, data: mount } }),
        shareOf({ "a\\b": { target: "", relative: true, data: Uint8Array.of(1, 2, 3) } })
      ]
      for (const { opens, share } of cases) {
        const error = yield* fail(share, "a\\b")
        assert(error instanceof SmbError && error.reason._tag === "StoppedOnSymlink")
        assert.isUndefined(linkOf(error))
        assert.strictEqual(error.path, "\\\\nas\\data\\a\\b")
        assert.strictEqual(opens.length, 1)
      }
    }))

  it.effect("costs no request if it names the link, is about another path, or is another error", () =>
    Effect.gen(function*() {
      const known: SymbolicLink = { path: "a\\b", unparsed: 0, target: "known", relative: true }
      const cases: ReadonlyArray<SmbError> = [
        stop("a\\b", "CREATE", known),
        stop("a\\c"),
        stop("a\\b", "WRITE"),
        fromStatus(NtStatus.STATUS_ACCESS_DENIED, "CREATE", "\\\\nas\\data\\a\\b")
      ]
      for (const error of cases) {
        const { opens, share } = shareOf({ "a\\b": { target: "t", relative: true } })
        assert.strictEqual(yield* fail(share, "a\\b", error), error)
        assert.strictEqual(opens.length, 0)
      }
    }))
})
