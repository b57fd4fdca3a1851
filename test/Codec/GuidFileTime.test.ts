/**
 * GUIDs against the bytes of known interfaces (C706), and FILETIMEs against GNU date and MS-DTYP 2.3.3, with their
 * special values and limits.
 */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Result } from "effect"
import * as Codec from "../../src/Codec/Codec.ts"
import * as FileTime from "../../src/Codec/FileTime.ts"
import * as Guid from "../../src/Codec/Guid.ts"

const hex = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))

describe("Guid", () => {
  // The interface of MS-SRVS 1.9 as in every bind, and the transfer syntax of NDR (C706 appendix).
  const known = [
    ["4b324fc8-1670-01d3-1278-5a47bf6ee188", "c84f324b7016d30112785a47bf6ee188"],
    ["8a885d04-1ceb-11c9-9fe8-08002b104860", "045d888aeb1cc9119fe808002b104860"]
  ] as const

  it.each(known)("reads and writes %s as text and bytes", (text, bytes) => {
    assert.strictEqual(Guid.fromBytes(hex(bytes)), text)
    assert.deepStrictEqual(Codec.encode(Guid.Guid)(text), hex(bytes))
    assert.deepStrictEqual(Codec.decode("GUID", Guid.Guid)(hex(bytes)), Result.succeed(text))
    assert.deepStrictEqual(Guid.fromString(`{${text.toUpperCase()}}`), Result.succeed(text))
  })

  it.each(["", "4b324fc8", "4b324fc8-1670-01d3-1278-5a47bf6ee18g", "{4b324fc8-1670-01d3-1278-5a47bf6ee188"])(
    "refuses %j",
    (text) => {
      const result = Guid.fromString(text)
      assert(Result.isFailure(result))
      assert.strictEqual(result.failure._tag, "Malformed")
      assert.throws(() => Guid.toBytes(text), RangeError)
    }
  )

  it("refuses 15 bytes", () => {
    assert(Result.isFailure(Codec.decode("GUID", Guid.Guid)(new Uint8Array(15))))
  })
})

describe("FileTime", () => {
  // Seconds by GNU `date -u -d ... +%s`, plus the 11,644,473,600 s between 1601 and 1970 that MS-DTYP implies.
  const known = [
    ["1970-01-01T00:00:00.0000000Z", 116_444_736_000_000_000n],
    ["1601-01-01T00:00:00.0000001Z", 1n],
    ["1969-12-31T23:59:59.9999999Z", 116_444_735_999_999_999n],
    ["2024-02-29T12:34:56.7654321Z", 133_536_836_967_654_321n],
    ["2106-02-07T06:28:15.0000000Z", 159_394_408_950_000_000n],
    ["9999-12-31T23:59:59.9999999Z", 2_650_467_743_999_999_999n]
  ] as const

  it.each(known)("converts %s to %d and back", (text, ticks) => {
    assert.strictEqual(FileTime.toISO(ticks), text)
    assert.deepStrictEqual(FileTime.fromISO(text), Result.succeed(ticks))
    assert.strictEqual(FileTime.toDate(ticks)!.toISOString(), text.slice(0, 23) + "Z")
    assert.strictEqual(FileTime.fromNanos(FileTime.toNanos(ticks)), ticks)
  })

  it("reads dates without time, with an offset, or with a blank", () => {
    assert.deepStrictEqual(FileTime.fromISO("2024-02-29"), Result.succeed(133_536_384_000_000_000n))
    assert.deepStrictEqual(FileTime.fromISO("2024-02-29T01:00:00+01:00"), Result.succeed(133_536_384_000_000_000n))
    assert.deepStrictEqual(FileTime.fromISO("2024-02-29 00:00"), Result.succeed(133_536_384_000_000_000n))
  })

  it.each(["", "2023-02-29", "2024-13-01", "2024-02-29T25:00", "yesterday", "1600-12-31", "1601-01-01"])(
    "refuses %j",
    (text) => assert(Result.isFailure(FileTime.fromISO(text)))
  )

  it("does not take the special values unset, freeze and thaw for times", () => {
    for (const special of [FileTime.unset, FileTime.freeze, FileTime.thaw]) {
      assert.isFalse(FileTime.isTime(special))
      assert.strictEqual(FileTime.toISO(special), undefined)
      assert.strictEqual(FileTime.toDate(special), undefined)
    }
    assert.deepStrictEqual(Codec.encode(FileTime.FileTime)(FileTime.freeze), hex("ffffffffffffffff"))
    assert.deepStrictEqual(
      Codec.decode("FILETIME", FileTime.FileTime)(hex("feffffffffffffff")),
      Result.succeed(FileTime.thaw)
    )
  })

  it("shows the largest value of the wire", () => {
    assert.strictEqual(FileTime.toISO((1n << 63n) - 1n), "+030828-09-14T02:48:05.4775807Z")
  })

  it("takes the nearest FILETIME for dates before 1601 or after 30828, and refuses them as text", () => {
    const [old, far] = [-14_831_769_600_000, 1_200_093_321_600_000]
    for (
      const [millis, right] of [[old, 0n], [far, FileTime.latest], [-8.64e15, 0n], [8.64e15, FileTime.latest]] as const
    ) {
      assert.strictEqual(FileTime.fromMillis(millis), right)
      assert.strictEqual(FileTime.fromDate(new Date(millis)), right)
      assert.strictEqual(FileTime.fromNanos(BigInt(millis) * 1_000_000n), right)
    }
    for (const text of ["1500-01-01", "1500-01-01T00:00:00.5", "+030828-09-14T02:48:05.4775808Z", "+040000-01-01"]) {
      assert.strictEqual(FileTime.fromISO(text)._tag, "Failure", text)
    }
    assert.deepStrictEqual(
      FileTime.fromISO("+030828-09-14T02:48:05.4775807Z"),
      Result.succeed(FileTime.latest)
    )
  })

  it("takes fractions of a millisecond, and refuses NaN", () => {
    assert.strictEqual(FileTime.fromMillis(0.5), FileTime.epoch + 5_000n)
    assert.strictEqual(FileTime.fromMillis(-0.5), FileTime.epoch - 5_000n)
    assert.strictEqual(FileTime.toMillis(FileTime.epoch - 1n), -1)
    assert.throws(() => FileTime.fromMillis(NaN), RangeError)
  })

  it("is a DateTime and comes from one, from a Date or from ticks, within its range", () => {
    const ticks = 133_536_152_967_654_321n
    const date = FileTime.toDateTime(ticks)!
    // GNU date: `date -u -d @1709141696.765 +%FT%T.%3NZ`.
    assert.strictEqual(DateTime.formatIso(date), "2024-02-28T17:34:56.765Z")
    const toMillis = ticks - ticks % 10_000n
    const zoned = DateTime.makeZonedUnsafe(date, { timeZone: "Asia/Tokyo" })
    for (const input of [date, zoned, FileTime.toDate(ticks)!]) {
      assert.deepStrictEqual(FileTime.fromInput(input), Result.succeed(toMillis))
    }
    for (const input of [ticks, FileTime.freeze, FileTime.thaw, FileTime.unset]) {
      assert.deepStrictEqual(FileTime.fromInput(input), Result.succeed(input))
    }
    for (const none of [FileTime.unset, FileTime.freeze, FileTime.thaw]) assert.isUndefined(FileTime.toDateTime(none))
    // 0 would mean "unchanged".
    for (const early of ["1601-01-01T00:00:00Z", "1500-01-01T00:00:00Z"]) {
      assert.deepStrictEqual(FileTime.fromInput(DateTime.makeUnsafe(early)), Result.succeed(1n))
      assert.deepStrictEqual(FileTime.fromInput(new Date(early)), Result.succeed(1n))
    }
    assert.deepStrictEqual(FileTime.fromInput(new Date(8.64e15)), Result.succeed(FileTime.latest))
    assert.isDefined(FileTime.toDateTime(FileTime.latest))
    // The wire has a signed number of 64 bits: these would become other times.
    for (const input of [new Date(Number.NaN), 1n << 63n, -(1n << 63n) - 1n, 1n << 64n, 1n << 70n]) {
      const refused = FileTime.fromInput(input)
      assert(Result.isFailure(refused), String(input))
      assert.strictEqual(refused.failure.structure, "FILETIME")
    }
    assert.deepStrictEqual(FileTime.fromInput((1n << 63n) - 1n), Result.succeed(FileTime.latest))
  })
})
