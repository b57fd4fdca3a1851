/**
 * Pages of directories over SMB 1: recorded pages of smbd with TShark's names, pages in a code page, changed bytes;
 * and code page 850 against Python's codec.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Codec from "../../src/Codec/Codec.ts"
import * as DirectoryInformation from "../../src/Codec/DirectoryInformation.ts"
import { Malformed } from "../../src/Codec/Malformed.ts"
import * as Oem from "../../src/Codec/Oem.ts"
import * as Listing from "../../src/Smb1/Listing.ts"
import * as Trans2 from "../../src/Smb1/Message/Trans2.ts"
import * as Transaction from "../../src/Smb1/Message/Transaction.ts"
import { random } from "../random.ts"
import { packets } from "./Message/packets.ts"

/** Recorded pages of smbd: FileBothDirectoryInformation, which is level 0x104. */
const pages = packets.flatMap((p) => {
  if (p.way !== "response" || p.tshark["smb.end_of_search"] === undefined || !p.unicode) return []
  const response = Result.getOrThrow(Codec.decode("", Codec.at(32, Transaction.ShortResponse))(p.packet))
  if (response.parameters.length !== 10 || p.tshark["smb.file"] === undefined) return []
  const { searchCount } = Result.getOrThrow(Codec.decode("", Trans2.FindFirst2Response)(response.parameters))
  return searchCount === 0 ? [] : [{ data: response.data, count: searchCount, names: p.tshark["smb.file"] }]
})

describe("a page of a directory", () => {
  it("that smbd sent is read with TShark's names and its last name", () => {
    assert.isAbove(pages.length, 0)
    for (const { count, data, names } of pages) {
      const page = Result.getOrThrow(Listing.read(3, data, count, true))
      const entries = Result.getOrThrow(
        Codec.decode("", DirectoryInformation.FileBothDirectoryInformation)(page.bytes)
      )
      assert.strictEqual(entries.length, count)
      assert.strictEqual(page.lastName, entries.at(-1)!.fileName)
      for (const { fileName } of entries) assert.include(names, fileName)
    }
  })

  it("in code page 850 is converted to UTF-16", () => {
    const entry = (name: string, next: number) => {
      const bytes = new Uint8Array(next === 0 ? 94 + name.length : next)
      const view = new DataView(bytes.buffer)
      view.setUint32(0, next, true)
      view.setUint32(60, name.length, true)
      bytes.set(Oem.encode(name), 94)
      return bytes
    }
    const data = Buffer.concat([entry("Ärger", 104), entry("naïve ½", 108), entry("end", 0)])
    const page = Result.getOrThrow(Listing.read(3, data, 3, false))
    const entries = Result.getOrThrow(Codec.decode("", DirectoryInformation.FileBothDirectoryInformation)(page.bytes))
    assert.deepStrictEqual(entries.map(({ fileName }) => fileName), ["Ärger", "naïve ½", "end"])
    assert.strictEqual(page.lastName, "end")
  })

  it("with changed bytes is read or Malformed, and grows at most four times", () => {
    const next = random(5)
    for (let round = 0; round < 3000; round++) {
      const [{ count, data }] = pages as [typeof pages[number]]
      const bytes = Uint8Array.from(data)
      for (let i = 0; i < 1 + next(4); i++) bytes[next(bytes.length)] = next(256)
      for (const fileInformationClass of [1, 2, 3, 12, 37, 38]) {
        const page = Listing.read(fileInformationClass, bytes, round % 2 === 0 ? count : next(0x10000), next(2) === 0)
        if (Result.isFailure(page)) assert.instanceOf(page.failure, Malformed)
        else assert.isAtMost(page.success.bytes.length, bytes.length * 4)
      }
    }
  })
})

describe("code page 850", () => {
  it("has the characters of Python's codec, and keeps all 256 bytes", () => {
    // Values of Python's codec cp850.
    assert.strictEqual(Oem.decode(Uint8Array.of(0x80, 0x9c, 0xab, 0xb0, 0xd5, 0xe1, 0xff)), "Ç£½░ıß\u00a0")
    assert.deepStrictEqual(Buffer.from(Oem.encode("Grüße?")), Buffer.from("477281e1653f", "hex"))
    const all = Uint8Array.from({ length: 256 }, (_, i) => i)
    assert.deepStrictEqual(Oem.encode(Oem.decode(all)), all)
    assert.isTrue(Oem.canEncode("naïve ½"))
    assert.isFalse(Oem.canEncode("🦊"))
    assert.isFalse(Oem.canEncode("€"))
  })
})
