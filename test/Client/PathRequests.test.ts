/**
 * What operations on paths send, and what follows from each response: attributes, directories, removal, renames and
 * symbolic links. The bytes are those of MS-FSCC; the shares are scripted.
 */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Logger, Result } from "effect"
import * as PathOperations from "../../src/Client/internal/PathOperations.ts"
import * as Locator from "../../src/Client/Locator.ts"
import * as OpenMode from "../../src/Client/OpenMode.ts"
import type { AttributeChanges } from "../../src/Client/Operations.ts"
import * as Codec from "../../src/Codec/Codec.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import * as Reparse from "../../src/Codec/Reparse.ts"
import { fromStatus, SmbError } from "../../src/Protocol/Errors.ts"
import type * as Operation from "../../src/Protocol/Operation.ts"
import { CreateDisposition, CreateOptions } from "../../src/Smb2/Message/Constants.ts"
import * as Scripted from "./scripted.ts"

const base = "\\\\nas\\data"
const status = (name: keyof typeof NtStatus, command = "CREATE", path = "f") =>
  fromStatus(NtStatus[name], command, `${base}\\${path}`)
const made = (...given: Parameters<typeof Scripted.batches>) => {
  const scripted = Scripted.batches(...given)
  return { ...scripted, smb: PathOperations.operations(scripted.context) }
}
const ok = () => ({})
const setInfo = (one: Operation.Any) =>
  one._tag === "SetInfo" && one.information._tag === "File"
    ? [one.information.fileInformationClass, Buffer.from(one.data)] as const
    : undefined

/** The date of the first ticks. */
const in1601 = DateTime.makeUnsafe("1601-01-01T00:00:00Z")

describe("stat and exists", () => {
  const entry = {
    endOfFile: 7n,
    allocationSize: 8n,
    creationTime: 1n,
    lastAccessTime: 2n,
    lastWriteTime: 3n,
    changeTime: 4n
  }
  const tagged = (reparseTag: number) => ({
    opened: { ...entry, fileAttributes: 0x420 },
    results: [Result.succeed({ fileAttributes: 0x420, reparseTag })]
  })

  it.effect("open the path, and give what the open says", () =>
    Effect.gen(function*() {
      for (const options of [undefined, {}, { follow: true }, { follow: undefined }]) {
        const { sent, smb } = made(() => ({ opened: { ...entry, fileAttributes: 0x420 } }))
        assert.deepStrictEqual(yield* smb.stat(`${base}\\d\\f`, options), {
          name: "f",
          path: `${base}\\d\\f`,
          relativePath: "",
          type: "file",
          size: 7n,
          ...{ created: in1601, lastAccessed: in1601, lastWritten: in1601, changed: in1601 },
          ...{ allocationSize: 8n, creationTime: 1n, lastAccessTime: 2n, lastWriteTime: 3n, changeTime: 4n },
          fileAttributes: 0x420,
          reparseTag: 0
        })
        assert.deepStrictEqual(sent, [{ path: "d\\f", options: OpenMode.attributes, operations: [] }])
      }
    }))

  it.effect("look at a link itself with `follow: false`, and ask for its tag (FileAttributeTagInformation, class 35)", () =>
    Effect.gen(function*() {
      for (const [tag, type] of [[0xa000_000c, "symlink"], [0xa000_0003, "file"]] as const) {
        const { sent, smb } = made(() => tagged(tag))
        assert.deepInclude(yield* smb.stat(`${base}\\f`, { follow: false }), { type, reparseTag: tag })
        assert.deepStrictEqual(sent.map(({ options }) => options), [OpenMode.readReparsePoint])
        const [query] = sent[0]!.operations
        assert(query?._tag === "QueryInfo" && query.information._tag === "File")
        assert.strictEqual(query.information.fileInformationClass, 35)
      }
      const without = made(() => ({
        opened: { fileAttributes: 0x420 },
        results: [Result.fail(status("STATUS_NOT_SUPPORTED"))]
      }))
      assert.deepInclude(yield* without.smb.stat(`${base}\\f`, { follow: false }), { type: "file", reparseTag: 0 })
    }))

  it.effect("differ for a path that does not exist: only `exists` succeeds, and only for such a status", () =>
    Effect.gen(function*() {
      const table = [["STATUS_OBJECT_NAME_NOT_FOUND", false], ["STATUS_OBJECT_PATH_NOT_FOUND", false], [
        "STATUS_ACCESS_DENIED",
        undefined
      ], ["STATUS_DELETE_PENDING", undefined]] as const
      for (const [name, exists] of table) {
        const error = status(name)
        const { smb } = made(() => error)
        assert.strictEqual(yield* Effect.flip(smb.stat(`${base}\\f`)), error)
        const result = yield* Effect.result(smb.exists(`${base}\\f`))
        assert.deepStrictEqual(result, exists === undefined ? Result.fail(error) : Result.succeed(exists))
      }
      assert.isTrue(yield* made(ok).smb.exists(`${base}\\f`))
    }))
})

it.effect("setAttributes sends 0 for each value that does not change (MS-FSCC 2.4.7)", () =>
  Effect.gen(function*() {
    const places: Readonly<Record<keyof AttributeChanges, number>> = {
      creationTime: 0,
      lastAccessTime: 8,
      lastWriteTime: 16,
      changeTime: 24,
      fileAttributes: 32
    }
    for (const [name, place] of Object.entries(places)) {
      const { sent, smb } = made(ok)
      yield* smb.setAttributes(`${base}\\f`, { [name]: name === "fileAttributes" ? 0x23 : 0x0123_4567_89ab_cdefn })
      const due = Buffer.alloc(40)
      if (name === "fileAttributes") due.writeUInt32LE(0x23, place)
      else due.writeBigUInt64LE(0x0123_4567_89ab_cdefn, place)
      assert.deepStrictEqual(sent.map(({ operations }) => operations.map(setInfo)), [[[4, due]]], name)
      assert.deepStrictEqual(sent[0]!.options, OpenMode.setAttributes)
    }
  }))

it.effect("setAttributes and writeFile take a DateTime or a Date for a time, as its ticks", () =>
  Effect.gen(function*() {
    // MS-DTYP 2.3.3, and GNU date for the milliseconds.
    const ticks = 133_536_152_967_650_000n
    for (const time of [DateTime.makeUnsafe(1_709_141_696_765), new Date(1_709_141_696_765), ticks]) {
      const { sent, smb } = made(ok)
      yield* smb.setAttributes(`${base}\\f`, {
        creationTime: time,
        lastAccessTime: time,
        lastWriteTime: time,
        changeTime: time
      })
      yield* smb.writeFile(`${base}\\f`, "", { lastWriteTime: time })
      const due = Buffer.alloc(40)
      for (const place of [0, 8, 16, 24]) due.writeBigUInt64LE(ticks, place)
      const lastWrite = Buffer.alloc(40)
      lastWrite.writeBigUInt64LE(ticks, 16)
      assert.deepStrictEqual(sent.map(({ operations }) => operations.map(setInfo)), [[[4, due]], [[4, lastWrite]]])
    }
  }))

describe("makeDirectory", () => {
  /** A disk of directories and files, with errors for some opens in their order. */
  const disk = (
    present: Readonly<Record<string, "directory" | "file">>,
    faults: Readonly<Record<number, SmbError>> = {}
  ) => {
    const all = new Map(Object.entries(present))
    const fake = made(({ options, path }, index) => {
      if (faults[index] !== undefined) return faults[index]
      const up = path.includes("\\") ? path.slice(0, path.lastIndexOf("\\")) : ""
      const found = all.get(path)
      if (options.createDisposition === CreateDisposition.FILE_OPEN) {
        return found === undefined
          ? status("STATUS_OBJECT_NAME_NOT_FOUND", "CREATE", path)
          : { opened: { fileAttributes: found === "directory" ? 0x10 : 0x80 } }
      }
      assert.deepStrictEqual(options, OpenMode.createDirectory)
      if (found !== undefined) return status("STATUS_OBJECT_NAME_COLLISION", "CREATE", path)
      if (up !== "" && all.get(up) !== "directory") return status("STATUS_OBJECT_PATH_NOT_FOUND", "CREATE", path)
      all.set(path, "directory")
      return {}
    })
    return { ...fake, all, paths: () => fake.sent.map(({ path }) => path) }
  }
  const there = { d: "directory", f: "file" } as const

  it.effect.each(
    [
      { path: "", recursive: true, ends: undefined, paths: [] },
      { path: "d", recursive: true, ends: undefined, paths: ["d", "d"] },
      { path: "d", recursive: false, ends: "ObjectNameCollision", paths: ["d"] },
      { path: "f", recursive: true, ends: "ObjectNameCollision", paths: ["f", "f"] },
      { path: "n", recursive: false, ends: undefined, paths: ["n"] },
      { path: "n\\o", recursive: false, ends: "ObjectPathNotFound", paths: ["n\\o"] },
      { path: "n", recursive: true, ends: undefined, paths: ["n"] },
      { path: "d\\n", recursive: true, ends: undefined, paths: ["d\\n"] },
      { path: "n\\o\\p", recursive: true, ends: undefined, paths: ["n\\o\\p", "n\\o", "n", "n\\o", "n\\o\\p"] },
      { path: "f\\n", recursive: true, ends: "ObjectNameCollision", paths: ["f\\n", "f", "f"] }
    ] as const
  )("makes $path with recursive: $recursive as $ends", ({ ends, path, paths, recursive }) =>
    Effect.gen(function*() {
      const { all, paths: asked, smb } = disk(there)
      const result = yield* Effect.result(smb.makeDirectory(`${base}\\${path}`, { recursive }))
      const failed = Result.isFailure(result) && result.failure instanceof SmbError
        ? result.failure.reason._tag
        : undefined
      assert.strictEqual(failed, ends)
      assert.deepStrictEqual(asked(), [...paths])
      assert.strictEqual(
        all.get(path),
        path === "" ? undefined : path === "f" ? "file" : ends === undefined || path === "d" ? "directory" : undefined
      )
    }))

  it.effect("ends with the first error of another kind, and sends no more", () =>
    Effect.gen(function*() {
      const denied = status("STATUS_ACCESS_DENIED")
      for (const at of [0, 1, 2, 3, 4]) {
        const { paths, smb } = disk({}, { [at]: denied })
        assert.strictEqual(yield* Effect.flip(smb.makeDirectory(`${base}\\n\\o\\p`, { recursive: true })), denied)
        assert.strictEqual(paths().length, at + 1)
      }
    }))

  it.effect("succeeds if another client makes the same directory after its parent", () =>
    Effect.gen(function*() {
      const { smb } = disk({}, { 2: status("STATUS_OBJECT_NAME_COLLISION") })
      yield* smb.makeDirectory(`${base}\\n\\o`, { recursive: true })
    }))

  it.effect("is not recursive by default", () =>
    Effect.gen(function*() {
      for (const options of [undefined, {}]) {
        const { smb } = disk({})
        yield* Effect.flip(smb.makeDirectory(`${base}\\n\\o`, options))
      }
    }))
})

describe("remove", () => {
  // FileDispositionInformation is class 13 (MS-FSCC 2.4.11), FileBasicInformation class 4.
  const deletes = [13, Buffer.of(1)] as const
  const kinds = (sent: ReadonlyArray<Scripted.Batch>) =>
    sent.flatMap(({ operations }) => operations.map((one) => setInfo(one)?.[0]))
  const refuses = (error: SmbError) => ({ results: [Result.fail(error)] })

  it.effect("marks the entry itself for deletion", () =>
    Effect.gen(function*() {
      const { sent, smb } = made(ok)
      yield* smb.remove(`${base}\\f`)
      assert.deepStrictEqual(sent.map(({ operations }) => operations.map(setInfo)), [[deletes]])
      assert.deepStrictEqual(sent[0]!.options, OpenMode.remove)
    }))

  it.effect("clears the attributes of a read-only entry once, and only with `force`", () =>
    Effect.gen(function*() {
      const readOnly = status("STATUS_CANNOT_DELETE", "SET_INFO")
      const once = made(({ operations }, index) =>
        index === 0 ? refuses(readOnly) : { results: operations.map(() => Result.succeed(undefined)) }
      )
      yield* once.smb.remove(`${base}\\f`, { force: true })
      const normal = Buffer.alloc(40)
      normal.writeUInt32LE(0x80, 32)
      assert.deepStrictEqual(once.sent.flatMap(({ operations }) => operations.map(setInfo)), [
        deletes,
        [4, normal],
        deletes
      ])
      const always = made(({ operations }) => setInfo(operations[0]!)?.[0] === 13 ? refuses(readOnly) : {})
      assert.strictEqual(yield* Effect.flip(always.smb.remove(`${base}\\f`, { force: true })), readOnly)
      assert.deepStrictEqual(kinds(always.sent), [13, 4, 13])
      for (const options of [undefined, {}, { force: false }]) {
        const plain = made(() => refuses(readOnly))
        assert.strictEqual(yield* Effect.flip(plain.smb.remove(`${base}\\f`, options)), readOnly)
        assert.deepStrictEqual(kinds(plain.sent), [13])
      }
      const other = made(() => refuses(status("STATUS_ACCESS_DENIED", "SET_INFO")))
      yield* Effect.flip(other.smb.remove(`${base}\\f`, { force: true }))
      assert.deepStrictEqual(kinds(other.sent), [13])
    }))

  it.effect("asks once more for the path when the open entry has gone, and no third time", () =>
    Effect.gen(function*() {
      const gone = status("STATUS_OBJECT_NAME_NOT_FOUND", "SET_INFO")
      const missing = status("STATUS_OBJECT_NAME_NOT_FOUND")
      const again = made((_, index) => index === 0 ? refuses(gone) : missing)
      assert.strictEqual(yield* Effect.flip(again.smb.remove(`${base}\\f`)), missing)
      yield* again.smb.remove(`${base}\\f`, { force: true })
      const stays = made(() => refuses(gone))
      assert.strictEqual(yield* Effect.flip(stays.smb.remove(`${base}\\f`, { force: true })), gone)
      assert.strictEqual(stays.sent.length, 2)
    }))

  it.effect("of a tree refuses a previous version, and asks the server nothing", () =>
    Effect.gen(function*() {
      const { sent, smb } = made(ok)
      const path = `${base}\\@GMT-2026.01.02-03.04.05\\d`
      for (const force of [false, true]) {
        const error = yield* Effect.flip(smb.remove(path, { recursive: true, force }))
        assert(error._tag === "PathError" && error.reason._tag === "InvalidPath")
        assert.include(error.message, path)
      }
      assert.deepStrictEqual(sent, [])
    }))

  it.effect("of a tree is the removal of one entry if the path is a file or a junction", () =>
    Effect.gen(function*() {
      for (const [fileAttributes, reparseTag] of [[0x80, 0], [0x410, 0xa000_0003], [0x410, 0xa000_000c]] as const) {
        const { sent, smb } = made(({ operations }) => ({
          opened: { fileAttributes },
          results: operations.map(() => Result.succeed({ fileAttributes, reparseTag }))
        }))
        yield* smb.remove(`${base}\\f`, { recursive: true })
        assert.deepStrictEqual(kinds(sent), [undefined, 13])
        assert.strictEqual((yield* smb.removable(`${base}\\f`, { recursive: true })).reparseTag, reparseTag)
        assert.strictEqual(sent.length, 3)
      }
    }))

  it.effect("names a server's link if a request after the open says that the entry is no directory", () =>
    Effect.gen(function*() {
      const after = made(() => refuses(status("STATUS_NOT_A_DIRECTORY", "SET_INFO")))
      const error = yield* Effect.flip(after.smb.remove(`${base}\\f`))
      assert(error._tag === "RemovalError" && error.reason._tag === "RootOrLink")
      assert.deepInclude(error.reason, { kind: "server-link", path: `${base}\\f` })
      const before = status("STATUS_NOT_A_DIRECTORY")
      assert.strictEqual(yield* Effect.flip(made(() => before).smb.remove(`${base}\\f`)), before)
    }))
})

describe("rename", () => {
  /** FILE_RENAME_INFORMATION for SMB 2 (MS-FSCC 2.4.43.2). */
  const information = (replace: boolean, name: string) => {
    const text = Buffer.from(name, "utf16le")
    const head = Buffer.alloc(20)
    head[0] = replace ? 1 : 0
    head.writeUInt32LE(text.length, 16)
    return Buffer.concat([head, text])
  }

  it.effect("sends the new name below the share, and replaces a file only with `replace`", () =>
    Effect.gen(function*() {
      for (
        const [options, replaces] of [[undefined, false], [{}, false], [{ replace: false }, false], [
          { replace: true },
          true
        ]] as const
      ) {
        const { sent, smb } = made(ok)
        yield* smb.rename(`${base}\\d\\f`, "//NAS/Data/e/long name", options)
        assert.deepStrictEqual(sent.map(({ path }) => path), ["d\\f"])
        assert.deepStrictEqual(sent[0]!.options, OpenMode.remove)
        const [kind, data] = setInfo(sent[0]!.operations[0]!)!
        assert.strictEqual(kind, 10)
        const due = information(replaces, "e\\long name")
        assert.isTrue(data.subarray(0, due.length).equals(due))
      }
    }))

  it.effect("that is refused says the new name too; a source that cannot be opened does not", () =>
    Effect.gen(function*() {
      const refused = status("STATUS_OBJECT_NAME_COLLISION", "SET_INFO")
      const error = yield* Effect.flip(
        made(() => ({ results: [Result.fail(refused)] })).smb.rename(`${base}\\f`, `${base}\\g`)
      )
      assert(error instanceof SmbError)
      assert.deepInclude({ ...error }, {
        path: `${base}\\f`,
        detail: `the new name was ${base}\\g`,
        command: "SET_INFO"
      })
      assert.strictEqual(error.reason._tag, "ObjectNameCollision")
      const missing = status("STATUS_OBJECT_NAME_NOT_FOUND")
      assert.strictEqual(yield* Effect.flip(made(() => missing).smb.rename(`${base}\\f`, `${base}\\g`)), missing)
    }))

  it.effect("to another share fails with both names after the source was opened, and changes nothing", () =>
    Effect.gen(function*() {
      for (const to of ["//nas/other/g", "//nas2/data/g", "//nas:1445/data/g"]) {
        const { sent, smb } = made(ok)
        const error = yield* Effect.flip(smb.rename(`${base}\\f`, to))
        assert(error._tag === "PathError" && error.reason._tag === "AcrossShares")
        const there = to.replaceAll("/", "\\")
        assert.include(error.message, `${base}\\f: cannot be renamed to ${there}`)
        assert.include(error.message, `the one is on ${base} and the other on ${there.slice(0, -2)}: copy and remove`)
        assert.deepStrictEqual(sent.map(({ operations, path }) => [path, operations]), [["f", []]])
      }
      const missing = status("STATUS_OBJECT_NAME_NOT_FOUND")
      assert.strictEqual(yield* Effect.flip(made(() => missing).smb.rename(`${base}\\f`, "//nas/other/g")), missing)
    }))

  it.effect("to a share in DFS first looks whether the new name's directory is behind a link", () =>
    Effect.gen(function*() {
      const moved = status("STATUS_PATH_NOT_COVERED", "CREATE", "d")
      const there = Scripted.batches(() => moved, { isDfs: true, name: "other" })
      const here = Scripted.batches(ok)
      const smb = PathOperations.operations({
        connect: ({ share }) => Effect.succeed(share === "other" ? there.share : here.share),
        locator: Locator.plain
      })
      assert.strictEqual(yield* Effect.flip(smb.rename(`${base}\\f`, "//nas/other/d/g")), moved)
      assert.deepStrictEqual(there.sent, [{ path: "d", options: OpenMode.attributes, operations: [] }])
    }))
})

describe("a symbolic link", () => {
  const data = (value: Codec.Type<typeof Reparse.ReparseDataBuffer>) => Codec.encode(Reparse.ReparseDataBuffer)(value)
  const link = (substituteName: string, printName: string, _tag: "SymbolicLink" | "MountPoint" = "SymbolicLink") =>
    data(_tag === "MountPoint" ? { _tag, substituteName, printName } : { _tag, substituteName, printName, flags: 0 })

  it.effect("is read as it was written: the print name, or the substitute name without its NT prefix", () =>
    Effect.gen(function*() {
      const table = [
        [link("..\\real", "..\\shown"), "..\\shown"],
        [link("..\\real", ""), "..\\real"],
        [link("\\??\\C:\\x", ""), "C:\\x"],
        [link("\\??\\UNC\\nas\\data\\x", ""), "nas\\data\\x"],
        [link("\\??\\C:\\x", "C:\\shown", "MountPoint"), "C:\\shown"],
        [link("\\??\\C:\\x", "", "MountPoint"), "C:\\x"],
        [data({ _tag: "NfsLink", target: "../real" }), "../real"]
      ] as const
      for (const [bytes, target] of table) {
        const { sent, smb } = made(() => ({ results: [Result.succeed(bytes)] }))
        assert.strictEqual(yield* smb.readLink(`${base}\\l`), target)
        // FSCTL_GET_REPARSE_POINT (MS-FSCC 2.3.30); the data have at most 16 KiB (2.1.2.2).
        assert.deepStrictEqual(sent, [{
          path: "l",
          options: OpenMode.readReparsePoint,
          operations: [{ _tag: "Ioctl", ctlCode: 0x0009_00a8, input: new Uint8Array(0), maximum: 16_384 }]
        }])
      }
    }))

  it.effect("is none if the reparse point is of another kind, or has malformed data", () =>
    Effect.gen(function*() {
      // IO_REPARSE_TAG_DEDUP, with no data.
      const other = Uint8Array.of(0x13, 0, 0, 0x80, 0, 0, 0, 0)
      const error = yield* Effect.flip(made(() => ({ results: [Result.succeed(other)] })).smb.readLink(`${base}\\l`))
      assert.deepInclude(error as object, { command: "IOCTL", path: `${base}\\l` })
      assert.deepInclude(error as object, { statusName: "STATUS_NOT_A_REPARSE_POINT" })
      const malformed = made(() => ({ results: [Result.succeed(Uint8Array.of(1, 2, 3))] }))
      assert.strictEqual((yield* Effect.flip(malformed.smb.readLink(`${base}\\l`)))._tag, "Malformed")
    }))

  it.effect("is made with an NT path for a target with a root, and as relative for any other", () =>
    Effect.gen(function*() {
      const table = [
        ["real", "real", "real", 1],
        ["../a/real", "..\\a\\real", "..\\a\\real", 1],
        ["a:b", "\\??\\a:b", "a:b", 0],
        ["C:\\x", "\\??\\C:\\x", "C:\\x", 0],
        ["z:/x", "\\??\\z:\\x", "z:\\x", 0],
        ["\\x", "\\??\\\\x", "\\x", 0],
        ["//nas/data/x", "\\??\\UNC\\nas\\data\\x", "\\\\nas\\data\\x", 0],
        ["\\??\\C:\\x", "\\??\\C:\\x", "\\??\\C:\\x", 0],
        ["ab:c", "ab:c", "ab:c", 1]
      ] as const
      for (const [target, substituteName, printName, flags] of table) {
        for (const directory of [undefined, false, true]) {
          const { sent, smb } = made(ok)
          yield* smb.makeLink(`${base}\\l`, target, { directory })
          const [set] = sent[0]!.operations
          // FSCTL_SET_REPARSE_POINT (MS-FSCC 2.3.81) has no output.
          assert(set?._tag === "Ioctl")
          assert.deepInclude(set, { ctlCode: 0x0009_00a4, maximum: 0 })
          assert.deepStrictEqual(set.input, data({ _tag: "SymbolicLink", substituteName, printName, flags }))
          const kind = directory === true ? CreateOptions.FILE_DIRECTORY_FILE : CreateOptions.FILE_NON_DIRECTORY_FILE
          assert.deepStrictEqual(sent[0]!.options, {
            ...OpenMode.createReparsePoint,
            createOptions: CreateOptions.FILE_OPEN_REPARSE_POINT | kind
          })
          assert.strictEqual(sent.length, 1)
        }
      }
    }))

  it.effect("that cannot be made leaves no file; if one is left, the log says so", () =>
    Effect.gen(function*() {
      const refused = status("STATUS_NOT_SUPPORTED", "IOCTL")
      const busy = status("STATUS_SHARING_VIOLATION", "SET_INFO")
      const fails = (error: SmbError) => ({ results: [Result.fail(error)] })
      for (const last of [ok(), fails(busy), busy]) {
        const lines: Array<string> = []
        const logger = Logger.make(({ message }) => void lines.push(String(message)))
        const { sent, smb } = made((_, index) => index === 0 ? fails(refused) : last)
        const error = yield* Effect.flip(smb.makeLink(`${base}\\l`, "t")).pipe(Effect.provide(Logger.layer([logger])))
        assert.deepInclude(error, { reason: refused.reason, command: "IOCTL" })
        assert.include(error.message, "does not support symbolic links that clients make")
        assert.deepStrictEqual(sent[1]?.options, OpenMode.remove)
        assert.deepStrictEqual(sent[1].operations.map(setInfo), [[13, Buffer.of(1)]])
        assert.strictEqual(lines.length, "results" in last || "_tag" in last ? 1 : 0)
        if (lines.length > 0) assert.include(lines[0], `${base}\\l: an empty file is left`)
      }
    }))
})
