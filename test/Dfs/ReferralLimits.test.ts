/**
 * The limits of a referral response (MS-DFSC 2.2.4, 2.2.5), each one below, at and above its border: sizes, counts,
 * offsets, text in proportion to the message; and values that have no encoding.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import {
  decodeReferralResponse,
  encodeReferralResponse,
  isNameList,
  makeReferralResponse,
  ReferralResponse
} from "../../src/Dfs/ReferralResponse.ts"

type Entry = Parameters<typeof makeReferralResponse>[0]["referralEntries"][number]

/** Little-endian 16-bit numbers as bytes. */
const words = (...values: ReadonlyArray<number>) => values.flatMap((value) => [value & 0xff, value >> 8])
const header = (count: number) => words(0, count, 0, 0)
const decode = (...bytes: ReadonlyArray<ReadonlyArray<number>>) => decodeReferralResponse(Uint8Array.from(bytes.flat()))
const decoded = (...bytes: ReadonlyArray<ReadonlyArray<number>>): ReadonlyArray<any> =>
  Result.getOrThrow(decode(...bytes)).referralEntries
/** Where a decoder stopped, and what it expected. */
const refused = (...bytes: ReadonlyArray<ReadonlyArray<number>>): string => {
  const result = decode(...bytes)
  assert(Result.isFailure(result))
  return `${result.failure._tag} ${result.failure.offset} ${(result.failure as any).expected ?? ""}`
}
const text = (value: string) => [...Buffer.from(`${value}\0`, "utf16le")]

const v1 = (size: number, name: ReadonlyArray<number>, flags = 0) => [...words(1, size, 1, flags), ...name]
/** An entry of version 3 or 4 with the three offsets of its text. */
const v3 = (dfsPath: number, alternate: number, address: number, { flags = 0, size = 34, version = 3 } = {}) => [
  ...words(version, size, 0, flags, 60, 0, dfsPath, alternate, address),
  ...Array.from({ length: size - 18 }, () => 0)
]
const list = (special: number, count: number, names: number, size = 18) => [
  ...words(3, size, 0, 2, 60, 0, special, count, names),
  ...Array.from({ length: size - 18 }, () => 0)
]

describe("a response is decoded", () => {
  it("without entries, and with all bits of its header, which a client ignores if it does not know them", () => {
    assert.deepStrictEqual<unknown>(
      Result.getOrThrow(decodeReferralResponse(Uint8Array.from([...words(7, 0), 0xff, 0xff, 0xff, 0xff]))),
      { pathConsumed: 7, numberOfReferrals: 0, referralHeaderFlags: 0xffffffff, referralEntries: [] }
    )
    assert.isTrue(Result.isFailure(decodeReferralResponse(Uint8Array.from(words(7, 0, 0)))))
  })

  it("if each counted entry has at least 10 bytes", () => {
    assert.deepStrictEqual(decoded(header(1), v1(10, text(""))).map((one) => one.shareName), [""])
    assert.strictEqual(refused(header(1), v1(10, [0])), "Malformed 2 room for 1 entries, not 9 bytes")
    assert.strictEqual(refused(header(2), v1(19, [...text("abcd"), 0])), "Malformed 2 room for 2 entries, not 19 bytes")
    assert.lengthOf(decoded(header(2), v1(10, text("")), v1(10, text(""))), 2)
  })

  it("if its entries are inside the message to the byte", () => {
    assert.strictEqual(decoded(header(1), v1(12, text("a")))[0].shareName, "a")
    assert.strictEqual(
      refused(header(1), v1(13, text("a"))),
      "Malformed 10 an entry inside the message, not 13 bytes long"
    )
    // The name of version 1 is part of the entry: it cannot go on in the next one.
    assert.match(refused(header(2), v1(10, [65, 0]), v1(10, text(""))), /^Malformed 16 .*NUL/)
  })

  it("with versions 1 and 2 whose flags are ignored: only later versions have lists of names", () => {
    assert.strictEqual(decoded(header(1), v1(10, text(""), 2))[0].shareName, "")
    const v2 = [...words(2, 22, 0, 2, 9, 0, 60, 0, 0, 0, 22), ...text("\\s\\x")]
    assert.deepStrictEqual(decoded(header(1), v2), [{
      versionNumber: 2,
      size: 22,
      serverType: 0,
      referralEntryFlags: 2,
      proximity: 9,
      timeToLive: 60,
      networkAddress: "\\s\\x"
    }])
  })

  it("if no offset leads into its own entry or out of the message", () => {
    const at = (offset: number, version = 3) => [header(1), v3(0, 0, offset, { version }), text("ab")] as const
    for (const version of [3, 4]) {
      assert.strictEqual(decoded(...at(34, version))[0].networkAddress, "ab")
      assert.strictEqual(decoded(...at(36, version))[0].networkAddress, "b")
      assert.strictEqual(decoded(...at(38, version))[0].networkAddress, "")
      assert.strictEqual(decoded(...at(0, version))[0].networkAddress, undefined)
    }
    assert.strictEqual(refused(...at(33)), "Malformed 24 NetworkAddress after its entry, not at 33")
    assert.strictEqual(refused(...at(40)), "Malformed 48 NetworkAddress inside the message")
    assert.strictEqual(refused(...at(41)), "Malformed 24 NetworkAddress inside the message, not at 49")
    assert.strictEqual(refused(header(1), v3(33, 0, 0), text("")), "Malformed 20 DFSPath after its entry, not at 33")
    assert.strictEqual(
      refused(header(1), v3(0, 33, 0), text("")),
      "Malformed 22 DFSAlternatePath after its entry, not at 33"
    )
    // Text that begins in padding of a longer entry is after the entry's fields.
    assert.strictEqual(decoded(header(1), v3(0, 0, 34, { size: 36 }))[0].networkAddress, "")
    assert.strictEqual(
      refused(header(1), list(17, 0, 0), text("")),
      "Malformed 20 SpecialName after its entry, not at 17"
    )
    assert.strictEqual(decoded(header(1), list(18, 0, 0), text("d"))[0].specialName, "d")
  })

  it("if a list has as many names as it counts, none of them cut", () => {
    const names = (count: number, offset: number, ...all: ReadonlyArray<string>) =>
      [header(1), list(0, count, offset), all.flatMap(text)] as const
    assert.deepStrictEqual(decoded(...names(2, 18, "a", "bc"))[0].expandedNames, ["a", "bc"])
    assert.deepStrictEqual(decoded(...names(1, 22, "a", "bc"))[0].expandedNames, ["bc"])
    assert.deepStrictEqual(decoded(...names(0, 18, "a"))[0].expandedNames, [])
    assert.deepStrictEqual(decoded(...names(0, 0))[0].expandedNames, [])
    assert.deepStrictEqual(decoded(...names(3, 18, "", "", ""))[0].expandedNames, ["", "", ""])
    assert.strictEqual(refused(...names(4, 18, "", "", "")), "Malformed 26 room for 4 of ExpandedName")
    assert.strictEqual(refused(...names(2, 18, "a")), "Malformed 30 ExpandedName inside the message")
    assert.strictEqual(refused(...names(1, 0, "a")), "Malformed 24 ExpandedNameOffset for 1 names, not 0")
    assert.deepStrictEqual(decoded(...names(1, 18, "a")).map(isNameList), [true])
    assert.deepStrictEqual(decoded(header(1), v3(0, 0, 34), text("a")).map(isNameList), [false])
  })

  it("if its text, read from all offsets, has at most four times the bytes of the message", () => {
    // Text of 1,000 bytes behind two entries. The offsets of each read the rest of it from another place.
    const length = 8 + 68 + 1000
    const message = (last: number) => {
      const from = (entry: number, bytes: number) => 68 - entry * 34 + 1000 - bytes
      return [
        header(2),
        v3(from(0, 1000), from(0, 998), from(0, 996)),
        v3(from(1, 994), from(1, last), 0),
        text("x".repeat(499))
      ] as const
    }
    const left = 4 * length - (1000 + 998 + 996 + 994)
    assert.strictEqual(decoded(...message(left))[1].dfsAlternatePath.length, left / 2 - 1)
    assert.strictEqual(
      refused(...message(left + 2)),
      `Malformed ${length - left - 2} text in proportion to the message`
    )
  })
})

const target = {
  versionNumber: 3,
  serverType: 0,
  referralEntryFlags: 0,
  timeToLive: 1,
  networkAddress: "\\s\\x"
} as const
const names = { versionNumber: 3, serverType: 0, referralEntryFlags: 2, timeToLive: 1, expandedNames: ["\\d"] } as const
const first = { versionNumber: 1, serverType: 0, referralEntryFlags: 0, shareName: "\\s\\x" } as const
const second = { ...target, versionNumber: 2, proximity: 0 } as const

const encoded = (...referralEntries: ReadonlyArray<Entry>) =>
  encodeReferralResponse(makeReferralResponse({ pathConsumed: 0, referralEntries }))
const unencodable = (...referralEntries: ReadonlyArray<Entry>): string => {
  const result = encoded(...referralEntries)
  assert(Result.isFailure(result), JSON.stringify(referralEntries))
  return result.failure.message.replace("RESP_GET_DFS_REFERRAL cannot be encoded: ", "")
}

describe("a response has no encoding", () => {
  it("if its count is not that of its entries", () => {
    for (const numberOfReferrals of [0, 2]) {
      const result = encodeReferralResponse({
        ...makeReferralResponse({ pathConsumed: 0, referralEntries: [target] }),
        numberOfReferrals
      })
      assert(Result.isFailure(result))
      assert.strictEqual(
        result.failure.message,
        `RESP_GET_DFS_REFERRAL cannot be encoded: NumberOfReferrals is ${numberOfReferrals}, and there are 1 entries`
      )
    }
  })

  it("if its entries have different versions", () => {
    for (const entry of [first, second, { ...target, versionNumber: 4 } as const]) {
      assert.strictEqual(unencodable(target, entry), "its entries are of different versions")
    }
  })

  it("if the flag NameListReferral does not say what an entry is", () => {
    const message = "NameListReferral does not say what the entry is"
    for (const versionNumber of [3, 4] as const) {
      for (const referralEntryFlags of [2, 6]) {
        assert.strictEqual(unencodable({ ...target, versionNumber, referralEntryFlags }), message)
        assert.isTrue(Result.isSuccess(encoded({ ...names, versionNumber, referralEntryFlags })))
      }
      for (const referralEntryFlags of [0, 4]) {
        assert.strictEqual(unencodable({ ...names, versionNumber, referralEntryFlags }), message)
        assert.isTrue(Result.isSuccess(encoded({ ...target, versionNumber, referralEntryFlags })))
      }
    }
    // Versions 1 and 2 have no such flag.
    assert.isTrue(Result.isSuccess(encoded({ ...first, referralEntryFlags: 2 })))
    assert.isTrue(Result.isSuccess(encoded({ ...second, referralEntryFlags: 2 })))
  })

  it("if any of its text contains a NUL", () => {
    const bad = "a\0b"
    const all: ReadonlyArray<Entry> = [
      { ...first, shareName: bad },
      ...([second, target].flatMap((entry) => [
        { ...entry, dfsPath: bad },
        { ...entry, dfsAlternatePath: bad },
        { ...entry, networkAddress: bad }
      ])),
      { ...names, specialName: bad },
      { ...names, expandedNames: ["\\d", bad] }
    ]
    for (const entry of all) assert.strictEqual(unencodable(entry), "a name contains a NUL")
  })

  it("if the Size of an entry is below its version's minimum; a larger Size is padding of zeros", () => {
    const table: ReadonlyArray<readonly [Entry, minimum: number]> = [
      [first, 8 + 5 * 2],
      [{ ...first, shareName: "" }, 10],
      [second, 22],
      [target, 34],
      [{ ...target, versionNumber: 4 }, 34],
      [names, 18]
    ]
    for (const [entry, minimum] of table) {
      assert.strictEqual(
        unencodable({ ...entry, size: minimum - 1 }),
        `an entry of version ${entry.versionNumber} needs a Size of ${minimum}`
      )
      const usual = Result.getOrThrow(encoded(entry))
      assert.deepStrictEqual(Result.getOrThrow(encoded({ ...entry, size: minimum })), usual)
      const longer = Result.getOrThrow(encoded({ ...entry, size: minimum + 4 }))
      assert.strictEqual(longer.length, usual.length + 4)
      assert.deepStrictEqual([...longer.subarray(8 + minimum, 8 + minimum + 4)], [0, 0, 0, 0])
    }
  })

  it("if its text is further away from its entry than 16 bits reach", () => {
    const at = (length: number): Entry => ({ ...target, size: 35, dfsPath: "x".repeat(length) })
    // The network address comes after the path and its NUL: 35 + 2 * 32,750 is 65,535.
    const bytes = Result.getOrThrow(encoded(at(32_749)))
    assert.strictEqual(decoded([...bytes])[0].networkAddress, "\\s\\x")
    assert.strictEqual(unencodable(at(32_750)), "its text lies further away than a 16-bit offset reaches")
  })
})

describe("a response is encoded", () => {
  it("with the path once for all entries, the alternate path as its own copy, and each network address", () => {
    const entry = { ...target, dfsPath: "\\s\\d", dfsAlternatePath: "\\s\\d" }
    const one = Result.getOrThrow(encoded(entry)).length
    const two = Result.getOrThrow(encoded(entry, entry)).length
    assert.strictEqual(one, 8 + 34 + 3 * 10)
    assert.strictEqual(two, one + 34 + 10)
    // Another path is another text.
    assert.strictEqual(Result.getOrThrow(encoded(entry, { ...entry, dfsPath: "\\s\\e" })).length, two + 10)
  })

  it("with no offset for text that it does not have, and with an offset for empty text", () => {
    const bytes = Result.getOrThrow(encoded({ ...names, expandedNames: [] }))
    assert.deepStrictEqual([...bytes.subarray(20)], words(0, 0, 0))
    assert.deepStrictEqual(
      [...Result.getOrThrow(encoded({ ...names, specialName: "" })).subarray(20)],
      [...words(18, 1, 20), ...text(""), ...text("\\d")]
    )
  })

  it("from values within the bits of its fields", () => {
    const isValue = Schema.is(ReferralResponse)
    const value = (more: object) => ({
      ...makeReferralResponse({ pathConsumed: 0, referralEntries: [target] }),
      ...more
    })
    const entry = (more: object) => value({ referralEntries: [{ ...target, size: 34, ...more }] })
    assert.isTrue(isValue(value({ pathConsumed: 0xffff, referralHeaderFlags: 0xffffffff })))
    assert.isTrue(isValue(entry({ timeToLive: 0xffffffff })))
    for (const odd of [-1, 0x10000, 0.5]) assert.isFalse(isValue(value({ pathConsumed: odd })))
    for (const odd of [-1, 2 ** 32, 0.5]) assert.isFalse(isValue(entry({ timeToLive: odd })))
    assert.isFalse(isValue(entry({ networkAddress: "a\0" })))
    assert.isFalse(isValue(entry({ versionNumber: 5 })))
  })
})
