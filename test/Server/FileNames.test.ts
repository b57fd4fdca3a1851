/**
 * Proves that a deletion, a rename or a link reaches the name by which its handle was opened, and the file that it was
 * opened as: not another name of the file, and not another file that has the name or the inode by then. And that CLOSE
 * reports whether a deletion failed. Raw clients ask a server with a memory store or a folder.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Redacted, type Scope } from "effect"
import { SmbClient, TcpTransport } from "effect-smb"
import { Credentials } from "effect-smb/Auth"
import { Codec, FileInformation, NtStatus as Status, SecurityDescriptor as Sd } from "effect-smb/Codec"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Access from "../../src/Server/internal/State/Access.ts"
import { type ShareStore, type StoreError, storeError, type StoreReason } from "../../src/Server/ShareStore.ts"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as LocalStore from "../../src/Server/Store/LocalStore.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import type { FileId } from "../../src/Smb2/Message/Common.ts"
import {
  AccessMask as A,
  CreateDisposition as D,
  CreateOptions as O,
  InfoType,
  SecurityInformation
} from "../../src/Smb2/Message/Constants.ts"
import { RawClient, statusOf } from "./RawClient.ts"
import * as Requests from "./requests.ts"

const { NtStatus } = Status
const host = "127.0.43.2"
const secret = Redacted.make("secret")
const sids = { ann: "S-1-5-21-1-2-3-1001", joe: "S-1-5-21-1-2-3-1002" } as const
type Name = keyof typeof sids

const dispose = (file: FileId) => Requests.set(file, "file", "FileDispositionInformation", Uint8Array.of(1))

const rename = (file: FileId, fileName: string, replaceIfExists = false) =>
  Requests.set(
    file,
    "file",
    10,
    Codec.encode(FileInformation.FileRenameInformation)({ replaceIfExists, rootDirectory: 0n, fileName })
  )

const link = (file: FileId, fileName: string, replaceIfExists = false) =>
  Requests.set(
    file,
    "file",
    11,
    Codec.encode(FileInformation.FileLinkInformation)({ replaceIfExists, rootDirectory: 0n, fileName })
  )

const existing = { createDisposition: D.FILE_OPEN }
const toRead = { ...existing, desiredAccess: A.FILE_READ_DATA }
const toDelete = { ...existing, desiredAccess: A.DELETE | A.FILE_READ_ATTRIBUTES | A.FILE_WRITE_ATTRIBUTES }
const attributes = { ...existing, desiredAccess: A.FILE_READ_ATTRIBUTES }

class Client extends RawClient {
  async status(request: Parameters<RawClient["ask"]>[0]): Promise<number> {
    return statusOf(await this.ask(request)) ?? -1
  }

  /** Must succeed. */
  async does(request: Parameters<RawClient["ask"]>[0]): Promise<void> {
    assert.strictEqual((await this.status(request)).toString(16), "0")
  }

  async must(name: string, how: Parameters<RawClient["open"]>[1] = {}): Promise<FileId> {
    const file = await this.open(name, how)
    if (typeof file === "number") return assert.fail(`${name}: ${file.toString(16)}`)
    return file
  }

  async make(name: string, content = name): Promise<void> {
    const file = await this.must(name, { createDisposition: D.FILE_CREATE })
    await this.does(Requests.write(file, Buffer.from(content)))
    await this.does(Requests.close(file))
  }

  async makeDirectory(name: string): Promise<void> {
    await this.does(
      Requests.close(await this.must(name, { createDisposition: D.FILE_CREATE, createOptions: O.FILE_DIRECTORY_FILE }))
    )
  }

  /** Gives a file one more name. */
  async makeLink(name: string, other: string): Promise<void> {
    const file = await this.must(name, { ...existing, desiredAccess: A.FILE_WRITE_ATTRIBUTES })
    await this.does(link(file, other))
    await this.does(Requests.close(file))
  }

  /** What a file holds, or the status that its open is refused with. */
  async text(name: string): Promise<string | number> {
    const file = await this.open(name, toRead)
    if (typeof file === "number") return file
    const answer = (await this.ask(Requests.read(file, 100)))!
    await this.does(Requests.close(file))
    return answer.subarray(64 + 16).toString()
  }
}

const notFound = NtStatus.STATUS_OBJECT_NAME_NOT_FOUND

interface Place {
  readonly client: (user: Name, share?: string) => Promise<Client>
  /** The messages of the log. */
  readonly said: ReadonlyArray<string>
}

const serve = Effect.fnUntraced(function*(store: ShareStore, shares: Readonly<Record<string, ShareStore>> = {}) {
  const said: Array<string> = []
  const logger = Logger.make<unknown, void>(({ message }) => void said.push(String(message)))
  const { port } = yield* SmbServer.make({
    host,
    port: 0,
    users: UserStore.inMemory({
      ann: { password: secret, sid: sids.ann },
      joe: { password: secret, sid: sids.joe }
    }),
    shares: { data: { store }, ...shares },
    signing: "enabled"
  }).pipe(Effect.provide(Layer.fresh(Logger.layer([logger]))))
  const clients: Array<Client> = []
  yield* Effect.addFinalizer(() => Effect.sync(() => clients.forEach((client) => client.close())))
  const place: Place = {
    client: async (user, share = "data") => {
      const made = new Client(host, port)
      clients.push(made)
      assert.isTrue(await made.logOn(share, Credentials.password(user, secret)))
      return made
    },
    said
  }
  return place
})

const folder = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "effect-smb-names-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)

/** A server that serves a folder, and the folder's path. */
const local = Effect.gen(function*() {
  const path = yield* folder
  const place = yield* serve(yield* LocalStore.make(path))
  return { ...place, at: (...names: ReadonlyArray<string>) => join(path, ...names) }
})

const stores: Record<string, Effect.Effect<ShareStore, StoreError, Scope.Scope>> = {
  "in memory": MemoryStore.make(),
  "in a folder": Effect.flatMap(folder, (path) => LocalStore.make(path))
}

for (const [where, make] of Object.entries(stores)) {
  const test = (title: string, body: (place: Place) => Promise<void>) =>
    it.live(
      title,
      () => Effect.scoped(Effect.flatMap(Effect.flatMap(make, serve), (place) => Effect.promise(() => body(place))))
    )

  /** One file with a name in each of two directories; ann has it open by the first. */
  const twoNames = async ({ client }: Place) => {
    const [ann, joe] = [await client("ann"), await client("joe")]
    for (const name of ["one", "two"]) await ann.makeDirectory(name)
    await ann.make("one\\x", "content")
    await ann.makeLink("one\\x", "two\\y")
    return { ann, joe, open: await ann.must("one\\x", toRead) }
  }

  describe(`a file with several names ${where}`, () => {
    test("loses the name that it is deleted by, and keeps the name by which another client has it open", async (place) => {
      const { ann, joe, open } = await twoNames(place)
      const file = await joe.must("two\\y", toDelete)
      await joe.does(dispose(file))
      await joe.does(Requests.close(file))
      await ann.does(Requests.close(open))
      assert.strictEqual(await joe.text("one\\x"), "content")
      assert.strictEqual(await joe.text("two\\y"), notFound)
    })

    test("loses the name that is deleted on close, also when the open by the other name is closed first", async (place) => {
      const { ann, joe, open } = await twoNames(place)
      const file = await joe.must("two\\y", { ...toDelete, createOptions: O.FILE_DELETE_ON_CLOSE })
      await ann.does(Requests.close(open))
      await joe.does(Requests.close(file))
      assert.strictEqual(await joe.text("one\\x"), "content")
      assert.strictEqual(await joe.text("two\\y"), notFound)
    })

    test("can be opened by one name while a deletion of the other name is pending", async (place) => {
      const { ann, joe } = await twoNames(place)
      const file = await joe.must("two\\y", toDelete)
      await joe.does(dispose(file))
      assert.strictEqual(await ann.text("one\\x"), "content")
      assert.strictEqual(await ann.text("two\\y"), NtStatus.STATUS_DELETE_PENDING)
    })

    test("keeps its other name when it is renamed", async (place) => {
      const { joe } = await twoNames(place)
      const file = await joe.must("two\\y", toDelete)
      await joe.does(rename(file, "two\\z"))
      await joe.does(Requests.close(file))
      assert.strictEqual(await joe.text("one\\x"), "content")
      assert.strictEqual(await joe.text("two\\z"), "content")
      assert.strictEqual(await joe.text("two\\y"), notFound)
    })

    test("gets a further name through a handle that was renamed before", async (place) => {
      const { joe } = await twoNames(place)
      const file = await joe.must("two\\y", toDelete)
      await joe.does(rename(file, "two\\z"))
      await joe.does(link(file, "two\\again"))
      assert.strictEqual(await joe.text("two\\again"), "content")
    })

    test("is deleted only by a name that the user may delete, and keeps its other name", async ({ client }) => {
      const [ann, joe] = [await client("ann"), await client("joe")]
      const set = async (name: string, rights: Partial<Record<Name, number>>) => {
        const file = await ann.must(name, existing)
        const aces = Object.entries(rights).map(([user, mask]) => ({
          _tag: "Basic" as const,
          aceType: Sd.AceType.ACCESS_ALLOWED_ACE_TYPE,
          aceFlags: 0,
          mask,
          sid: sids[user as Name]
        }))
        const descriptor = Codec.encode(Sd.SecurityDescriptor)({
          sbz1: 0,
          control: Sd.Control.SE_DACL_PRESENT | Sd.Control.SE_SELF_RELATIVE,
          owner: sids.ann,
          group: undefined,
          sacl: undefined,
          dacl: { aclRevision: 2, aces }
        })
        await ann.does(Requests.set(file, "security", 0, descriptor))
        await ann.does(Requests.close(file))
      }
      const { all, read } = Access.generic
      await ann.makeDirectory("box")
      await joe.makeDirectory("joes")
      await ann.make("box\\write.txt", "hers")
      await set("box\\write.txt", { ann: all, joe: read | A.FILE_WRITE_DATA | A.FILE_WRITE_ATTRIBUTES })
      await set("box", { ann: all, joe: read })
      assert.strictEqual(await joe.open("box\\write.txt", toDelete), NtStatus.STATUS_ACCESS_DENIED)
      await joe.makeLink("box\\write.txt", "joes\\w")
      const open = await ann.must("box\\write.txt", toRead)
      // His own directory lets him delete what is in it.
      const file = await joe.must("joes\\w", toDelete)
      await joe.does(dispose(file))
      await joe.does(Requests.close(file))
      await ann.does(Requests.close(open))
      assert.strictEqual(await ann.text("box\\write.txt"), "hers")
      assert.strictEqual(await ann.text("joes\\w"), notFound)
    })
  })

  describe(`a name ${where}`, () => {
    test("can be used again for a new file after its file was deleted", async ({ client }) => {
      const ann = await client("ann")
      await ann.make("f", "old")
      const file = await ann.must("f", toDelete)
      await ann.does(dispose(file))
      await ann.does(Requests.close(file))
      await ann.make("f", "new")
      assert.strictEqual(await ann.text("F"), "new")
    })

    test("of a directory cannot change while a file below is open, and leads to the files below after a rename", async ({ client }) => {
      const [ann, joe] = [await client("ann"), await client("joe")]
      await ann.makeDirectory("a")
      await ann.makeDirectory("a\\b")
      await ann.make("a\\b\\f")
      const file = await joe.must("a\\b\\f", toRead)
      const directory = await ann.must("a", { ...toDelete, createOptions: O.FILE_DIRECTORY_FILE })
      assert.strictEqual(await ann.status(rename(directory, "c")), NtStatus.STATUS_ACCESS_DENIED)
      await joe.does(Requests.close(file))
      await ann.does(rename(directory, "c"))
      await ann.does(Requests.close(directory))
      const inner = await ann.must("C\\B\\F", toDelete)
      await ann.does(dispose(inner))
      assert.strictEqual(await joe.text("c\\b\\f"), NtStatus.STATUS_DELETE_PENDING)
      await ann.does(Requests.close(inner))
      assert.strictEqual(await joe.text("c\\b\\f"), notFound)
    })
  })
}

it.live("an open during which its file is renamed fails with STATUS_OBJECT_NAME_NOT_FOUND", () =>
  Effect.scoped(Effect.gen(function*() {
    const memory = yield* MemoryStore.make()
    let hold: (() => void) | undefined
    let held: (() => void) | undefined
    const store: ShareStore = {
      ...memory,
      open: (path, how) =>
        Effect.map(memory.open(path, how), (opened) => ({
          ...opened,
          file: {
            ...opened.file,
            getBlob: (blob) =>
              Effect.andThen(
                Effect.promise(() => {
                  if (hold === undefined) return Promise.resolve()
                  const told = hold
                  hold = undefined
                  return new Promise<void>((resolve) => {
                    held = resolve
                    told()
                  })
                }),
                opened.file.getBlob(blob)
              )
          }
        }))
    }
    const { client } = yield* serve(store)
    yield* Effect.promise(async () => {
      const [ann, joe] = [await client("ann"), await client("joe")]
      await ann.make("f")
      const file = await ann.must("f", toDelete)
      const reached = new Promise<void>((resolve) => (hold = resolve))
      const opening = joe.open("f", toDelete)
      await reached
      await ann.does(rename(file, "g"))
      held!()
      assert.strictEqual(await opening, notFound)
      await ann.does(Requests.close(file))
      assert.strictEqual(await joe.text("g"), "f")
    })
  })))

describe("a file in a folder that other programs use", () => {
  const test = (title: string, body: (place: Effect.Success<typeof local>) => Promise<void>) =>
    it.live(title, () => Effect.scoped(Effect.flatMap(local, (place) => Effect.promise(() => body(place)))))

  test("that replaced an open file is not deleted when a client closes the old file", async ({ at, client }) => {
    const joe = await client("joe")
    Fs.writeFileSync(at("doc"), "old")
    const file = await joe.must("doc", { ...toDelete, createOptions: O.FILE_DELETE_ON_CLOSE })
    Fs.writeFileSync(at("doc.new"), "new")
    Fs.renameSync(at("doc.new"), at("doc"))
    assert.strictEqual(await joe.status(Requests.close(file)), NtStatus.STATUS_FILE_CLOSED)
    assert.strictEqual(Fs.readFileSync(at("doc"), "utf8"), "new")
  })

  test("that replaced an open file is not renamed, linked or deleted through the old file's handle", async (place) => {
    const { at, client } = place
    const joe = await client("joe")
    Fs.writeFileSync(at("doc"), "old")
    const file = await joe.must("doc", toDelete)
    Fs.writeFileSync(at("doc.new"), "new")
    Fs.renameSync(at("doc.new"), at("doc"))
    const closed = NtStatus.STATUS_FILE_CLOSED
    assert.strictEqual(await joe.status(rename(file, "moved")), closed)
    assert.strictEqual(await joe.status(link(file, "linked")), closed)
    assert.strictEqual(await joe.status(dispose(file)), closed)
    await joe.does(Requests.close(file))
    assert.deepStrictEqual(Fs.readdirSync(at()).filter((name) => !name.startsWith(".")), ["doc"])
    assert.strictEqual(Fs.readFileSync(at("doc"), "utf8"), "new")
  })

  it.live("that gets the inode of a removed file, which a client still has open, is not mistaken for it", (context) =>
    Effect.scoped(Effect.flatMap(local, ({ at, client }) =>
      Effect.promise(async () => {
        const [ann, joe] = [await client("ann"), await client("joe")]
        const taken = await reusedInode(at, () => joe.must("old", { ...attributes, shareAccess: 0 }))
        if (taken === undefined) return context.skip("the file system gave no new file the inode of a removed file")
        Fs.writeFileSync(at("old"), "third")
        const how = { ...toDelete, desiredAccess: toDelete.desiredAccess | A.FILE_READ_DATA }
        const file = await ann.must(taken.name, how)
        await ann.does(dispose(file))
        await ann.does(Requests.close(file))
        assert.isFalse(Fs.existsSync(at(taken.name)))
        assert.strictEqual(Fs.readFileSync(at("old"), "utf8"), "third")
        await joe.does(Requests.close(taken.dead))
      }))))

  test("that replaced a file can be opened, although a client has the old file open without sharing", async ({ at, client }) => {
    const [ann, joe] = [await client("ann"), await client("joe")]
    Fs.writeFileSync(at("doc"), "old")
    const file = await joe.must("doc", { ...toRead, shareAccess: 0 })
    await joe.does(Requests.lock(file, 0))
    assert.strictEqual(await ann.open("doc", toRead), NtStatus.STATUS_SHARING_VIOLATION)
    Fs.writeFileSync(at("doc.new"), "new")
    Fs.renameSync(at("doc.new"), at("doc"))
    assert.strictEqual(await ann.text("doc"), "new")
  })

  test("that was opened by a symbolic link stays when the link is deleted", async ({ at, client }) => {
    const [ann, joe] = [await client("ann"), await client("joe")]
    Fs.writeFileSync(at("target"), "x")
    Fs.symlinkSync("target", at("link"))
    const open = await joe.must("target", toRead)
    const file = await ann.must("link", toDelete)
    await ann.does(dispose(file))
    await ann.does(Requests.close(file))
    await joe.does(Requests.close(open))
    assert.strictEqual(Fs.readFileSync(at("target"), "utf8"), "x")
    assert.throws(() => Fs.lstatSync(at("link")))
  })

  test("is closed with success when another program deleted it before the CLOSE", async ({ at, client }) => {
    const joe = await client("joe")
    Fs.writeFileSync(at("doc"), "old")
    const file = await joe.must("doc", toDelete)
    await joe.does(dispose(file))
    Fs.rmSync(at("doc"))
    await joe.does(Requests.close(file))
  })

  test("is not listed through the handle of an older directory that had the same path", async ({ at, client }) => {
    const joe = await client("joe")
    Fs.mkdirSync(at("d"))
    const directory = await joe.must("d", Requests.directory)
    Fs.renameSync(at("d"), at("moved"))
    Fs.mkdirSync(at("d"))
    Fs.writeFileSync(at("d", "secret"), "")
    assert.strictEqual(await joe.status(Requests.list(directory)), NtStatus.STATUS_FILE_CLOSED)
  })
})

/**
 * Removes a file that is open for its attributes only, so that nothing keeps its inode, and makes new files until one
 * has the inode. Another program can take it first: then it tries again, up to 20 times.
 */
const reusedInode = async (at: (...names: ReadonlyArray<string>) => string, open: () => Promise<FileId>) => {
  for (let turn = 0; turn < 20; turn++) {
    Fs.writeFileSync(at("old"), "old")
    // oxlint-disable-next-line no-await-in-loop -- one file after the other
    const dead = await open()
    const { birthtimeNs, ino } = Fs.statSync(at("old"), { bigint: true })
    Fs.rmSync(at("old"))
    for (let i = 0; i < 100; i++) {
      const name = `new ${turn} ${i}`
      Fs.writeFileSync(at(name), "new")
      const found = Fs.statSync(at(name), { bigint: true })
      if (found.ino === ino && found.birthtimeNs !== birthtimeNs) return { dead, name }
    }
  }
  return undefined
}

describe("a file or folder in the place of one that is still open", () => {
  const test = (title: string, body: (place: Effect.Success<typeof local>) => Promise<void>) =>
    it.live(title, () => Effect.scoped(Effect.flatMap(local, (place) => Effect.promise(() => body(place)))))

  test("takes new files although a deletion of the old folder is pending", async ({ at, client }) => {
    const [ann, joe] = [await client("ann"), await client("joe")]
    Fs.mkdirSync(at("d"))
    const old = await joe.must("d", { ...toDelete, createOptions: O.FILE_DIRECTORY_FILE })
    await joe.does(dispose(old))
    assert.strictEqual(await ann.open("d\\f", { createDisposition: D.FILE_CREATE }), NtStatus.STATUS_DELETE_PENDING)
    Fs.rmdirSync(at("d"))
    Fs.mkdirSync(at("d"))
    await ann.make("d\\f")
    await ann.make("g")
    const file = await ann.must("g", toDelete)
    await ann.does(rename(file, "d\\g"))
    await ann.does(Requests.close(file))
    // The marked folder is gone; its name leads to another folder.
    assert.strictEqual(await joe.status(Requests.close(old)), NtStatus.STATUS_FILE_CLOSED)
    assert.isTrue(Fs.existsSync(at("d", "g")))
  })

  test("can be renamed although clients have the old folder, without sharing, and a file in it open", async ({ at, client }) => {
    const [ann, joe] = [await client("ann"), await client("joe")]
    Fs.mkdirSync(at("d"))
    Fs.writeFileSync(at("d", "f"), "")
    await joe.must("d\\f", attributes)
    await joe.must("d", { ...Requests.directory, shareAccess: 0 })
    Fs.rmSync(at("d"), { recursive: true })
    Fs.mkdirSync(at("d"))
    await ann.make("g")
    const file = await ann.must("g", toDelete)
    await ann.does(rename(file, "d\\g"))
    await ann.does(Requests.close(file))
    const directory = await ann.must("d", { ...toDelete, createOptions: O.FILE_DIRECTORY_FILE })
    await ann.does(rename(directory, "e"))
    assert.isTrue(Fs.existsSync(at("e", "g")))
  })

  test("takes its name: a CREATE fails with STATUS_OBJECT_NAME_COLLISION, and not with STATUS_DELETE_PENDING", async ({ at, client }) => {
    const [ann, joe] = [await client("ann"), await client("joe")]
    Fs.writeFileSync(at("f"), "old")
    await joe.does(dispose(await joe.must("f", toDelete)))
    Fs.writeFileSync(at("f.new"), "new")
    Fs.renameSync(at("f.new"), at("f"))
    const made = await ann.open("f", { createDisposition: D.FILE_CREATE })
    assert.strictEqual(made, NtStatus.STATUS_OBJECT_NAME_COLLISION)
  })

  test("stays when a symbolic link to it is deleted, also if it has entries", async ({ at, client }) => {
    const joe = await client("joe")
    Fs.mkdirSync(at("d"))
    Fs.writeFileSync(at("d", "f"), "kept")
    Fs.symlinkSync("d", at("link"))
    const link = await joe.must("link", { ...toDelete, createOptions: O.FILE_DIRECTORY_FILE })
    await joe.does(dispose(link))
    await joe.does(Requests.close(link))
    assert.throws(() => Fs.lstatSync(at("link")))
    assert.strictEqual(Fs.readFileSync(at("d", "f"), "utf8"), "kept")
  })
})

describe("a name that others change at the same time", () => {
  /** A store in which another program acts between the server's look at a name and its next step, `times` times. */
  const meddled = (times: number) =>
    Effect.map(MemoryStore.make(), (memory) => {
      let left = times
      const replace = (path: ReadonlyArray<string>) => {
        if (left-- <= 0) return Effect.void
        const other = ["other"]
        return Effect.andThen(
          Effect.scoped(memory.open(other, { mode: "either", type: "file" })),
          memory.rename(other, path, { replace: true })
        )
      }
      const store: ShareStore = {
        ...memory,
        rename: (from, to, how) => Effect.andThen(replace(to), memory.rename(from, to, how)),
        link: (from, to, how) => Effect.andThen(replace(to), memory.link!(from, to, how)),
        open: (path, how) =>
          Effect.map(memory.open(path, how), (opened) => ({
            ...opened,
            file: {
              ...opened.file,
              getBlob: (blob) =>
                path[0] === "saved" && left-- > 0
                  ? Effect.fail(storeError("Stale"))
                  : opened.file.getBlob(blob)
            }
          }))
      }
      return store
    })

  for (const [what, give] of [["renamed", rename], ["linked", link]] as const) {
    it.live(`is given to a file that is ${what} over it, after three other files have taken it in between`, () =>
      Effect.scoped(Effect.gen(function*() {
        const { client } = yield* serve(yield* meddled(3))
        yield* Effect.promise(async () => {
          const ann = await client("ann")
          await ann.make("f")
          const file = await ann.must("f", toDelete)
          await ann.does(give(file, "x", true))
          assert.strictEqual(await ann.text("x"), "f")
        })
      })))
  }

  it.live("is opened after the store has answered Stale three times", () =>
    Effect.scoped(Effect.gen(function*() {
      const store = yield* meddled(3)
      yield* Effect.scoped(store.open(["saved"], { mode: "new", type: "file" }))
      const { client } = yield* serve(store)
      yield* Effect.promise(async () => {
        const ann = await client("ann")
        assert.strictEqual(await ann.text("saved"), "")
      })
    })))
})

it.live("a pattern finds names of a folder whose characters are shown as others, by the wildcards for these characters", () =>
  Effect.scoped(Effect.gen(function*() {
    const path = yield* folder
    for (const name of ["a.", "b.", "ab", "c:d"]) Fs.writeFileSync(join(path, name), "")
    const { client } = yield* serve(yield* LocalStore.make(path))
    yield* Effect.promise(async () => {
      const ann = await client("ann")
      const root = await ann.must("", { createOptions: O.FILE_DIRECTORY_FILE })
      // MS-FSA 2.1.4.4: `"` stands for a period, or for nothing at the end. As cifs.ko, a final period is U+F029, a colon
      // U+F022.
      const found: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
        ["?\"", ["a\uf029", "b\uf029"]],
        ["*.", ["a\uf029", "b\uf029"]],
        ["a?", ["a\uf029", "ab"]],
        ["c?d", ["c\uf022d"]],
        ["?\uf029", ["a\uf029", "b\uf029"]]
      ]
      for (const [pattern, names] of found) {
        const answer = (await ann.ask(Requests.list(root, pattern)))!
        assert.strictEqual(statusOf(answer), 0, pattern)
        for (const name of ["a\uf029", "b\uf029", "ab", "c\uf022d"]) {
          assert.strictEqual(answer.includes(Buffer.from(name, "utf16le")), names.includes(name), `${pattern} ${name}`)
        }
        await ann.ask(Requests.list(root, pattern))
      }
    })
  })))

it.live("a client that removes a tree removes no file behind a symbolic link in the tree", () =>
  Effect.scoped(Effect.gen(function*() {
    const path = yield* folder
    const at = (...names: ReadonlyArray<string>) => join(path, ...names)
    Fs.mkdirSync(at("t", "sub"), { recursive: true })
    Fs.mkdirSync(at("x", "other", "deep"), { recursive: true })
    for (const name of [at("t", "f"), at("x", "other", "precious"), at("x", "other", "deep", "q")]) {
      Fs.writeFileSync(name, "kept")
    }
    Fs.symlinkSync("../x/other", at("t", "link"))
    const { port } = yield* SmbServer.make({
      host,
      port: 0,
      users: UserStore.inMemory({ joe: secret }),
      shares: { data: LocalStore.make(path) }
    })
    const credentials = Credentials.layer(Credentials.password("joe", secret))
    const context = yield* Layer.build(SmbClient.layer().pipe(Layer.provide([TcpTransport.layer(), credentials])))
    const smb = Context.get(context, SmbClient.SmbClient)
    const removed = yield* Effect.result(smb.remove(`//${host}:${port}/data/t`, { recursive: true }))
    assert.strictEqual(removed._tag, "Failure")
    assert.deepStrictEqual(Fs.readdirSync(at("x", "other")).sort(), ["deep", "precious"])
    assert.isTrue(Fs.existsSync(at("x", "other", "deep", "q")))
    assert.isFalse(Fs.existsSync(at("t", "f")))
    const link = yield* Effect.flip(smb.remove(`//${host}:${port}/data/t/link`, { recursive: true }))
    assert(link._tag === "RemovalError" && link.reason._tag === "RootOrLink")
    assert.isTrue(Fs.existsSync(at("x", "other", "precious")))
  })))

describe("concurrent changes", () => {
  /** A store in which each read of a blob takes 20 milliseconds. */
  const slow = Effect.map(MemoryStore.make(), (memory): ShareStore => ({
    ...memory,
    open: (path, how) =>
      Effect.map(memory.open(path, how), (opened) => ({
        ...opened,
        file: { ...opened.file, getBlob: (blob) => Effect.delay(opened.file.getBlob(blob), 20) }
      }))
  }))

  it.live("of the group and of the DACL of one security descriptor are both kept", () =>
    Effect.scoped(Effect.gen(function*() {
      const { client } = yield* serve(yield* slow)
      yield* Effect.promise(async () => {
        const [ann, joe] = [await client("ann"), await client("joe")]
        await ann.make("f")
        const all = { ...existing, desiredAccess: A.MAXIMUM_ALLOWED }
        const [hers, his] = [await ann.must("f", all), await joe.must("f", all)]
        const mask = A.READ_CONTROL | A.FILE_READ_DATA
        const descriptor = {
          sbz1: 0,
          control: Sd.Control.SE_SELF_RELATIVE | Sd.Control.SE_DACL_PRESENT,
          owner: undefined,
          group: sids.joe,
          sacl: undefined,
          dacl: {
            aclRevision: 2,
            aces: [{
              _tag: "Basic" as const,
              aceType: Sd.AceType.ACCESS_ALLOWED_ACE_TYPE,
              aceFlags: 0,
              mask,
              sid: sids.ann
            }]
          }
        }
        const set = (fileId: FileId, additionalInformation: number): Parameters<Client["ask"]>[0] => ({
          _tag: "SET_INFO",
          body: {
            infoType: InfoType.SMB2_0_INFO_SECURITY,
            fileInfoClass: 0,
            additionalInformation,
            fileId,
            buffer: Codec.encode(Sd.SecurityDescriptor)(descriptor)
          }
        })
        const { DACL_SECURITY_INFORMATION, GROUP_SECURITY_INFORMATION } = SecurityInformation
        const statuses = await Promise.all([
          ann.status(set(hers, DACL_SECURITY_INFORMATION)),
          joe.status(set(his, GROUP_SECURITY_INFORMATION))
        ])
        assert.deepStrictEqual(statuses, [0, 0])
        const answer = (await ann.ask(Requests.query(hers, "security")))!
        const kept = Codec.decode("descriptor", Sd.SecurityDescriptor)(Uint8Array.from(answer.subarray(72)))
        assert(kept._tag === "Success")
        assert.strictEqual(kept.success.group, sids.joe)
        assert.deepStrictEqual(kept.success.dacl?.aces.map((ace) => ace._tag === "Basic" && ace.mask), [mask])
      })
    })))

  it.live("of two extended attributes of one file are both kept", () =>
    Effect.scoped(Effect.gen(function*() {
      const { client } = yield* serve(yield* slow)
      yield* Effect.promise(async () => {
        const [ann, joe] = [await client("ann"), await client("joe")]
        await ann.make("f")
        const all = { ...existing, desiredAccess: A.MAXIMUM_ALLOWED }
        const [hers, his] = [await ann.must("f", all), await joe.must("f", all)]
        const entry = (name: string) => {
          const bytes = Buffer.alloc(8 + name.length + 2)
          bytes.writeUInt8(name.length, 5)
          bytes.writeUInt16LE(1, 6)
          bytes.write(`${name}\0x`, 8, "latin1")
          return bytes
        }
        const statuses = await Promise.all([
          ann.status(Requests.set(hers, "file", "FileFullEaInformation", entry("A"))),
          joe.status(Requests.set(his, "file", "FileFullEaInformation", entry("B")))
        ])
        assert.deepStrictEqual(statuses, [0, 0])
        const names = (await ann.ask({
          _tag: "QUERY_INFO",
          body: {
            infoType: InfoType.SMB2_0_INFO_FILE,
            fileInfoClass: FileInformation.classes.FileFullEaInformation.number,
            outputBufferLength: 4096,
            additionalInformation: 0,
            flags: 0,
            fileId: hers,
            inputBuffer: new Uint8Array(0)
          }
        }))!.toString("latin1")
        assert.include(names, "A\0x")
        assert.include(names, "B\0x")
      })
    })))
})

describe("a deletion", () => {
  it.live("of a directory is refused if the directory holds a link that no listing shows", () =>
    Effect.scoped(Effect.flatMap(local, ({ at, client }) =>
      Effect.promise(async () => {
        const joe = await client("joe")
        Fs.mkdirSync(at("d"))
        Fs.symlinkSync("/", at("d", "out"))
        const directory = await joe.must("d", { ...toDelete, createOptions: O.FILE_DIRECTORY_FILE })
        const notEmpty = NtStatus.STATUS_DIRECTORY_NOT_EMPTY
        assert.strictEqual(await joe.status(dispose(directory)), notEmpty)
        await joe.does(Requests.close(directory))
        // Delete on close deletes it if it is empty then (MS-FSA 2.1.5.5).
        for (const empty of [false, true]) {
          const onClose = await joe.must("d", {
            ...toDelete,
            createOptions: O.FILE_DIRECTORY_FILE | O.FILE_DELETE_ON_CLOSE
          })
          if (empty) Fs.rmSync(at("d", "out"))
          await joe.does(Requests.close(onClose))
          assert.strictEqual(Fs.existsSync(at("d")), !empty)
        }
      }))))

  const refusals: ReadonlyArray<readonly [StoreReason["_tag"], number]> = [
    ["AccessDenied", NtStatus.STATUS_ACCESS_DENIED],
    ["NotEmpty", NtStatus.STATUS_DIRECTORY_NOT_EMPTY],
    ["Busy", NtStatus.STATUS_SHARING_VIOLATION],
    ["Stale", NtStatus.STATUS_FILE_CLOSED],
    ["Failed", NtStatus.STATUS_UNEXPECTED_IO_ERROR]
  ]
  for (const [reason, status] of refusals) {
    it.live(`that the store refuses with ${reason} makes CLOSE fail with ${Status.name(status)}, and is logged`, () =>
      Effect.scoped(Effect.gen(function*() {
        const memory = yield* MemoryStore.make()
        let refuses = true
        const store: ShareStore = {
          ...memory,
          remove: (path, options) => refuses ? Effect.fail(storeError(reason)) : memory.remove(path, options)
        }
        const { client, said } = yield* serve(store)
        yield* Effect.promise(async () => {
          const ann = await client("ann")
          await ann.make("f")
          await ann.make("g:stream")
          for (const name of ["f", "g:stream"]) {
            const file = await ann.must(name, toDelete)
            await ann.does(dispose(file))
            assert.strictEqual(await ann.status(Requests.close(file)), status)
            // The handle is closed, and other clients can open the file.
            assert.strictEqual(await ann.status(Requests.close(file)), NtStatus.STATUS_FILE_CLOSED)
            assert.strictEqual(await ann.text(name), name)
            // A client that hangs up gets no response; the log has a line.
            const gone = await client("joe")
            await gone.must(name, { ...toDelete, createOptions: O.FILE_DELETE_ON_CLOSE })
            gone.close()
            while (said.filter((line) => line.startsWith("a file or folder was not deleted")).length % 2 === 1) {
              await new Promise((resolve) => setTimeout(resolve, 5))
            }
          }
          assert.lengthOf(said.filter((line) => line.startsWith("a file or folder was not deleted")), 4)
          // The lines of the log are limited, no matter how often clients try. Each CLOSE fails.
          for (let i = 0; i < 40; i++) {
            const file = await ann.must("f", toDelete)
            await ann.does(dispose(file))
            assert.strictEqual(await ann.status(Requests.close(file)), status)
          }
          assert.isBelow(said.filter((line) => line.startsWith("a file or folder was not deleted")).length, 40)
          refuses = false
          const file = await ann.must("f", toDelete)
          await ann.does(dispose(file))
          await ann.does(Requests.close(file))
          assert.strictEqual(await ann.text("f"), notFound)
        })
      })))

    it.live(`that mayRemove of the store refuses with ${reason} is refused when the file is marked`, () =>
      Effect.scoped(Effect.gen(function*() {
        const memory = yield* MemoryStore.make()
        const { client } = yield* serve({ ...memory, mayRemove: () => Effect.fail(storeError(reason)) })
        yield* Effect.promise(async () => {
          const ann = await client("ann")
          await ann.make("f")
          const file = await ann.must("f", toDelete)
          assert.strictEqual(await ann.status(dispose(file)), status)
          await ann.does(Requests.close(file))
          assert.strictEqual(await ann.text("f"), "f")
        })
      })))
  }
})
