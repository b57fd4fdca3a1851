/**
 * Proves how a process finds, makes, stamps and shares the hidden folder of a file system, and which folder it refuses.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach } from "vitest"
import type { StoreError } from "../../src/Server/ShareStore.ts"
import * as Local from "../../src/Server/Store/internal/Local.ts"
import { never } from "../../src/Server/Store/internal/PromptCalls.ts"
import * as SidecarFolder from "../../src/Server/Store/internal/SidecarFolder.ts"

const { sidecarName } = SidecarFolder
let folder = ""
const at = (...names: ReadonlyArray<string>) => join(folder, sidecarName, ...names)
beforeEach(() => {
  folder = Fs.realpathSync(Fs.mkdtempSync(join(tmpdir(), "effect-smb-hidden-")))
})
afterEach(() => Fs.rmSync(folder, { recursive: true }))

const plain = { calls: never, copiesUp: false }
const acquire = async (nature = plain) =>
  await SidecarFolder.acquire(folder, nature, true) ?? assert.fail("there is no sidecar")
const error = (promise: Promise<unknown>): Promise<StoreError> =>
  promise.then(() => assert.fail("it did not fail"), (found) => found)
/** Makes a sidecar with a stamp. */
const stamped = async () => {
  const made = await acquire()
  await made.prepare(true)
  await made.release()
}
const stamp = () => JSON.parse(Fs.readFileSync(at("stamp"), "utf8"))
const marks = (place: string) => {
  const { birthtimeNs, ino } = Fs.statSync(place, { bigint: true })
  return [String(ino), String(birthtimeNs)]
}
const descriptors = () => Local.hasDescriptors ? Fs.readdirSync(Local.descriptors).length : 0

describe("the hidden folder of a file system", () => {
  it("is not made if that is not asked for", async () => {
    assert.isUndefined(await SidecarFolder.acquire(folder, plain, false))
    assert.deepStrictEqual(Fs.readdirSync(folder), [])
    const made = await acquire()
    assert.strictEqual(await SidecarFolder.acquire(folder, plain, false), made)
    await made.release()
    await made.release()
  })

  it("is shared within the process, and opened again after the last release", async () => {
    const before = descriptors()
    const [one, other] = await Promise.all([acquire(), acquire()])
    assert.strictEqual(one, other)
    assert.strictEqual(one.users, 2)
    await one.release()
    assert.strictEqual(await acquire(), one)
    await one.release()
    // A call during the close waits for it.
    const closing = one.release()
    const next = await acquire()
    assert.notStrictEqual(next, one)
    assert.strictEqual(next.users, 1)
    await closing
    assert.isFalse(await SidecarFolder.isServedByOthers(folder))
    await next.release()
    assert.strictEqual(descriptors(), before)
  })

  it("has its parts and a stamp of the folder and of its records after it was prepared, once", async () => {
    const made = await acquire()
    assert.deepStrictEqual(Fs.readdirSync(at()).filter((name) => name !== "lock"), [])
    await Promise.all([made.prepare(true), made.prepare(true)])
    assert.includeMembers(Fs.readdirSync(at()), ["records", "streams", "new", "stamp"])
    assert.deepStrictEqual(stamp(), { folder: marks(at()), records: marks(at("records")), birthIsSteady: true })
    assert.isTrue(made.birthIsSteady)
    assert.deepStrictEqual(Fs.readdirSync(at("new")), [])
    if (process.platform !== "win32") {
      assert.strictEqual(Fs.statSync(at("stamp")).mode & 0o777, 0o600)
      for (const part of ["", "records", "streams", "new"]) {
        assert.strictEqual(Fs.statSync(at(part)).mode & 0o777, 0o700)
      }
    }
    const { ino } = Fs.statSync(at("stamp"))
    await made.release()
    const again = await acquire()
    assert.isTrue(again.birthIsSteady)
    await again.prepare(true)
    assert.strictEqual(Fs.statSync(at("stamp")).ino, ino)
    await again.release()
  })

  it("is prepared again after a failure", async () => {
    const made = await acquire()
    Fs.writeFileSync(at("new"), "no folder")
    assert.strictEqual(Local.codeOf(await error(made.prepare(true))), "ENOTDIR")
    assert.isFalse(Fs.existsSync(at("stamp")))
    Fs.rmSync(at("new"))
    await made.prepare(true)
    assert.isTrue(Fs.existsSync(at("stamp")))
    await made.release()
  })

  it("loses the half-written files of an earlier process when it is prepared, and keeps its records", async () => {
    await stamped()
    Fs.writeFileSync(at("new", "77-0"), "{")
    Fs.writeFileSync(at("new", "77-1.record"), "{")
    Fs.writeFileSync(at("records", "5-9"), `{"attributes":2}`)
    const made = await acquire()
    assert.isTrue(made.sidecar.has("5-9"))
    assert.strictEqual(Fs.readdirSync(at("new")).length, 2)
    await made.prepare(true)
    assert.deepStrictEqual(Fs.readdirSync(at("new")), [])
    assert.deepStrictEqual(await made.sidecar.get("5-9"), { attributes: 2 })
    await made.release()
  })

  for (
    const [title, change, expected] of [
      ["of another folder", { folder: ["1", "1"] }, "of another folder"],
      ["of a folder that was made at another time", { folder: [undefined, "1"] }, "of another folder"],
      ["of other records", { records: ["1", "1"] }, "lost its records"],
      ["of records that were made at another time", { records: [undefined, "1"] }, "lost its records"],
      ["without a folder", { folder: undefined }, "damaged"],
      ["without records", { records: undefined }, "damaged"],
      ["with one mark", { folder: ["1"] }, "damaged"],
      ["with three marks", { records: ["1", "1", "1"] }, "damaged"],
      ["with numbers", { folder: [1, 1] }, "damaged"],
      ["that does not say whether times of birth are steady", { birthIsSteady: undefined }, "damaged"]
    ] as const
  ) {
    it(`is refused with Failed and the reason for a stamp ${title}`, async () => {
      await stamped()
      const before = stamp()
      const changed = Object.fromEntries(
        Object.entries({ ...before, ...change }).map(([key, value]) => [
          key,
          Array.isArray(value) ? value.map((part, i) => part ?? before[key][i]) : value
        ])
      )
      Fs.writeFileSync(at("stamp"), JSON.stringify(changed))
      const open = descriptors()
      const found = await error(acquire())
      assert.strictEqual(found.reason._tag, "Failed")
      assert.include((found.cause as Error).message, expected)
      assert.strictEqual(descriptors(), open)
      // It is not held: the next call looks again.
      Fs.writeFileSync(at("stamp"), JSON.stringify(before))
      await (await acquire()).release()
    })
  }

  it("of a file system whose times of birth are not steady, or that copies files, is known by its inodes", async () => {
    await stamped()
    const born = { ...stamp(), folder: [stamp().folder[0], "1"], records: [stamp().records[0], "1"] }
    Fs.writeFileSync(at("stamp"), JSON.stringify(born))
    assert.strictEqual((await error(acquire())).reason._tag, "Failed")
    await (await acquire({ calls: never, copiesUp: true })).release()
    Fs.writeFileSync(at("stamp"), JSON.stringify({ ...born, birthIsSteady: false }))
    const made = await acquire()
    assert.isFalse(made.birthIsSteady)
    await made.release()
  })

  it("without a stamp shows by the names of its records whether times of birth are steady", async () => {
    for (const [names, expected] of [[[], undefined], [["5", "6-7"], true], [["5", "6"], false]] as const) {
      Fs.mkdirSync(at("records"), { recursive: true })
      for (const name of names) Fs.writeFileSync(at("records", name), "{}")
      const made = await acquire()
      assert.strictEqual(made.birthIsSteady, expected)
      for (const name of names) assert.isTrue(made.sidecar.has(name))
      await made.release()
      Fs.rmSync(at("records"), { recursive: true })
    }
  })

  it("on an overlay has the latest record of an inode as the file's, and a record without a time of birth before it", async () => {
    Fs.mkdirSync(at("records"), { recursive: true })
    const record = (name: string, attributes: number) =>
      Fs.writeFileSync(at("records", name), JSON.stringify({ attributes }))
    // Hexadecimal: 10 is later than 9.
    record("a-9", 1)
    record("a-10", 2)
    record("a-8", 4)
    record("b", 16)
    record("b-20", 32)
    record("c-1", 64)
    const made = await acquire({ calls: never, copiesUp: true })
    const seen = await Promise.all(["a", "b", "c", "a-10", "c-1"].map((key) => made.sidecar.get(key)))
    assert.deepStrictEqual(seen, [{ attributes: 2 }, { attributes: 16 }, { attributes: 64 }, {}, {}])
    await made.release()
  })

  it("is refused with AccessDenied if it is a file or a symbolic link", async () => {
    Fs.writeFileSync(join(folder, sidecarName), "")
    assert.strictEqual((await error(acquire())).reason._tag, "AccessDenied")
    assert.isFalse(await SidecarFolder.isServedByOthers(folder))
    Fs.rmSync(join(folder, sidecarName))
    Fs.mkdirSync(join(folder, "elsewhere"))
    Fs.symlinkSync("elsewhere", join(folder, sidecarName))
    const found = await error(acquire())
    assert.strictEqual(found.reason._tag, "AccessDenied")
    assert.include((found.cause as Error).message, "remove it")
  })

  it("tells by a temporary file whether times of birth stay when other times change", async () => {
    const made = await acquire()
    const before = Fs.readdirSync(at())
    const { birthIsSteady, stats } = await made.sample()
    assert.strictEqual(stats.dev, Fs.statSync(at(), { bigint: true }).dev)
    assert.deepStrictEqual(Fs.readdirSync(at()), before)
    Fs.writeFileSync(join(folder, "f"), "")
    Fs.utimesSync(join(folder, "f"), 1, 1)
    const now = Fs.statSync(join(folder, "f"), { bigint: true })
    assert.strictEqual(birthIsSteady, now.birthtimeNs !== 0n && now.birthtimeNs !== now.mtimeNs)
    await made.release()
  })
})
