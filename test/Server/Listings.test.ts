/**
 * Proves what QUERY_DIRECTORY gives (MS-SMB2 3.3.5.18, MS-FSA 2.1.5.6.3): where a scan goes on or begins again, as many
 * entries as fit, their places in the response, and the status at its end. A raw client lists a memory store.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { Codec, DirectoryInformation, FileInformation, NtStatus as Status, Reparse } from "effect-smb/Codec"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { ShareStore, StoreError } from "../../src/Server/ShareStore.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask as A, CreateDisposition as D, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import { Fsctl } from "../../src/Smb2/Message/Fsctl.ts"
import type * as QueryDirectory from "../../src/Smb2/Message/QueryDirectory.ts"
import { type Client, everything, place } from "./people.ts"
import { statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const host = "127.0.43.63"
const [RESTART, SINGLE, REOPEN] = [1, 2, 0x10]
const { FileIdExtdDirectoryInformation, FileNamesInformation } = DirectoryInformation.classes
const none = "STATUS_NO_MORE_FILES"

/** A folder that is removed with the scope. */
const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "listings-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const stores: Record<string, Effect.Effect<ShareStore, StoreError, Scope.Scope>> = {
  "in memory": MemoryStore.make(),
  "in a folder": Effect.flatMap(temporary, (path) => LocalStore.make(path))
}

const casesOf =
  (make: Effect.Effect<ShareStore, StoreError, Scope.Scope>) =>
  (name: string, run: (ann: Client, joe: Client) => Promise<void>) =>
    it.live(name, () =>
      Effect.scoped(Effect.gen(function*() {
        const store = yield* make
        const { client } = yield* place(host, () => store)
        const [ann, joe] = [yield* client("ann"), yield* client("joe")]
        yield* Effect.promise(() => run(ann, joe))
      })))

const cases = casesOf(MemoryStore.make())

const folder = { createOptions: O.FILE_DIRECTORY_FILE }

/** Asks for names alone. By default it goes on with the last scan, without a pattern. Gives the buffer or a status. */
const query = async (
  client: Client,
  fileId: FileId,
  how: Partial<QueryDirectory.Request> = {}
): Promise<Buffer | string> => {
  const answer = (await client.ask({
    _tag: "QUERY_DIRECTORY",
    body: {
      fileInformationClass: FileNamesInformation.number,
      flags: 0,
      fileIndex: 0,
      fileId,
      outputBufferLength: 65_536,
      fileName: "",
      ...how
    }
  }))!
  if (statusOf(answer) !== 0) return Status.name(statusOf(answer)!)
  const [at, count] = [answer.readUInt16LE(66), answer.readUInt32LE(68)]
  return Buffer.from(answer.subarray(at, at + count))
}

const decode = Codec.decode("names", FileNamesInformation.codec)

const names = async (...how: Parameters<typeof query>): Promise<ReadonlyArray<string> | string> => {
  const found = await query(...how)
  if (typeof found === "string") return found
  const decoded = decode(found)
  assert(decoded._tag === "Success")
  return decoded.success.map(({ fileName }) => fileName)
}

/** A folder with files of these names, opened for listing. */
const list = async (client: Client, ...files: ReadonlyArray<string>): Promise<FileId> => {
  const made = await client.must("d", folder)
  for (const file of files) await client.status(Requests.close(await client.must(`d\\${file}`)))
  return made
}

describe("a scan of a directory", () => {
  cases("begins with its pattern, goes on after the last entry, and ends with STATUS_NO_MORE_FILES", async (ann) => {
    const directory = await list(ann, "a", "b", "c")
    assert.strictEqual(await names(ann, directory), "STATUS_OBJECT_NAME_INVALID")
    const single = (fileName = "") => names(ann, directory, { flags: SINGLE, fileName })
    assert.deepStrictEqual(await single("*"), ["."])
    assert.deepStrictEqual(await single(), [".."])
    // The pattern of a scan stays until it begins again.
    assert.deepStrictEqual(await single("c"), ["a"])
    assert.deepStrictEqual(await names(ann, directory), ["b", "c"])
    assert.strictEqual(await names(ann, directory), none)
    assert.strictEqual(await names(ann, directory, { fileName: "a" }), none)
  })

  cases("begins again with SMB2_RESTART_SCANS or SMB2_REOPEN, with a new pattern if there is one", async (ann) => {
    const directory = await list(ann, "a1", "a2", "b1")
    assert.deepStrictEqual(await names(ann, directory, { fileName: "a*" }), ["a1", "a2"])
    assert.deepStrictEqual(await names(ann, directory, { flags: RESTART }), ["a1", "a2"])
    assert.deepStrictEqual(await names(ann, directory, { flags: RESTART, fileName: "b*" }), ["b1"])
    assert.deepStrictEqual(await names(ann, directory, { flags: RESTART }), ["b1"])
    assert.deepStrictEqual(await names(ann, directory, { flags: REOPEN, fileName: "a1" }), ["a1"])
    assert.strictEqual(await names(ann, directory), none)
    assert.deepStrictEqual(await names(ann, directory, { flags: RESTART | SINGLE, fileName: "a?" }), ["a1"])
    assert.deepStrictEqual(await names(ann, directory), ["a2"])
    assert.strictEqual(await names(ann, directory, { flags: REOPEN }), "STATUS_OBJECT_NAME_INVALID")
  })

  cases(
    "that finds no name has STATUS_NO_SUCH_FILE, and later STATUS_NO_MORE_FILES if it has found one",
    async (ann) => {
      const directory = await list(ann, "a")
      for (let i = 0; i < 2; i++) {
        assert.strictEqual(await names(ann, directory, { fileName: "x*" }), "STATUS_NO_SUCH_FILE")
      }
      assert.deepStrictEqual(await names(ann, directory, { flags: RESTART, fileName: "A" }), ["a"])
      assert.strictEqual(await names(ann, directory), none)
    }
  )

  for (const [where, make] of Object.entries(stores)) {
    casesOf(make)(
      `of a store ${where} has the directory and its parent if the pattern matches their names`,
      async (ann) => {
        const directory = await list(ann, "a", "b.txt")
        for (
          const [fileName, expected] of [
            ["*", [".", "..", "a", "b.txt"]],
            [".", ["."]],
            ["..", [".."]],
            ["?", [".", "a"]],
            ["b*", ["b.txt"]],
            ["B.TXT", ["b.txt"]]
          ] as const
        ) {
          const found = await names(ann, directory, { flags: RESTART, fileName })
          // The names of the store come in any order, after the first two.
          assert.deepStrictEqual(typeof found === "string" ? found : found.toSorted(), [...expected], fileName)
        }
        const root = await ann.must("", folder)
        assert.deepStrictEqual(await names(ann, root, { fileName: "*" }), [".", "..", "d"])
      }
    )
  }

  cases("is each open's own", async (ann, joe) => {
    const [one, two] = [await list(ann, "a", "b"), await joe.must("d", folder)]
    const single = (client: Client, at: FileId) => names(client, at, { flags: SINGLE, fileName: "?" })
    assert.deepStrictEqual(await single(ann, one), ["."])
    assert.deepStrictEqual(await single(joe, two), ["."])
    assert.deepStrictEqual(await single(ann, one), ["a"])
    assert.deepStrictEqual(await single(ann, one), ["b"])
    assert.deepStrictEqual(await single(joe, two), ["a"])
  })
})

describe("the entries of a listing", () => {
  // MS-FSCC 2.4.33: NextEntryOffset, FileIndex, FileNameLength, then the name: 12 bytes and 2 for each code unit.
  cases("begin at multiples of 8 bytes, as many as fit", async (ann) => {
    const all = ["aa", "abbb", "acc", "adddd"]
    const directory = await list(ann, ...all)
    // The offset of each entry, and its end.
    const ends: Array<number> = []
    const starts = all.map((name) => {
      const start = Math.ceil((ends.at(-1) ?? 0) / 8) * 8
      ends.push(start + 12 + 2 * name.length)
      return start
    })
    const offsets = (buffer: Buffer): ReadonlyArray<number> => {
      const found = [0]
      for (let at = 0; buffer.readUInt32LE(at) !== 0;) found.push(at += buffer.readUInt32LE(at))
      return found
    }
    for (let count = 1; count <= all.length; count++) {
      const rooms = [ends[count - 1]!, count === all.length ? 65_536 : ends[count]! - 1]
      for (const outputBufferLength of rooms) {
        const how = { flags: RESTART, fileName: "a*", outputBufferLength }
        const found = await query(ann, directory, how)
        assert(typeof found !== "string")
        assert.deepStrictEqual(offsets(found), starts.slice(0, count))
        assert.lengthOf(found, ends[count - 1]!)
        assert.deepStrictEqual(await names(ann, directory, how), all.slice(0, count))
      }
    }
  })

  cases("that did not fit come with the next request, each once", async (ann) => {
    const all = Array.from({ length: 30 }, (_, i) => `file-${String(i).padStart(2, "0")}`)
    const directory = await list(ann, ...all)
    const found: Array<string> = []
    for (;;) {
      const some = await names(ann, directory, { fileName: "file*", outputBufferLength: 100 })
      if (typeof some === "string") {
        assert.strictEqual(some, none)
        break
      }
      // 12 bytes and 14 for the name, each but the last up to a multiple of 8.
      assert.isAtMost(some.length, 3)
      found.push(...some)
    }
    assert.deepStrictEqual(found, all)
  })

  cases("need room for one of them: without it the scan does not move", async (ann) => {
    const directory = await list(ann, "abcd")
    const room = (outputBufferLength: number) => names(ann, directory, { fileName: "a*", outputBufferLength })
    for (const size of [0, 1, 19]) assert.strictEqual(await room(size), "STATUS_INFO_LENGTH_MISMATCH")
    assert.deepStrictEqual(await room(20), ["abcd"])
  })

  cases("have the identifier of their file in 64 or 128 bits, and no sizes if they are directories", async (ann) => {
    const directory = await list(ann, "f")
    await ann.must("d\\sub", folder)
    const file = await ann.must("d\\f")
    assert.strictEqual(await ann.status(Requests.write(file, Buffer.from("text"))), 0)
    // FileInternalInformation: the identifier, after 8 bytes of the response.
    const id = (await ann.ask(Requests.query(file, "file", "FileInternalInformation")))!.readBigUInt64LE(72)
    for (const name of ["FileIdBothDirectoryInformation", "FileIdExtdDirectoryInformation"] as const) {
      const { codec, number } = DirectoryInformation.classes[name]
      const entriesOf = async (fileName: string) => {
        const how = { fileInformationClass: number, flags: RESTART, fileName }
        const decoded = Codec.decode("entries", codec as Codec.Codec<any>)(await query(ann, directory, how) as Buffer)
        assert(decoded._tag === "Success")
        return decoded.success as ReadonlyArray<Record<string, any>>
      }
      const [entry] = await entriesOf("f")
      assert.deepInclude(entry, { fileName: "f", endOfFile: 4n, fileIndex: 0 })
      const found = entry!.fileId
      if (name === "FileIdBothDirectoryInformation") {
        assert.strictEqual(found, id)
      } else {
        const wide = Buffer.alloc(16)
        wide.writeBigUInt64LE(id)
        assert.deepStrictEqual(Buffer.from(found), wide)
      }
      const [sub] = await entriesOf("sub")
      assert.deepInclude(sub, { fileName: "sub", endOfFile: 0n, allocationSize: 0n, fileAttributes: 0x10, eaSize: 0 })
    }
    assert.strictEqual(FileIdExtdDirectoryInformation.number, 60)
  })
})

/** The classes that have EaSize, and whether they have a field of their own for the reparse tag. */
const sized = {
  FileFullDirectoryInformation: false,
  FileBothDirectoryInformation: false,
  FileIdBothDirectoryInformation: false,
  FileIdFullDirectoryInformation: false,
  FileIdExtdDirectoryInformation: true,
  FileIdExtdBothDirectoryInformation: true
} as const

for (const [where, make] of Object.entries(stores)) {
  describe(`EaSize in a listing of a store ${where}`, () => {
    const run = casesOf(make)

    const entryIn = async (ann: Client, directory: FileId, name: keyof typeof sized, fileName: string) => {
      const { codec, number } = DirectoryInformation.classes[name]
      const how = { fileInformationClass: number, flags: RESTART, fileName }
      const found = await query(ann, directory, how)
      if (typeof found === "string") return assert.fail(`${name} of ${fileName}: ${found}`)
      const decoded = Codec.decode("entries", codec as Codec.Codec<any>)(found)
      assert(decoded._tag === "Success")
      return decoded.success[0] as { readonly eaSize: number; readonly reparsePointTag?: number }
    }

    const attribute = (eaName: string, length: number) =>
      Codec.encode(FileInformation.FileFullEaInformation)([{ flags: 0, eaName, eaValue: new Uint8Array(length) }])

    run("is that of FileEaInformation, for files and directories, after each change", async (ann) => {
      const directory = await list(ann, "none")
      const file = await ann.must("d\\file")
      const sub = await ann.must("d\\sub", folder)
      // An entry has 8 bytes, the name, a NUL and the value. The next one begins at a multiple of 4 (MS-FSCC 2.4.16).
      const steps = [[attribute("ONE", 3), 15], [attribute("TWO", 100), 16 + 112], [attribute("ONE", 0), 112]] as const
      for (const [change, size] of steps) {
        for (const [open, name] of [[file, "file"], [sub, "sub"]] as const) {
          assert.strictEqual(await ann.status(Requests.set(open, "file", "FileFullEaInformation", change)), 0)
          assert.strictEqual((await ann.ask(Requests.query(open, "file", "FileEaInformation")))!.readUInt32LE(72), size)
          for (const known of Object.keys(sized) as Array<keyof typeof sized>) {
            assert.strictEqual((await entryIn(ann, directory, known, name)).eaSize, size, `${known} of ${name}`)
          }
        }
      }
      for (const known of Object.keys(sized) as Array<keyof typeof sized>) {
        assert.strictEqual((await entryIn(ann, directory, known, "none")).eaSize, 0)
        assert.strictEqual((await entryIn(ann, sub, known, ".")).eaSize, 112)
      }
    })

    run("is the tag of a reparse point, except in the classes that have a field for the tag", async (ann) => {
      const directory = await list(ann)
      const link = await ann.must("d\\link", { createOptions: O.FILE_OPEN_REPARSE_POINT })
      const target = { substituteName: "x", printName: "x", flags: Reparse.SYMLINK_FLAG_RELATIVE }
      const data = Codec.encode(Reparse.ReparseDataBuffer)({ _tag: "SymbolicLink", ...target })
      assert.strictEqual(await ann.status(Requests.fsctl(link, Fsctl.FSCTL_SET_REPARSE_POINT, data)), 0)
      const tag = Reparse.ReparseTag.IO_REPARSE_TAG_SYMLINK
      for (const [name, hasField] of Object.entries(sized)) {
        const entry = await entryIn(ann, directory, name as keyof typeof sized, "link")
        assert.deepInclude(entry, hasField ? { eaSize: 0, reparsePointTag: tag } : { eaSize: tag }, name)
      }
    })
  })
}

describe("a listing is refused", () => {
  cases(
    "for a file, with an unknown class, without the right, with a long pattern, and beyond its credits",
    async (ann) => {
      const directory = await list(ann, "f")
      assert.strictEqual(await names(ann, await ann.must("d\\f"), { fileName: "*" }), "STATUS_INVALID_PARAMETER")
      const unknown = { fileInformationClass: 0x77, fileName: "*" }
      assert.strictEqual(await names(ann, directory, unknown), "STATUS_INVALID_INFO_CLASS")
      const looks = await ann.must("d", {
        ...folder,
        createDisposition: D.FILE_OPEN,
        desiredAccess: everything & ~A.FILE_LIST_DIRECTORY
      })
      assert.strictEqual(await names(ann, looks, { fileName: "*" }), "STATUS_ACCESS_DENIED")
      const long = "?".repeat(256)
      assert.strictEqual(await names(ann, directory, { fileName: long }), "STATUS_OBJECT_NAME_INVALID")
      assert.strictEqual(await names(ann, directory, { fileName: long.slice(1) }), "STATUS_NO_SUCH_FILE")
      const large = { flags: RESTART, fileName: "*", outputBufferLength: 65_537 }
      assert.strictEqual(await names(ann, directory, large), "STATUS_INVALID_PARAMETER")
    }
  )
})
