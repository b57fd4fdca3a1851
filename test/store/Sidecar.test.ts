/**
 * Proves how a sidecar keeps records and named streams: which files it writes and removes, which records outlive others,
 * and that a failure leaves the old record, or says what to do.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import type { StoreError } from "../../src/Server/ShareStore.ts"
import * as Local from "../../src/Server/Store/internal/Local.ts"
import { never } from "../../src/Server/Store/internal/PromptCalls.ts"
import { flushPath, Sidecar } from "../../src/Server/Store/internal/Sidecar.ts"
import type { FileRecord } from "../../src/Server/Store/internal/SidecarRecord.ts"

let folder = ""
const at = (...names: ReadonlyArray<string>) => join(folder, ...names)
beforeEach(() => {
  folder = Fs.realpathSync(Fs.mkdtempSync(join(tmpdir(), "effect-smb-sidecar-")))
  for (const part of ["records", "streams", "new"]) Fs.mkdirSync(at(part))
})
afterEach(() => Fs.rmSync(folder, { recursive: true, force: true }))

const make = (...keys: ReadonlyArray<string>) => new Sidecar(folder, new Map(keys.map((key) => [key, key])), never)
const error = (promise: Promise<unknown>): Promise<StoreError> =>
  promise.then(() => assert.fail("it did not fail"), (found) => found)
const reason = async (promise: Promise<unknown>) => (await error(promise)).reason._tag
const records = () => Fs.readdirSync(at("records")).sort()
const onDisk = (key: string) => JSON.parse(Fs.readFileSync(at("records", key), "utf8"))
const streamsOf = (key: string) => Fs.existsSync(at("streams", key)) ? Fs.readdirSync(at("streams", key)).sort() : []
const set = (sidecar: Sidecar, key: string, record: FileRecord) => sidecar.update(key, () => record)

/** Lets a call of `node:fs/promises` fail until the end of `body`. */
const failing = async (name: "rm" | "rename" | "writeFile", code: string, body: () => Promise<unknown>) => {
  const before = Fs.promises[name]
  Object.assign(Fs.promises, { [name]: () => Promise.reject(Object.assign(new Error(code), { code })) })
  try {
    await body()
  } finally {
    Object.assign(Fs.promises, { [name]: before })
  }
}

describe("a sidecar's records", () => {
  it("are empty for files without one, and are kept for this user alone under the key of their file", async () => {
    const sidecar = make()
    assert.deepStrictEqual(await sidecar.get("5-9"), {})
    assert.isFalse(sidecar.has("5-9"))
    await set(sidecar, "5-9", { attributes: 2 })
    assert.isTrue(sidecar.has("5-9"))
    assert.deepStrictEqual(await sidecar.get("5-9"), { attributes: 2 })
    assert.deepStrictEqual(onDisk("5-9"), { attributes: 2 })
    if (process.platform !== "win32") assert.strictEqual(Fs.statSync(at("records", "5-9")).mode & 0o777, 0o600)
    await sidecar.update("5-9", (record) => Promise.resolve({ ...record, creationTime: "7" }))
    assert.deepStrictEqual(onDisk("5-9"), { attributes: 2, creationTime: "7" })
    assert.deepStrictEqual(Fs.readdirSync(at("new")), [])
    // Another start finds it.
    assert.deepStrictEqual(await make("5-9").get("5-9"), { attributes: 2, creationTime: "7" })
  })

  it("are not written if they do not change, and are removed when they become empty", async () => {
    const sidecar = make()
    await set(sidecar, "5", { attributes: 2 })
    const { ino } = Fs.statSync(at("records", "5"))
    await sidecar.update("5", (record) => record)
    assert.strictEqual(Fs.statSync(at("records", "5")).ino, ino)
    await set(sidecar, "5", { attributes: 3 })
    assert.notStrictEqual(Fs.statSync(at("records", "5")).ino, ino)
    await set(sidecar, "5", { born: "1" })
    assert.isFalse(sidecar.has("5"))
    assert.deepStrictEqual(records(), [])
    assert.deepStrictEqual(await sidecar.get("5"), {})
    // There is nothing to remove.
    await set(sidecar, "6", {})
    await sidecar.drop("6")
    assert.deepStrictEqual(records(), [])
  })

  it("are changed one after the other for each file", async () => {
    const sidecar = make()
    await Promise.all(
      Array.from(
        { length: 12 },
        (_, i) => sidecar.update(`${i % 2}`, ({ attributes = 0 }) => ({ attributes: attributes + 1 }))
      )
    )
    assert.deepStrictEqual([onDisk("0"), onDisk("1")], [{ attributes: 6 }, { attributes: 6 }])
  })

  it("that are removed or damaged by others count as damaged, and other errors of the read are errors", async () => {
    Fs.writeFileSync(at("records", "bad"), "{")
    Fs.writeFileSync(at("records", "odd"), `{"attributes":"2"}`)
    Fs.mkdirSync(at("records", "dir"))
    for (const key of ["bad", "odd", "lost"]) assert.deepStrictEqual(await make(key).get(key), { damaged: true })
    assert.strictEqual(Local.codeOf(await error(make("dir").get("dir"))), "EISDIR")
  })

  it("that cannot be written stay unchanged, and leave no half-written file", async () => {
    const sidecar = make()
    await set(sidecar, "5", { attributes: 2 })
    for (const call of ["writeFile", "rename"] as const) {
      await failing(call, "ENOSPC", async () => {
        assert.strictEqual(Local.codeOf(await error(set(sidecar, "5", { attributes: 3 }))), "ENOSPC")
        assert.strictEqual(Local.codeOf(await error(set(sidecar, "6", { attributes: 3 }))), "ENOSPC")
      })
      assert.deepStrictEqual(await sidecar.get("5"), { attributes: 2 })
      assert.deepStrictEqual(onDisk("5"), { attributes: 2 })
      assert.isFalse(sidecar.has("6"))
      assert.deepStrictEqual(Fs.readdirSync(at("new")), [])
    }
    // The next change is a change of the old record.
    await sidecar.update("5", (record) => ({ ...record, creationTime: "1" }))
    assert.deepStrictEqual(onDisk("5"), { attributes: 2, creationTime: "1" })
  })

  it("that cannot be removed stay", async () => {
    const sidecar = make()
    await set(sidecar, "5-1", { attributes: 2 })
    await failing("rm", "EIO", async () => {
      assert.strictEqual(Local.codeOf(await error(sidecar.drop("5-1"))), "EIO")
      assert.strictEqual(Local.codeOf(await error(set(sidecar, "5-1", {}))), "EIO")
    })
    assert.isTrue(sidecar.has("5-1"))
    assert.deepStrictEqual(await sidecar.get("5-1"), { attributes: 2 })
    // It is still known as a file with that inode.
    await set(sidecar, "5-2", { attributes: 3 })
    assert.deepStrictEqual(records(), ["5-2"])
  })

  for (const part of ["records", "new"]) {
    it(`fail with Failed and say what to do when \`${part}\` was removed, or is a file`, async () => {
      const sidecar = make()
      for (const isFile of [false, true]) {
        Fs.rmSync(at(part), { recursive: true, force: true })
        if (isFile) Fs.writeFileSync(at(part), "")
        for (
          const call of [
            () => set(sidecar, "5", { attributes: 2 }),
            async () => (await sidecar.begin(["f"], { attributes: 2 })).give("5")
          ]
        ) {
          const found = await error(call())
          assert.strictEqual(found.reason._tag, "Failed")
          if (!isFile) assert.include((found.cause as Error).message, "Stop the server")
        }
        assert.isFalse(sidecar.has("5"))
      }
    })
  }

  it("are dropped when a later file has their inode, and an earlier file drops none", async () => {
    const sidecar = make("a-1", "a-3", "b-1", "ab")
    await set(sidecar, "a-2", { attributes: 2 })
    assert.deepStrictEqual(["a-1", "a-2", "a-3"].map((key) => sidecar.has(key)), [false, true, true])
    await set(sidecar, "a-10", { attributes: 2 })
    assert.deepStrictEqual(["a-1", "a-2", "a-3", "a-10"].map((key) => sidecar.has(key)), [false, false, false, true])
    assert.deepStrictEqual(records(), ["a-10"])
    assert.deepStrictEqual([sidecar.has("b-1"), sidecar.has("ab")], [true, true])
    // The second change of a record drops none: it was the newest at its first.
    await set(sidecar, "a-4", { attributes: 2 })
    await set(sidecar, "a-10", { attributes: 3 })
    assert.isTrue(sidecar.has("a-4"))
    await sidecar.drop("a-10")
    await set(sidecar, "a-5", { attributes: 1 })
    assert.deepStrictEqual(records(), ["a-5"])
    await set(sidecar, "b-2", { attributes: 1 })
    assert.isFalse(sidecar.has("b-1"))
  })

  it("of an earlier file that cannot be removed do not matter for a later one", async () => {
    const sidecar = make()
    await set(sidecar, "a-1", { attributes: 1 })
    await failing("rm", "EIO", () => set(sidecar, "a-2", { attributes: 2 }))
    assert.deepStrictEqual(onDisk("a-2"), { attributes: 2 })
  })

  it("of 4,096 files are kept in memory, those that were used last", async () => {
    const platform = process.getBuiltinModule("node:fs/promises")
    const { readFile, rename, writeFile } = platform
    const read: Array<string> = []
    const fake = {
      readFile: (path: string) => (read.push(path), Promise.resolve("{}")),
      rename: () => Promise.resolve(),
      writeFile: () => Promise.resolve()
    }
    Object.assign(Fs.promises, fake)
    try {
      const sidecar = make()
      for (let i = 0; i < 4096; i++) await set(sidecar, `${i}`, { attributes: 1 })
      await set(sidecar, "0", { attributes: 2 })
      await sidecar.get("1")
      assert.deepStrictEqual(read, [])
      await set(sidecar, "more", { attributes: 1 })
      for (const key of ["0", "2", "more"]) await sidecar.get(key)
      assert.deepStrictEqual(read, [])
      await sidecar.get("1")
      assert.deepStrictEqual(read, [at("records", "1")])
    } finally {
      Object.assign(Fs.promises, { readFile, rename, writeFile })
    }
  })
})

describe("a sidecar's record of a file that is being made", () => {
  it("becomes the file's record, in place of one of an earlier file with that number", async () => {
    const sidecar = make()
    await set(sidecar, "5", { attributes: 1 })
    const waiting = await sidecar.begin(["d", "f"], { attributes: 2 })
    const [name] = Fs.readdirSync(at("new"))
    assert.deepStrictEqual(JSON.parse(Fs.readFileSync(at("new", name!), "utf8")), { attributes: 2, making: ["d", "f"] })
    assert.deepStrictEqual(await sidecar.get("5"), { attributes: 1 })
    await waiting.give("5")
    assert.deepStrictEqual(await sidecar.get("5"), { attributes: 2 })
    assert.deepStrictEqual(await make("5").get("5"), { attributes: 2 })
    assert.deepStrictEqual(Fs.readdirSync(at("new")), [])
    // The waiting record exists no longer.
    await waiting.remove()
    assert.isTrue(sidecar.has("5"))
  })

  it("is removed if the file was not made, and drops the record of an earlier file with its inode if it was", async () => {
    const sidecar = make()
    await set(sidecar, "a-1", { attributes: 1 })
    await (await sidecar.begin(["f"], { attributes: 2 })).remove()
    assert.deepStrictEqual(Fs.readdirSync(at("new")), [])
    assert.isTrue(sidecar.has("a-1"))
    await (await sidecar.begin(["f"], { attributes: 2 })).give("a-2")
    assert.deepStrictEqual(records(), ["a-2"])
    assert.deepStrictEqual([sidecar.has("a-1"), sidecar.has("a-2")], [false, true])
  })

  it("is moved to its final place by the next start, and other records stay where they are", async () => {
    Fs.writeFileSync(at("new", "1-0.record"), `{"attributes":2,"making":["f"]}`)
    Fs.writeFileSync(at("records", "6"), `{"attributes":3}`)
    const sidecar = new Sidecar(folder, new Map([["5", "../new/1-0.record"], ["6", "6"]]), never)
    assert.deepStrictEqual(await sidecar.get("5"), { attributes: 2 })
    await sidecar.settle()
    assert.deepStrictEqual(records(), ["5", "6"])
    assert.deepStrictEqual(Fs.readdirSync(at("new")), [])
    await sidecar.update("5", (record) => ({ ...record, creationTime: "1" }))
    assert.deepStrictEqual(onDisk("5"), { attributes: 2, creationTime: "1" })
  })
})

describe("a sidecar's streams", () => {
  it("are found in any case or made, as the modes say, each with its own number", async () => {
    const sidecar = make()
    assert.strictEqual(await reason(sidecar.openStream("5", "s", "existing")), "NotFound")
    assert.isFalse(sidecar.has("5"))
    const one = await sidecar.openStream("5", "Stream", "new")
    assert.deepStrictEqual(one, { name: "Stream", file: "1", created: true })
    assert.strictEqual(await reason(sidecar.openStream("5", "STREAM", "new")), "Exists")
    for (const mode of ["existing", "either"] as const) {
      assert.deepStrictEqual(await sidecar.openStream("5", "sTREAM", mode), { ...one, created: false })
    }
    assert.deepStrictEqual(await sidecar.openStream("5", "two", "either"), { name: "two", file: "2", created: true })
    assert.deepStrictEqual(streamsOf("5"), ["1", "2"])
    assert.strictEqual(await reason(sidecar.openStream("5", "three", "existing")), "NotFound")
    if (process.platform !== "win32") assert.strictEqual(Fs.statSync(at("streams", "5", "1")).mode & 0o777, 0o600)
    // Another file has its own.
    assert.strictEqual((await sidecar.openStream("6", "two", "new")).file, "1")
    await sidecar.removeStream("5", "STREAM", () => Promise.resolve())
    assert.strictEqual((await sidecar.openStream("5", "next", "new")).file, "3")
  })

  it("do not begin with the bytes of a stream whose removal was interrupted", async () => {
    const sidecar = make()
    Fs.mkdirSync(at("streams", "5"))
    Fs.writeFileSync(at("streams", "5", "1"), "old")
    await sidecar.openStream("5", "s", "new")
    assert.strictEqual(Fs.readFileSync(sidecar.stream("5", "1"), "utf8"), "")
  })

  it("are removed one by one after a call for their open handles, and the last one leaves no record", async () => {
    const sidecar = make()
    await sidecar.openStream("5", "a", "new")
    await sidecar.openStream("5", "b", "new")
    const seen: Array<readonly [string, ReadonlyArray<string>]> = []
    const before = (file: string) => {
      seen.push([file, streamsOf("5")])
      return Promise.resolve()
    }
    assert.strictEqual(await reason(sidecar.removeStream("5", "c", before)), "NotFound")
    assert.strictEqual(await reason(sidecar.removeStream("6", "a", before)), "NotFound")
    const failed = sidecar.removeStream("5", "A", () => Promise.reject(new Error("held")))
    assert.strictEqual((await error(failed) as Error).message, "held")
    assert.deepStrictEqual(streamsOf("5"), ["1", "2"])
    await sidecar.removeStream("5", "A", before)
    assert.deepStrictEqual(onDisk("5"), { streams: [{ name: "b", file: "2" }] })
    await sidecar.removeStream("5", "b", before)
    assert.deepStrictEqual(seen, [["1", ["1", "2"]], ["2", ["2"]]])
    assert.deepStrictEqual(streamsOf("5"), [])
    assert.isFalse(sidecar.has("5"))
    await set(sidecar, "5", { attributes: 2 })
    await sidecar.openStream("5", "a", "new")
    await sidecar.removeStream("5", "a", before)
    assert.deepStrictEqual(onDisk("5"), { attributes: 2 })
  })

  it("are removed with the record of their file, also if it is damaged", async () => {
    const sidecar = make("7", "8")
    for (const key of ["5", "6"]) await sidecar.openStream(key, "s", "new")
    for (const key of ["7", "8"]) {
      Fs.writeFileSync(at("records", key), key === "7" ? "{" : `{"attributes":2}`)
      Fs.mkdirSync(at("streams", key))
    }
    for (const key of ["5", "7", "8"]) await sidecar.drop(key)
    // The record of 8 says that it has no streams.
    assert.deepStrictEqual(Fs.readdirSync(at("streams")).sort(), ["6", "8"])
    assert.deepStrictEqual(records(), ["6"])
  })

  it("have bytes that a descriptor opens by their number, or again by an open descriptor", async () => {
    const sidecar = make()
    const { file } = await sidecar.openStream("5", "s", "new")
    Fs.writeFileSync(sidecar.stream("5", file), "bytes")
    const { open } = sidecar.descriptor("5", file)
    const reading = await open(false, undefined)
    assert.strictEqual(Fs.readFileSync(reading, "utf8"), "bytes")
    assert.throws(() => Fs.writeSync(reading, "x", 0), "EBADF")
    if (Local.hasDescriptors) {
      // The number belongs to another stream now.
      Fs.renameSync(sidecar.stream("5", file), at("aside"))
      Fs.writeFileSync(sidecar.stream("5", file), "other")
      const writing = await open(true, reading)
      Fs.writeSync(writing, "B", 0)
      Fs.closeSync(writing)
      assert.strictEqual(Fs.readFileSync(at("aside"), "utf8"), "Bytes")
    }
    Fs.closeSync(reading)
    const writing = await open(true, undefined)
    Fs.writeSync(writing, "X", 0)
    Fs.closeSync(writing)
    Fs.rmSync(sidecar.stream("5", file))
    assert.strictEqual(await reason(open(false, undefined)), "Stale")
  })
})

describe("a sidecar's flush", () => {
  /** The inodes that are flushed during `body`. */
  const flushed = async (body: () => Promise<unknown>) => {
    const platform = process.getBuiltinModule("node:fs")
    const { fsync } = platform
    const seen: Array<number> = []
    Object.assign(platform, {
      fsync: (fd: number, done: Fs.NoParamCallback) => (seen.push(Fs.fstatSync(fd).ino), fsync(fd, done))
    })
    syncBuiltinESMExports()
    try {
      await body()
    } finally {
      Object.assign(platform, { fsync })
      syncBuiltinESMExports()
    }
    return seen
  }
  const inodes = (...paths: ReadonlyArray<string>) => paths.map((path) => Fs.statSync(path).ino)

  it("is that of the record with its folder, of the streams with theirs, and of the object id", async () => {
    const sidecar = make()
    assert.deepStrictEqual(await flushed(() => sidecar.flush("5")), [])
    await set(sidecar, "5", { attributes: 2 })
    const record = () => inodes(at("records", "5"), at("records"))
    assert.deepStrictEqual(await flushed(() => sidecar.flush("5")), record())
    await sidecar.openStream("5", "a", "new")
    await sidecar.openStream("5", "b", "new")
    assert.deepStrictEqual(await flushed(() => sidecar.flush("5")), [
      ...record(),
      ...inodes(at("streams", "5"), at("streams", "5", "1"), at("streams", "5", "2"))
    ])
    const objectId = new Uint8Array(64).fill(1)
    await sidecar.setObjectId(
      "6",
      objectId,
      () => set(sidecar, "6", { blobs: { ObjectId: Buffer.from(objectId).toString("base64") } })
    )
    assert.deepStrictEqual(
      await flushed(() => sidecar.flush("6")),
      inodes(at("records", "6"), at("records"), at("objects", "01".repeat(16)), at("objects"))
    )
  })

  it("of a missing file does nothing, and other failures are failures unless the file cannot be flushed", async () => {
    await flushPath(at("no"))
    Fs.writeFileSync(at("f"), "")
    assert.strictEqual(Local.codeOf(await error(flushPath(at("f", "x")))), "ENOTDIR")
    const platform = process.getBuiltinModule("node:fs")
    const { fsync, open } = platform
    const withFailing = async (call: "fsync" | "open", code: string) => {
      const fail = (...given: ReadonlyArray<unknown>) =>
        (given.at(-1) as (error: Error) => void)(Object.assign(new Error(code), { code }))
      Object.assign(platform, { [call]: fail })
      syncBuiltinESMExports()
      try {
        return await flushPath(at("f")).catch(Local.codeOf)
      } finally {
        Object.assign(platform, { fsync, open })
        syncBuiltinESMExports()
      }
    }
    // Only Windows refuses to open or to flush a directory, with EPERM or EISDIR.
    const isWindows = process.platform === "win32"
    for (const code of ["EINVAL", "EIO", ...isWindows ? [] : ["EPERM"]]) {
      assert.strictEqual(await withFailing("fsync", code), code === "EINVAL" ? undefined : code)
    }
    for (const code of ["ENOENT", "EIO", "EACCES", ...isWindows ? [] : ["EPERM", "EISDIR"]]) {
      assert.strictEqual(await withFailing("open", code), code === "ENOENT" ? undefined : code)
    }
  })
})

describe("a file's further name in a sidecar", () => {
  it("is made aside, and a failure is the file's own or tells that the sidecar was removed", async () => {
    const sidecar = make()
    Fs.writeFileSync(at("f"), "x")
    const [one, other] = [await sidecar.link(at("f")), await sidecar.link(at("f"))]
    assert.notStrictEqual(one, other)
    assert.strictEqual(Fs.statSync(at("f")).nlink, 3)
    assert.strictEqual(Fs.readdirSync(at("new")).length, 2)
    assert.strictEqual(Local.codeOf(await error(sidecar.link(at("no")))), "ENOENT")
    Fs.rmSync(at("new"), { recursive: true })
    assert.strictEqual(await reason(sidecar.link(at("f"))), "Failed")
    assert.strictEqual(Local.codeOf(await error(sidecar.link(at("no")))), "ENOENT")
  })
})

describe("the object ids in a sidecar's records", () => {
  const id = (byte: number) => new Uint8Array(64).fill(byte)
  const give = (sidecar: Sidecar, key: string, byte: number) =>
    sidecar.setObjectId(key, id(byte), () =>
      sidecar.update(key, (record) => ({
        ...record,
        blobs: { ...record.blobs, ObjectId: Buffer.from(id(byte)).toString("base64") }
      })))
  const ids = () => Fs.existsSync(at("objects")) ? Fs.readdirSync(at("objects")).sort() : []
  const name = (byte: number) => Buffer.alloc(16, byte).toString("hex")

  it("are unique after another start too, without a read of all records", async () => {
    await give(make(), "5-9", 1)
    if (process.platform !== "win32") assert.strictEqual(Fs.statSync(at("objects", name(1))).mode & 0o777, 0o600)
    const again = make("5-9")
    Fs.writeFileSync(at("records", "6-9"), "not read")
    assert.strictEqual(await reason(give(again, "7-9", 1)), "Exists")
    assert.isFalse(again.has("7-9"))
    await give(again, "5-9", 1)
    await again.drop("5-9")
    assert.deepStrictEqual(ids(), [])
    await give(again, "7-9", 1)
  })

  it("are those of the records: what a crash left in the other files counts for nothing", async () => {
    const sidecar = make()
    Fs.mkdirSync(at("objects"))
    // The process ended before the record was written, or within the first of the two writes.
    Fs.writeFileSync(at("objects", name(1)), "5-9")
    Fs.writeFileSync(at("objects", name(2)), "")
    await set(sidecar, "5-9", { attributes: 2 })
    await give(sidecar, "6-9", 1)
    await give(sidecar, "7-9", 2)
    assert.strictEqual(await reason(give(sidecar, "5-9", 1)), "Exists")
    assert.strictEqual(await reason(give(sidecar, "5-9", 2)), "Exists")
  })

  it("are free after a write that failed", async () => {
    const sidecar = make()
    await failing("rename", "ENOSPC", () => error(give(sidecar, "5-9", 1)))
    await give(sidecar, "6-9", 1)
    assert.deepStrictEqual(ids(), [name(1)])
    assert.strictEqual(await reason(give(sidecar, "5-9", 1)), "Exists")
  })
})
