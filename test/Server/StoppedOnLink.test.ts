/**
 * Proves what a CREATE is told that reaches a symbolic link (MS-SMB2 3.3.5.9, 2.2.2.2.1): which link on the way of its
 * name counts, and how much of the name was not parsed. A scripted store says which names are links.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Codec, NtStatus as Status, Reparse } from "effect-smb/Codec"
import * as Pathname from "../../src/Server/internal/Command/Pathname.ts"
import * as SymbolicLinks from "../../src/Server/internal/Command/SymbolicLinks.ts"
import type { Incoming } from "../../src/Server/internal/State/Incoming.ts"
import type { Share } from "../../src/Server/internal/State/Model.ts"
import { type Refusal, refuse } from "../../src/Server/internal/Wire/Reply.ts"
import { storeError, type StoreFile } from "../../src/Server/ShareStore.ts"
import { Dialect } from "../../src/Smb2/Message/Constants.ts"

const { NtStatus } = Status
const incoming = (dialect: number) => ({ connection: { dialect } }) as unknown as Incoming

const encode = Codec.encode(Reparse.ReparseDataBuffer)
const link = (target: string, flags = 1) =>
  encode({ _tag: "SymbolicLink", substituteName: target, printName: `print ${target}`, flags })

/** The name of a path and a stream, as a CREATE has it. */
const nameOf = (path: ReadonlyArray<string>, stream?: string): Pathname.Name => {
  const name = Pathname.parse(path.join("\\") + (stream === undefined ? "" : `:${stream}`))
  return typeof name === "number" ? assert.fail(name.toString(16)) : name
}

const fileWith = (bytes: Uint8Array | undefined) => ({ getBlob: () => Effect.succeed(bytes) }) as unknown as StoreFile

const failed = <A>(effect: Effect.Effect<A, Refusal>): Promise<Refusal> => Effect.runPromise(Effect.flip(effect))

/** The fields of a Symbolic Link Error Response (2.2.2.2.1). */
const fieldsOf = (data: Uint8Array) => {
  const bytes = Buffer.from(data)
  const text = (at: number) =>
    bytes.toString("utf16le", 28 + bytes.readUInt16LE(at), 28 + bytes.readUInt16LE(at) + bytes.readUInt16LE(at + 2))
  return {
    length: bytes.readUInt32LE(0),
    tag: bytes.readUInt32LE(4),
    reparseTag: bytes.readUInt32LE(8),
    unparsed: bytes.readUInt16LE(14),
    substitute: text(16),
    print: text(20),
    flags: bytes.readUInt32LE(24)
  }
}

describe("a CREATE that stops at a link", () => {
  it("is told the target, and the bytes of its name that were not parsed", async () => {
    for (const [unparsed, flags] of [["", 0], ["\\a\\b:s", 1], ["\\\u00e9", 1]] as const) {
      const refusal = await failed(
        SymbolicLinks.stop(incoming(Dialect.SMB_3_0_2), fileWith(link("x\\y", flags)), unparsed)
      )
      assert.deepStrictEqual([refusal.status, refusal.contexts], [NtStatus.STATUS_STOPPED_ON_SYMLINK, 0])
      assert.deepStrictEqual(fieldsOf(refusal.data!), {
        length: refusal.data!.length - 4,
        tag: 0x4c4d_5953,
        reparseTag: 0xa000_000c,
        unparsed: 2 * unparsed.length,
        substitute: "x\\y",
        print: "print x\\y",
        flags
      })
    }
  })

  // 2.2.2.1: an error context with its length and identifier before the data.
  it("is told it in an error context from 3.1.1 on", async () => {
    const plain = await failed(SymbolicLinks.stop(incoming(Dialect.SMB_3_0_2), fileWith(link("t")), "\\a"))
    const { contexts, data, status } = await failed(
      SymbolicLinks.stop(incoming(Dialect.SMB_3_1_1), fileWith(link("t")), "\\a")
    )
    assert.deepStrictEqual([status, contexts], [NtStatus.STATUS_STOPPED_ON_SYMLINK, 1])
    const bytes = Buffer.from(data!)
    assert.deepStrictEqual([bytes.readUInt32LE(0), bytes.readUInt32LE(4)], [plain.data!.length, 0])
    assert.deepStrictEqual(bytes.subarray(8, 8 + plain.data!.length), Buffer.from(plain.data!))
  })

  it("has STATUS_IO_REPARSE_DATA_INVALID if the link cannot be read", async () => {
    const mount = encode({ _tag: "MountPoint", substituteName: "\\??\\C:\\x", printName: "C:\\x" })
    for (const bytes of [undefined, new Uint8Array(0), link("t").subarray(0, -1), mount]) {
      const { data, status } = await failed(SymbolicLinks.stop(incoming(Dialect.SMB_2_1), fileWith(bytes), ""))
      assert.deepStrictEqual([status, data], [NtStatus.STATUS_IO_REPARSE_DATA_INVALID, undefined])
    }
  })
})

describe("a CREATE that does not find its name", () => {
  /** A share with these files by their path: true for a link. */
  const shareOf = (files: Record<string, boolean>, reparsePoints = true) => {
    const asked: Array<string> = []
    const share = {
      volume: { supports: { reparsePoints } },
      store: {
        stat: (path: ReadonlyArray<string>) => {
          asked.push(path.join("/"))
          const isLink = files[path.join("/")]
          return isLink === undefined
            ? Effect.fail(storeError("NotFound"))
            : Effect.succeed({ reparseTag: isLink ? 0xa000_000c : 0 })
        },
        open: (path: ReadonlyArray<string>, how: unknown) => {
          assert.deepStrictEqual(how, { mode: "existing", type: "file" })
          return Effect.succeed({ file: fileWith(link(`target of ${path.join("/")}`)) })
        }
      }
    }
    return { share: share as unknown as Share, asked }
  }
  const notFound = NtStatus.STATUS_OBJECT_NAME_NOT_FOUND
  const pathNotFound = NtStatus.STATUS_OBJECT_PATH_NOT_FOUND
  const denied = NtStatus.STATUS_ACCESS_DENIED

  /** The status, and where the CREATE stopped. */
  const outcome = async (
    files: Record<string, boolean>,
    name: string,
    how: { readonly status?: number; readonly stream?: string; readonly supports?: boolean } = {}
  ) => {
    const { share } = shareOf(files, how.supports)
    const path = name.split("/")
    const refusal = await failed(
      SymbolicLinks.onTheWay(
        incoming(Dialect.SMB_2_1),
        share,
        nameOf(path, how.stream),
        false,
        refuse(how.status ?? pathNotFound)
      )
    )
    if (refusal.data === undefined) return refusal.status
    const { substitute, unparsed } = fieldsOf(refusal.data)
    return [substitute, unparsed]
  }

  it("stops at the deepest existing file above, if that is a link", async () => {
    const stopped = (path: string, rest: string) => [`target of ${path}`, 2 * rest.length]
    assert.deepStrictEqual(await outcome({ l: true }, "l/a"), stopped("l", "\\a"))
    assert.deepStrictEqual(await outcome({ l: true }, "l/a/bc"), stopped("l", "\\a\\bc"))
    assert.deepStrictEqual(await outcome({ d: false, "d/l": true }, "d/l/a"), stopped("d/l", "\\a"))
    assert.deepStrictEqual(await outcome({ l: true, "l/m": true }, "l/m/a"), stopped("l/m", "\\a"))
    assert.deepStrictEqual(await outcome({ l: true }, "l/a", { stream: "s" }), stopped("l", "\\a:s"))
    assert.deepStrictEqual(await outcome({ l: true }, "l/a", { status: notFound }), stopped("l", "\\a"))
  })

  it("keeps its status otherwise", async () => {
    assert.strictEqual(await outcome({}, "a/b"), pathNotFound)
    assert.strictEqual(await outcome({ d: false }, "d/a", { status: notFound }), notFound)
    // A directory below the link: the name was found up to there.
    assert.strictEqual(await outcome({ l: true, "l/d": false }, "l/d/a"), pathNotFound)
    assert.strictEqual(await outcome({ l: true }, "l/a", { status: denied }), denied)
    // The name itself is no part of its way.
    assert.strictEqual(await outcome({ a: true }, "a", { status: notFound }), notFound)
    assert.strictEqual(await outcome({ a: false, "a/l": true }, "a/l", { status: notFound }), notFound)
    assert.strictEqual(await outcome({ l: true }, "l/a", { supports: false }), pathNotFound)
  })

  it("asks the store for nothing when it succeeds", async () => {
    const { asked, share } = shareOf({ l: true })
    const name = nameOf(["l", "a"])
    const done = SymbolicLinks.onTheWay(incoming(Dialect.SMB_2_1), share, name, false, Effect.succeed("done"))
    assert.strictEqual(await Effect.runPromise(done), "done")
    assert.deepStrictEqual(asked, [])
  })
})
