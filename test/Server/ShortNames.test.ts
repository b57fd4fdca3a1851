/**
 * Proves that files with long names have short (8.3) names: listings and FileAlternateNameInformation show them (MS-FSCC
 * 2.4.5, 2.4.8, 2.4.22), requests find files by them, and other requests cost nothing more. Raw clients ask a server with
 * a memory store and one with a folder. The names are those that smbd gives.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, type Scope } from "effect"
import { Credentials } from "effect-smb/Auth"
import { Codec, DirectoryInformation, FileInformation, NtStatus as Status } from "effect-smb/Codec"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { KnownShortNames } from "../../src/Server/internal/State/KnownShortNames.ts"
import type { ShareStore, StoreError } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import * as Header from "../../src/Smb2/Header.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import { AccessMask as A, CreateDisposition as D, CreateOptions as O } from "../../src/Smb2/Message/Constants.ts"
import * as Message from "../../src/Smb2/Message/Message.ts"
import { Client, link, rename } from "./people.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.77"
const password = Redacted.make("secret")
const existing = { createDisposition: D.FILE_OPEN }
const { STATUS_OBJECT_NAME_NOT_FOUND: NOT_FOUND } = NtStatus

const decode = <A>(codec: Codec.Codec<A>, bytes: Uint8Array): A => {
  const decoded = Codec.decode("answer", codec)(bytes)
  if (decoded._tag === "Failure") throw decoded.failure
  return decoded.success
}

class User extends Client {
  /** The file's 8.3 name, or the status of the query. */
  async alternate(name: string): Promise<string | number> {
    const file = await this.must(name, existing)
    const answer = (await this.ask(Requests.query(file, "file", "FileAlternateNameInformation")))!
    await this.status(Requests.close(file))
    const status = answer.readUInt32LE(8)
    if (status !== 0) return status
    const { buffer } = decode(Codec.at(Header.size, Message.messages.QUERY_INFO.response), answer) as any
    return decode(FileInformation.FileAlternateNameInformation, buffer).fileName
  }

  /** The entries of the root that match a pattern, with their 8.3 names. */
  async entries(pattern: string, informationClass = 37): Promise<Record<string, string>> {
    const root = await this.must("", Requests.directory)
    const answer = (await this.ask({
      _tag: "QUERY_DIRECTORY",
      body: {
        fileInformationClass: informationClass,
        flags: 0,
        fileIndex: 0,
        fileId: root,
        outputBufferLength: 65_536,
        fileName: pattern
      }
    }))!
    await this.status(Requests.close(root))
    if (answer.readUInt32LE(8) !== 0) return {}
    const { buffer } = decode(Codec.at(Header.size, Message.messages.QUERY_DIRECTORY.response), answer) as any
    const entries = decode(DirectoryInformation.byNumber(informationClass)!.codec, buffer) as ReadonlyArray<any>
    return Object.fromEntries(entries.map(({ fileName, shortName }) => [fileName, shortName]))
  }

  async write(name: string, content = name): Promise<void> {
    const file = await this.must(name, { createDisposition: D.FILE_OVERWRITE_IF })
    assert.strictEqual(await this.status(Requests.write(file, Buffer.from(content))), 0)
    assert.strictEqual(await this.status(Requests.close(file)), 0)
  }

  async remove(name: string): Promise<void> {
    const file = await this.must(name, {
      ...existing,
      desiredAccess: A.DELETE,
      createOptions: O.FILE_DELETE_ON_CLOSE
    })
    assert.strictEqual(await this.status(Requests.close(file)), 0)
  }

  async with(name: string, request: (file: FileId) => Message.Request): Promise<number> {
    const file = await this.must(name, existing)
    const status = await this.status(request(file))
    await this.status(Requests.close(file))
    return status
  }
}

/** How often a store was asked for the names of a directory. */
interface Asked {
  lists: number
}

const counting = (store: ShareStore, asked: Asked): ShareStore => {
  const { names } = store
  const counted = <A extends ReadonlyArray<any>, B>(run: (...args: A) => B) => (...args: A): B => {
    asked.lists++
    return run(...args)
  }
  return { ...store, list: counted(store.list), ...(names === undefined ? {} : { names: counted(names) }) }
}

const stores: Record<string, Effect.Effect<ShareStore, StoreError, Scope.Scope>> = {
  "in memory": MemoryStore.make(),
  "in a folder": Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "effect-smb-short-"))),
      (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
    ),
    (path) => LocalStore.make(path)
  )
}

for (const [where, make] of Object.entries(stores)) {
  const test = (
    title: string,
    body: (user: User, asked: Asked) => Promise<void>,
    options: { readonly shortNames?: boolean } = {}
  ) =>
    it.live(title, () =>
      Effect.scoped(Effect.gen(function*() {
        const asked: Asked = { lists: 0 }
        const { port } = yield* SmbServer.make({
          host,
          port: 0,
          users: UserStore.inMemory({ joe: password }),
          shares: { data: { store: counting(yield* make, asked), ...options } },
          signing: "enabled"
        })
        const user = yield* Effect.acquireRelease(
          Effect.promise(async () => {
            const made = new User(host, port)
            assert.isTrue(await made.logOn("data", Credentials.password("joe", password)))
            return made
          }),
          (made) => Effect.sync(() => made.close())
        )
        yield* Effect.promise(() => body(user, asked))
      })))

  describe(`the short name of a file ${where}`, () => {
    test("is shown by listings and by a query, and is the name itself if that is short", async (user) => {
      for (const name of ["a long name.txt", "b.bin", "SHORT"]) await user.write(name)
      // The classes without a short name, and those with one.
      for (const number of [1, 2, 12, 38]) {
        assert.deepStrictEqual(Object.keys(await user.entries("a*", number)), ["a long name.txt"])
      }
      for (const number of [3, 37]) {
        assert.deepStrictEqual(await user.entries("*", number), {
          ".": "",
          "..": "",
          "a long name.txt": "AA2NT9~L.TXT",
          "b.bin": "",
          SHORT: ""
        })
      }
      assert.strictEqual(await user.alternate("A Long Name.txt"), "AA2NT9~L.TXT")
      assert.strictEqual(await user.alternate("b.bin"), "B.BIN")
      assert.strictEqual(await user.alternate("short"), "SHORT")
      assert.strictEqual(await user.alternate(""), ".")
    })

    test("opens, renames, links and removes the file, also as a part of a path", async (user) => {
      const folder = await user.must("Program Files", { createOptions: O.FILE_DIRECTORY_FILE })
      await user.status(Requests.close(folder))
      await user.write("PL6FPL~Q\\a long name.txt", "content")
      assert.strictEqual(await user.text("program files\\aa2nt9~l.txt"), "content")
      assert.strictEqual(
        await user.with("pl6fpl~q\\aa2nt9~l.txt", (file) => link(file, "pl6fpl~q\\verylongfilename")),
        0
      )
      assert.strictEqual(await user.text("Program Files\\V5MKIN~K"), "content")
      // A name by which a file exists is taken.
      const collision = await user.open("Program Files\\V5MKIN~K", { createDisposition: D.FILE_CREATE })
      assert.strictEqual(collision, NtStatus.STATUS_OBJECT_NAME_COLLISION)
      assert.strictEqual(
        await user.with("PL6FPL~Q\\V5MKIN~K", (file) => rename(file, "PL6FPL~Q\\AA2NT9~L.TXT")),
        NtStatus.STATUS_OBJECT_NAME_COLLISION
      )
      assert.strictEqual(await user.with("PL6FPL~Q\\V5MKIN~K", (file) => rename(file, "PL6FPL~Q\\new")), 0)
      await user.remove("PL6FPL~Q\\AA2NT9~L.TXT")
      assert.strictEqual(await user.open("Program Files\\a long name.txt", existing), NOT_FOUND)
      assert.strictEqual(await user.text("Program Files\\new"), "content")
    })

    test("is the same name for a pending deletion", async (user) => {
      await user.write("a long name.txt")
      const file = await user.must("AA2NT9~L.TXT", { ...existing, desiredAccess: A.DELETE })
      assert.strictEqual(
        await user.status(Requests.set(file, "file", "FileDispositionInformation", Uint8Array.of(1))),
        0
      )
      assert.strictEqual(await user.open("a long name.txt", existing), NtStatus.STATUS_DELETE_PENDING)
    })

    test("matches the pattern of a listing", async (user) => {
      for (const name of ["verylongfilename", "other"]) await user.write(name)
      for (const pattern of ["V5MKIN~K", "v*~k", "????????"]) {
        assert.deepStrictEqual(await user.entries(pattern), { verylongfilename: "V5MKIN~K" }, pattern)
      }
      assert.deepStrictEqual(await user.entries("V5MKIN~L"), {})
    })

    test("opens nothing if two names could be meant, and gives way to a file whose own name it is", async (user) => {
      // A search found two names with the same hash.
      const [one, other, short] = ["xde1588384", "xdd2c3ec5a", "XR9XTA~B"]
      await user.write(one, "one")
      assert.strictEqual(await user.alternate(one), short)
      assert.strictEqual(await user.text(short), "one")
      await user.remove(one)
      await user.write(other, "other")
      assert.strictEqual(await user.text(short), "other")
      await user.write("temp", "one")
      assert.strictEqual(await user.with("temp", (file) => rename(file, one)), 0)
      assert.deepStrictEqual(await user.entries("x*"), { [one]: short, [other]: short })
      assert.strictEqual(await user.alternate(one), short)
      assert.strictEqual(await user.alternate(other), short)
      assert.strictEqual(await user.open(short, existing), NOT_FOUND)
      await user.write("temp", "own")
      assert.strictEqual(await user.with("temp", (file) => rename(file, short)), 0)
      assert.strictEqual(await user.text(short), "own")
      // The short name would lead to another file.
      assert.strictEqual(await user.alternate(one), NOT_FOUND)
    })

    test("costs no listing for a name that exists, or that has another form", async (user, asked) => {
      for (const name of ["AA2NT9~L.TXT", "~WRL0001.tmp", "plain"]) await user.write(name)
      asked.lists = 0
      for (const name of ["AA2NT9~L.TXT", "~WRL0001.tmp", "plain"]) assert.strictEqual(await user.text(name), name)
      for (const name of ["~WRL0002.tmp", "missing", "a long name that is missing.txt", "plain.AA2NT9~L"]) {
        assert.strictEqual(await user.open(name, existing), NOT_FOUND)
      }
      assert.strictEqual(asked.lists, 0)
      assert.strictEqual(await user.open("V5MKIN~K", existing), NOT_FOUND)
      assert.strictEqual(asked.lists, 1)
      // A short name that the server has told, or found before, is known.
      for (const name of ["verylongfilename", "Program Files"]) await user.write(name)
      assert.strictEqual(await user.alternate("verylongfilename"), "V5MKIN~K")
      assert.strictEqual(await user.text("V5MKIN~K"), "verylongfilename")
      assert.strictEqual(asked.lists, 1)
      for (let turn = 0; turn < 2; turn++) assert.strictEqual(await user.text("PL6FPL~Q"), "Program Files")
      assert.strictEqual(asked.lists, 2)
    })

    test("gives its long name to a new file soon after the file was removed or renamed", async (user) => {
      await user.write("verylongfilename", "old")
      await user.remove("V5MKIN~K")
      await user.write("V5MKIN~K", "new")
      assert.deepStrictEqual(Object.keys(await user.entries("v*")), ["verylongfilename"])
      assert.strictEqual(await user.with("V5MKIN~K", (file) => rename(file, "old.bak")), 0)
      await user.write("temp", "newest")
      assert.strictEqual(await user.with("temp", (file) => rename(file, "V5MKIN~K")), 0)
      assert.strictEqual(await user.text("verylongfilename"), "newest")
    })

    test("cannot be set", async (user) => {
      await user.write("f")
      const set = (file: FileId) =>
        Requests.set(file, "file", "FileShortNameInformation", Buffer.from([2, 0, 0, 0, 65, 0]))
      assert.strictEqual(await user.with("f", set), NtStatus.STATUS_PRIVILEGE_NOT_HELD)
      await user.write("f:s")
      assert.strictEqual(await user.with("f:s", set), NtStatus.STATUS_INVALID_PARAMETER)
    })

    test("does not exist if the share has none", async (user, asked) => {
      await user.write("a long name.txt")
      await user.write("b.bin")
      asked.lists = 0
      assert.strictEqual(await user.open("AA2NT9~L.TXT", existing), NOT_FOUND)
      assert.strictEqual(asked.lists, 0)
      assert.strictEqual(await user.alternate("a long name.txt"), NOT_FOUND)
      assert.strictEqual(await user.alternate("b.bin"), "B.BIN")
      assert.deepStrictEqual(await user.entries("AA2NT9~L.TXT"), {})
      assert.deepStrictEqual(await user.entries("a*"), { "a long name.txt": "" })
    }, { shortNames: false })
  })
}

describe("the names that a server remembers for short names", () => {
  it("are at most 4096, and give their name to a new file for 15 seconds", () => {
    let now = 0
    const names = new KnownShortNames(() => now)
    names.forget(["d", "verylongfilename"])
    now = 15_000
    assert.strictEqual(names.tunnel(["D"], "v5mkin~k"), "verylongfilename")
    now = 15_001
    assert.isUndefined(names.tunnel(["d"], "V5MKIN~K"))
    assert.strictEqual(names.find(["d"], "V5MKIN~K"), "verylongfilename")
    assert.isUndefined(names.find([], "V5MKIN~K"))
    names.learn(["d", "short"])
    for (let i = 0; i < 4095; i++) names.learn(["d", `a long name ${i}`])
    assert.strictEqual(names.find(["d"], "V5MKIN~K"), "verylongfilename")
    names.learn(["d", "one more long name"])
    assert.isUndefined(names.find(["d"], "V5MKIN~K"))
  })
})
