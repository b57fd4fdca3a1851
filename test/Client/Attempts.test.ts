/**
 * Attempts at a target and what they keep open, copies of one file, and removals next to links of the server or of a
 * namespace. Over scripted shares.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Result, Scope } from "effect"
import * as PathOperations from "../../src/Client/internal/PathOperations.ts"
import { withShare } from "../../src/Client/internal/TargetAttempt.ts"
import * as Locator from "../../src/Client/Locator.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { fromStatus, TransportError } from "../../src/Protocol/Errors.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import type * as Share from "../../src/Protocol/Share.ts"
import { CreateAction } from "../../src/Smb2/Message/Constants.ts"
import * as Fsctl from "../../src/Smb2/Message/Fsctl.ts"
import * as Scripted from "./scripted.ts"

const base = "\\\\nas\\data"
const broken = new TransportError({ reason: { _tag: "ConnectionClosed" }, server: "nas", port: 445 })

describe("an attempt", () => {
  const share = Scripted.share()
  const stop = (path: string, target: string) =>
    fromStatus(NtStatus.STATUS_STOPPED_ON_SYMLINK, "CREATE", `${base}\\${path}`, {
      path,
      unparsed: 0,
      target,
      relative: true
    })

  it.effect("keeps what it acquired until the caller's scope closes; a failed one releases it before the next", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const context = {
        connect: () => Effect.as(Effect.addFinalizer(() => Effect.sync(() => void order.push("share closed"))), share),
        locator: {
          ...Locator.plain,
          use: (path, attempt) => {
            const target = Locator.toTarget(path)
            return Effect.catch(attempt(target), () => attempt({ ...target, path: "second" }))
          }
        } as Locator.Locator
      }
      const scope = yield* Scope.make()
      const result = yield* Scope.provide(
        withShare(context, `${base}\\first`, (_, path) =>
          Effect.gen(function*() {
            order.push(`begins ${path}`)
            yield* Effect.addFinalizer(() => Effect.sync(() => void order.push(`ends ${path}`)))
            return path === "first" ? yield* broken : path
          })),
        scope
      )
      assert.strictEqual(result, "second")
      const before = ["begins first", "ends first", "share closed", "begins second"]
      assert.deepStrictEqual(order, before)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(order, [...before, "ends second", "share closed"])
    }))

  it.effect("follows eight links of the server's response, and gives the error of the ninth", () =>
    Effect.gen(function*() {
      for (const links of [0, 1, 8, 9]) {
        const paths: Array<string> = []
        const exit = yield* Effect.exit(Effect.scoped(
          withShare(Scripted.context(share), `${base}\\l0`, (_, path) => {
            paths.push(path)
            const at = Number(path.slice(1))
            return at < links ? Effect.fail(stop(path, `l${at + 1}`)) : Effect.succeed(path)
          })
        ))
        assert.deepStrictEqual(paths, Array.from({ length: Math.min(links, 8) + 1 }, (_, i) => `l${i}`))
        assert.deepStrictEqual(exit, links === 9 ? Exit.fail(stop("l8", "l9")) : Exit.succeed(`l${links}`))
      }
    }))
})

describe("a copy", () => {
  const unable = fromStatus(NtStatus.STATUS_NOT_SUPPORTED, "IOCTL", `${base}\\g`)
  const full = fromStatus(NtStatus.STATUS_DISK_FULL, "IOCTL", `${base}\\g`)
  const content = Uint8Array.from({ length: 2500 }, (_, i) => i & 0xff)

  /** Two files on shares of these sessions; `refuses` is the server's error when it is to copy by itself. */
  const world = (sessions: readonly [string, string], refuses?: typeof unable, bytes = content) => {
    const opens: Array<readonly [string, Share.OpenOptions]> = []
    const copied = Codec.encode(Fsctl.SrvCopychunkResponse)({
      chunksWritten: 1,
      chunkBytesWritten: 0,
      totalBytesWritten: bytes.length
    })
    const key = Codec.encode(Fsctl.SrvRequestResumeKey)({ resumeKey: new Uint8Array(24), context: new Uint8Array(0) })
    const source = Scripted.file({
      path: "f",
      content: bytes,
      answer: (one) => one._tag === "Ioctl" ? Effect.succeed(key) : undefined
    })
    const target = Scripted.file({
      path: "g",
      opened: { createAction: CreateAction.FILE_CREATED },
      answer: (one) =>
        one._tag !== "Ioctl" ? undefined : refuses === undefined ? Effect.succeed(copied) : Effect.fail(refuses)
    })
    const removals: Array<string> = []
    const on = (name: string, sessionKey: string) =>
      Scripted.share({
        name,
        sessionKey,
        open: (path, options) =>
          Effect.sync(() => {
            opens.push([path, options])
            return path.toLowerCase() === "f" ? source.open : target.open
          }),
        batch: ((path: string, _: Share.OpenOptions, operations: ReadonlyArray<Operation.Any>) => {
          if (operations.length > 0) removals.push(path)
          return Effect.succeed({ opened: Scripted.opened(), results: operations.map(() => Result.succeed(undefined)) })
        }) as unknown as Share.Share["batch"]
      })
    const shares: Readonly<Record<string, Share.Share>> = {
      data: on("data", sessions[0]),
      other: on("other", sessions[1])
    }
    const smb = PathOperations.operations({
      connect: (place) => Effect.succeed(shares[place.share.toLowerCase()]!),
      locator: Locator.plain
    })
    const tags = () => target.requests.map(({ _tag }) => _tag)
    return { smb, opens, source, target, tags, removals }
  }

  it.effect("is done by the server if both files are of one session", () =>
    Effect.gen(function*() {
      for (
        const [options, mode] of [
          [undefined, OpenMode.overwrite],
          [{ create: false }, OpenMode.overwrite],
          // The new file can be a part, which no other client may remove.
          [{ create: true }, { ...OpenMode.create, shareAccess: 1 }]
        ] as const
      ) {
        const { opens, removals, smb, tags, target } = world(["s", "s"])
        yield* smb.copy(`${base}\\f`, "\\\\nas\\other\\g", options)
        assert.deepStrictEqual(tags(), ["Ioctl"])
        // Nothing writes to the source during the copy: the target could be another name of it.
        const source = { ...OpenMode.readSequentially, shareAccess: 5 }
        assert.deepStrictEqual(opens, [["f", source], ["g", mode]])
        assert.deepStrictEqual([target.closes(), removals], [1, []])
      }
    }))

  it.effect("goes through the client between two sessions, without a size, and if the server cannot copy", () =>
    Effect.gen(function*() {
      const table = [[["s", "t"], undefined, content], [["s", "s"], undefined, new Uint8Array(0)], [
        ["s", "s"],
        unable,
        content
      ]] as const
      for (const [sessions, refuses, bytes] of table) {
        const { smb, tags, target } = world(sessions, refuses, bytes)
        yield* smb.copy(`${base}\\f`, "\\\\nas\\other\\g")
        assert.deepStrictEqual(target.content(), bytes)
        assert.deepStrictEqual(tags().filter((tag) => tag === "Ioctl").length, refuses === undefined ? 0 : 1)
        assert.strictEqual(target.closes(), 1)
      }
    }))

  it.effect("that the server refuses for another reason fails with that, and the new file is removed", () =>
    Effect.gen(function*() {
      const { removals, smb, tags } = world(["s", "s"], full)
      assert.strictEqual(yield* Effect.flip(smb.copy(`${base}\\f`, "\\\\nas\\other\\g")), full)
      assert.deepStrictEqual(tags().filter((tag) => tag === "Write"), [])
      assert.deepStrictEqual(removals, ["g"])
    }))

  it.effect("onto the file itself is refused before the file is emptied", () =>
    Effect.gen(function*() {
      for (const to of [`${base}\\f`, "//NAS/Data/F"]) {
        const { opens, smb, target } = world(["s", "s"])
        const error = yield* Effect.flip(smb.copy(`${base}\\f`, to))
        assert(error._tag === "PathError" && error.reason._tag === "InvalidPath")
        assert.include(error.message, `"${to}" cannot be used: a file cannot be copied onto itself`)
        assert.deepStrictEqual([opens.length, target.requests.length], [1, 0])
      }
    }))
})

describe("a recursive removal next to a link", () => {
  interface Folder {
    readonly id: bigint
    readonly up: bigint
    readonly entries: Readonly<Record<string, Folder | "file">>
  }
  const folder = (id: number, up: number, entries: Folder["entries"] = {}): Folder => ({
    id: BigInt(id),
    up: BigInt(up),
    entries
  })
  /** `real` is a folder of the root; `link` leads to a folder whose parent is elsewhere. */
  const root = folder(1, 1, { real: folder(2, 1, { f: "file" }), link: folder(5, 6, { precious: "file" }) })

  const found = (path: string): Folder | "file" =>
    path.split("\\").filter((part) => part !== "").reduce<Folder | "file">(
      (at, name) => (at as Folder).entries[name]!,
      root
    )
  const served = (isLink: (path: string) => boolean = () => false) => {
    const removed: Array<string> = []
    const lists: Array<string> = []
    const item = (fileName: string, fileId: bigint, what: Folder | "file") => ({
      ...Scripted.opened({ fileAttributes: what === "file" ? 0x80 : 0x10 }),
      fileName,
      fileId,
      eaSize: 0
    })
    const share = Scripted.share({
      open: (path) => {
        let done = false
        const here = found(path) as Folder
        lists.push(path)
        const { open } = Scripted.file({
          path,
          answer: (one) =>
            one._tag !== "QueryDirectory" ? undefined : Effect.sync(() => {
              if (done) return []
              done = true
              return [
                item(".", here.id, here),
                item("..", here.up, here),
                ...Object.entries(here.entries).map(([name, what]) => item(name, what === "file" ? 0n : what.id, what))
              ]
            })
        })
        return Effect.succeed(open)
      },
      batch: ((path: string, _: Share.OpenOptions, operations: ReadonlyArray<Operation.Any>) =>
        Effect.sync(() => {
          if (operations.some(({ _tag }) => _tag === "SetInfo")) removed.push(path)
          const fileAttributes = found(path) === "file" ? 0x80 : 0x10
          return {
            opened: Scripted.opened({ fileAttributes }),
            results: operations.map(() => Result.succeed({ fileAttributes, reparseTag: 0 }))
          }
        })) as unknown as Share.Share["batch"]
    })
    const locator: Locator.Locator = {
      use: (path, attempt) => {
        const target = Locator.toTarget(path)
        return attempt(isLink(path.path) ? { ...target, isLink: true } : target)
      }
    }
    return { smb: PathOperations.operations({ connect: () => Effect.succeed(share), locator }), removed, lists }
  }

  it.effect("of the server refuses the link itself; `removable` says the same, but only for a tree", () =>
    Effect.gen(function*() {
      const { lists, removed, smb } = served()
      for (
        const run of [
          smb.remove(`${base}\\link`, { recursive: true }),
          smb.removable(`${base}\\link`, { recursive: true })
        ]
      ) {
        const error: any = yield* Effect.flip(run as Effect.Effect<unknown, unknown>)
        assert.strictEqual(error._tag, "RemovalError")
        assert.deepInclude({ ...error.reason }, { kind: "server-link", path: `${base}\\link` })
      }
      assert.deepStrictEqual(removed, [])
      lists.length = 0
      for (const options of [undefined, {}, { recursive: false }]) {
        assert.strictEqual((yield* smb.removable(`${base}\\link`, options)).type, "directory")
      }
      assert.deepStrictEqual(lists, [])
      assert.strictEqual((yield* smb.removable(`${base}\\real`, { recursive: true })).path, `${base}\\real`)
      assert.strictEqual((yield* smb.removable(`${base}\\real\\f`, { recursive: true })).type, "file")
    }))

  it.effect("of a namespace keeps it, and removes nothing behind it", () =>
    Effect.gen(function*() {
      const { removed, smb } = served((path) => path === "real")
      for (const options of [undefined, { recursive: true }, { recursive: true, force: true }]) {
        const error = yield* Effect.flip(smb.remove(`${base}\\real`, options))
        assert(error._tag === "RemovalError" && error.reason._tag === "RootOrLink")
        assert.strictEqual(error.reason.kind, "link")
      }
      assert.deepStrictEqual(removed, [])
      const plain = served()
      yield* plain.smb.remove(`${base}\\real`, { recursive: true })
      assert.deepStrictEqual(plain.removed, ["real\\f", "real"])
    }))
})
