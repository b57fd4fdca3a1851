/**
 * Proves which texts are records of local files, what records of files whose numbers do not last can keep, which
 * attributes a store keeps, and that calls for one key run one after the other.
 */
import { assert, describe, it } from "@effect/vitest"
import { setImmediate } from "node:timers/promises"
import * as Attributes from "../../src/Server/Store/internal/Attributes.ts"
import { KeyedLocks } from "../../src/Server/Store/internal/KeyedLocks.ts"
import * as SidecarRecord from "../../src/Server/Store/internal/SidecarRecord.ts"
import type { FileRecord } from "../../src/Server/Store/internal/SidecarRecord.ts"
import { TemporaryRecords } from "../../src/Server/Store/internal/TemporaryRecords.ts"
import { FileAttributes as F } from "../../src/Smb2/Message/Constants.ts"

const reason = (promise: Promise<unknown>) =>
  promise.then(() => assert.fail("it did not fail"), (error) => error.reason._tag)

describe("the record of a local file", () => {
  const time = { ticks: "133536980967654321", whileNanos: "-5" }
  const whole: FileRecord = {
    attributes: 2,
    creationTime: "-7",
    lastAccessTime: time,
    lastWriteTime: time,
    changeTime: { ...time, modifiedNanos: "9" },
    blobs: { SecurityDescriptor: "AQID", ReparsePoint: "" },
    streams: [{ name: "a:b", file: "1" }, { name: "c", file: "20" }],
    born: "3"
  }

  it("is read as it was written, without the place of a file that was being made", () => {
    assert.deepStrictEqual(SidecarRecord.parse(JSON.stringify(whole)), whole)
    assert.deepStrictEqual(SidecarRecord.parse("{}"), {})
    assert.deepStrictEqual(SidecarRecord.parse(JSON.stringify({ ...whole, making: ["d", "f"] })), whole)
    // A later version can have more fields.
    assert.deepStrictEqual(SidecarRecord.parse(`{"later":1}`), { later: 1 } as FileRecord)
  })

  for (
    const [title, value] of [
      ["null", null],
      ["a list", []],
      ["a text", "text"],
      ["a number", 5],
      ["attributes as text", { attributes: "2" }],
      ["attributes with a fraction", { attributes: 1.5 }],
      ["a time of creation as a number", { creationTime: 5 }],
      ["a time of creation that is no number", { creationTime: "1.5" }],
      ["an empty time of creation", { creationTime: "" }],
      ["a time of creation with a letter after it", { creationTime: "5n" }],
      ["a time of creation with a letter before it", { creationTime: "n5" }],
      ["a time of access without ticks", { lastAccessTime: { whileNanos: "1" } }],
      ["a time of access without the platform's", { lastAccessTime: { ticks: "1" } }],
      ["a time of writing with words", { lastWriteTime: { ticks: "soon", whileNanos: "1" } }],
      ["a time of change without the time of modification", { changeTime: time }],
      ["a time of change with a number", { changeTime: { ...time, modifiedNanos: 5 } }],
      ["a time of birth as a number", { born: 5 }],
      ["blobs as a list", { blobs: ["AQID"] }],
      ["blobs as text", { blobs: "AQID" }],
      ["a blob as a number", { blobs: { SecurityDescriptor: 5 } }],
      ["one blob of two as a list", { blobs: { SecurityDescriptor: "AQID", ReparsePoint: [] } }],
      ["a stream without a name", { streams: [{ file: "1" }] }],
      ["a stream without a file", { streams: [{ name: "a" }] }],
      ["a stream whose file is a number", { streams: [{ name: "a", file: 1 }] }],
      ["a stream whose file leads elsewhere", { streams: [{ name: "a", file: "../1" }] }],
      ["a stream whose file has a letter", { streams: [{ name: "a", file: "1a" }] }],
      ["one stream of two without a name", { streams: [{ name: "a", file: "1" }, { file: "2" }] }]
    ] as const
  ) {
    it(`is refused: ${title}`, () => {
      assert.throws(() => SidecarRecord.parse(JSON.stringify(value)))
    })
  }

  it("has no data if it has no fields but the time of birth", () => {
    assert.isTrue(SidecarRecord.isEmpty({}))
    assert.isTrue(SidecarRecord.isEmpty({ born: "5" }))
    assert.isTrue(SidecarRecord.isEmpty({ attributes: undefined } as unknown as FileRecord))
    for (const [key, value] of Object.entries(whole)) {
      if (key !== "born") assert.isFalse(SidecarRecord.isEmpty({ [key]: value, born: "5" }), key)
    }
    assert.isFalse(SidecarRecord.isEmpty({ damaged: true }))
  })
})

describe("records of files whose numbers do not last", () => {
  it("keep attributes and times while the process runs, and refuse blobs and streams with Unsupported", async () => {
    const records = new TemporaryRecords()
    assert.isFalse(records.has("k"))
    assert.deepStrictEqual(await records.get("k"), {})
    await records.update("k", (record) => ({ ...record, attributes: 2 }))
    await records.update("k", (record) => Promise.resolve({ ...record, creationTime: "5" }))
    assert.isTrue(records.has("k"))
    assert.deepStrictEqual(await records.get("k"), { attributes: 2, creationTime: "5" })
    for (const more of [{ blobs: { SecurityDescriptor: "" } }, { streams: [] }]) {
      assert.strictEqual(await reason(records.update("k", (record) => ({ ...record, ...more }))), "Unsupported")
    }
    assert.deepStrictEqual(await records.get("k"), { attributes: 2, creationTime: "5" })
    assert.strictEqual(await reason(records.openStream()), "Unsupported")
    assert.strictEqual(await reason(records.removeStream()), "Unsupported")
    assert.throws(() => records.stream())
    assert.throws(() => records.descriptor())
    await records.flush()
    await records.update("k", () => ({}))
    assert.isFalse(records.has("k"))
    await records.update("k", () => ({ attributes: 1 }))
    await records.drop("k")
    assert.deepStrictEqual(await records.get("k"), {})
  })

  it("are changed one after the other", async () => {
    const records = new TemporaryRecords()
    await Promise.all(Array.from({ length: 10 }, () =>
      records.update("k", async ({ attributes = 0 }) => {
        await setImmediate()
        return { attributes: attributes + 1 }
      })))
    assert.deepStrictEqual(await records.get("k"), { attributes: 10 })
  })

  it("are kept of 65,536 files, those that were changed last", async () => {
    const records = new TemporaryRecords()
    for (let i = 0; i < 65_536; i++) void records.update(`${i}`, () => ({ attributes: 1 }))
    await records.update("0", () => ({ attributes: 2 }))
    assert.isTrue(records.has("1"))
    await records.update("more", () => ({ attributes: 1 }))
    assert.isFalse(records.has("1"))
    assert.deepStrictEqual([records.has("0"), records.has("2"), records.has("more")], [true, true, true])
  })
})

describe("attributes", () => {
  const { FILE_ATTRIBUTE_DIRECTORY: D, FILE_ATTRIBUTE_NORMAL: N, FILE_ATTRIBUTE_REPARSE_POINT: R } = F
  const HIDDEN = F.FILE_ATTRIBUTE_HIDDEN
  const SYSTEM = F.FILE_ATTRIBUTE_SYSTEM

  it("are kept without the three bits that follow from the file", () => {
    assert.strictEqual(Attributes.kept(D | N | R), 0)
    assert.strictEqual(Attributes.kept(D | N | R | HIDDEN | SYSTEM), HIDDEN | SYSTEM)
    assert.strictEqual(Attributes.kept(HIDDEN), HIDDEN)
  })

  it("are reported with the bits of the file, and NORMAL only alone (MS-FSCC 2.6)", () => {
    const tag = 0xa000_000c
    assert.strictEqual(Attributes.reported(0, "file", 0), N)
    assert.strictEqual(Attributes.reported(HIDDEN, "file", 0), HIDDEN)
    assert.strictEqual(Attributes.reported(0, "file", tag), R)
    assert.strictEqual(Attributes.reported(0, "directory", 0), D)
    assert.strictEqual(Attributes.reported(HIDDEN, "directory", tag), HIDDEN | D | R)
  })

  it("have the tag of a reparse point from the first four bytes of its buffer, little-endian", () => {
    assert.strictEqual(Attributes.reparseTagOf(undefined), 0)
    assert.strictEqual(Attributes.reparseTagOf(Uint8Array.of(1, 2, 3)), 0)
    assert.strictEqual(Attributes.reparseTagOf(Uint8Array.of(0x0c, 0, 0, 0xa0)), 0xa000_000c)
    assert.strictEqual(Attributes.reparseTagOf(Uint8Array.of(4, 3, 2, 1, 9)), 0x0102_0304)
  })
})

describe("calls for keys", () => {
  /** Runs calls and writes down when each begins and ends; `end` ends one. */
  const logged = () => {
    const log: Array<string> = []
    const ends = new Map<string, () => void>()
    const body = (name: string, fails = false) => async () => {
      log.push(`+${name}`)
      await new Promise<void>((resolve) => ends.set(name, resolve))
      log.push(`-${name}`)
      if (fails) throw new Error(name)
      return name
    }
    const end = async (name: string) => {
      ends.get(name)!()
      await setImmediate()
    }
    return { body, end, log }
  }

  it("run one after the other for one key, also after a failure, and at the same time for others", async () => {
    const locks = new KeyedLocks()
    const { body, end, log } = logged()
    const one = locks.run("k", body("1", true)).catch((error) => error.message)
    const two = locks.run("k", body("2"))
    const other = locks.run("l", body("o"))
    await setImmediate()
    assert.deepStrictEqual(log, ["+1", "+o"])
    await end("1")
    const three = locks.run("k", body("3"))
    await setImmediate()
    assert.deepStrictEqual(log, ["+1", "+o", "-1", "+2"])
    await end("2")
    await end("3")
    await end("o")
    assert.deepStrictEqual(await Promise.all([one, two, three, other]), ["1", "2", "3", "o"])
    assert.deepStrictEqual(log, ["+1", "+o", "-1", "+2", "-2", "+3", "-3", "-o"])
    // No call waits: the next one begins in the same step.
    void locks.run("k", body("4"))
    assert.strictEqual(log.at(-1), "+4")
    await end("4")
  })

  it("for two keys wait for both, in any order of the keys, and for one key that is given twice", async () => {
    const locks = new KeyedLocks()
    for (const [one, other] of [["a", "b"], ["b", "a"]] as const) {
      for (const held of ["a", "b"]) {
        const { body, end, log } = logged()
        const first = locks.run(held, body("first"))
        const both = locks.both(one, other, body("both"))
        await setImmediate()
        assert.deepStrictEqual(log, ["+first"])
        await end("first")
        assert.deepStrictEqual(log, ["+first", "-first", "+both"])
        const after = [locks.run("a", body("x")), locks.run("b", body("y"))]
        await setImmediate()
        assert.strictEqual(log.length, 3)
        await end("both")
        assert.strictEqual(log.length, 6)
        await end("x")
        await end("y")
        assert.deepStrictEqual(await Promise.all([first, both, ...after]), ["first", "both", "x", "y"])
      }
    }
    // Two calls that name the keys in different orders do not wait for each other for ever.
    const { body, end } = logged()
    const calls = [locks.both("a", "b", body("1")), locks.both("b", "a", body("2")), locks.both("a", "a", body("3"))]
    for (const name of ["1", "2", "3"]) {
      await setImmediate()
      await end(name)
    }
    assert.deepStrictEqual(await Promise.all(calls), ["1", "2", "3"])
  })
})
