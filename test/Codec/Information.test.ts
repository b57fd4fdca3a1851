/**
 * The information classes of files, directories and volumes (MS-FSCC 2.4, 2.5): against bytes that smbd, smbclient,
 * smbtorture and impacket exchanged, with the values that tshark shows, and against the documents' tables.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { readFileSync } from "node:fs"
import * as Codec from "../../src/Codec/Codec.ts"
import * as Directory from "../../src/Codec/DirectoryInformation.ts"
import * as File from "../../src/Codec/FileInformation.ts"
import * as Volume from "../../src/Codec/FileSystemInformation.ts"
import * as FileTime from "../../src/Codec/FileTime.ts"
import { hostile } from "./hostile.ts"

interface Sample {
  readonly kind: "file" | "directory" | "volume"
  readonly direction: "query" | "set"
  readonly number: number
  readonly bytes: string
  readonly fields: Record<string, Array<string | number>>
}

const hex = (text: string) => new Uint8Array(Buffer.from(text.replace(/\s/g, ""), "hex"))
const { samples }: { readonly samples: ReadonlyArray<Sample> } = JSON.parse(
  readFileSync(new URL("./fixtures/information.json", import.meta.url), "utf8")
)

const codecOf = ({ kind, number }: Sample): Codec.Codec<any> => {
  const found = { file: File, directory: Directory, volume: Volume }[kind].byNumber(number)
  assert(found !== undefined)
  return found.codec
}

/** All values of each name, in the order of the fields, as tshark shows them. */
const leaves = (value: unknown, name = "", found: Record<string, Array<unknown>> = {}) => {
  if (typeof value === "bigint") {
    ;(found[name] ??= []).push(name.endsWith("Time") ? FileTime.toISO(value) : Number(value))
  } else if (typeof value === "boolean") {
    ;(found[name] ??= []).push(value ? 1 : 0)
  } else if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    for (const [key, inner] of Object.entries(value)) leaves(inner, Array.isArray(value) ? name : key, found)
  } else if (value !== "") {
    ;(found[name] ??= []).push(value)
  }
  return found
}

describe("an information class in recorded bytes of smbd, smbclient, smbtorture and impacket", () => {
  it.each(
    samples.map((sample) =>
      [`${sample.kind} ${sample.direction} ${sample.number}, ${sample.bytes.length / 2} bytes`, sample] as const
    )
  )(
    "has tshark's values, and is encoded to the same bytes: %s",
    (_, sample) => {
      const codec = codecOf(sample)
      const bytes = hex(sample.bytes)
      const result = Codec.decode("sample", codec)(bytes)
      assert(Result.isSuccess(result))
      const found = leaves(result.success)
      for (const [name, values] of Object.entries(sample.fields)) assert.deepStrictEqual(found[name], values, name)
      // Samba ends a list with padding: up to there, the encoded bytes must be the same.
      const again = Codec.encode(codec)(result.success)
      assert.deepStrictEqual(again, bytes.slice(0, again.length))
      assert.isAtMost(bytes.length - again.length, 8)
      assert(bytes.subarray(again.length).every((byte) => byte === 0))
    }
  )

  it("is recorded for at least 33 classes", () => {
    const seen = new Set(samples.map(({ kind, number }) => `${kind} ${number}`))
    assert.isAtLeast(seen.size, 33)
  })
})

describe("an information class that no recorded peer sends", () => {
  it("is padded to the size of Windows' structure: FileRenameInformation with a name of one letter", () => {
    const value = { replaceIfExists: true, rootDirectory: 0n, fileName: "x" }
    assert.deepStrictEqual(
      Codec.encode(File.FileRenameInformation)(value),
      hex("01 00000000000000 0000000000000000 02000000 7800 0000")
    )
  })

  it("has the bytes of the document's table: FileIdInformation", () => {
    const bytes = hex("efcdab8967452301 000102030405060708090a0b0c0d0e0f")
    const value = { volumeSerialNumber: 0x0123456789abcdefn, fileId: bytes.slice(8) }
    assert.deepStrictEqual(Codec.encode(File.FileIdInformation)(value), bytes)
    assert.deepStrictEqual(Codec.decode("", File.FileIdInformation)(bytes), Result.succeed(value))
  })

  it("has its name at byte 114: FileIdExtdBothDirectoryInformation", () => {
    const name = "file.txt"
    const [entry] = [{
      fileIndex: 0,
      creationTime: 1n,
      lastAccessTime: 2n,
      lastWriteTime: 3n,
      changeTime: 4n,
      endOfFile: 5n,
      allocationSize: 6n,
      fileAttributes: 0x400,
      eaSize: 0,
      reparsePointTag: 0xa000000c,
      fileId: new Uint8Array(16).fill(9),
      shortName: "F~1",
      fileName: name
    }]
    const bytes = Codec.encode(Directory.FileIdExtdBothDirectoryInformation)([entry!])
    assert.strictEqual(Buffer.from(bytes.subarray(114)).toString("utf16le"), name)
    assert.deepStrictEqual(bytes.slice(68, 72), hex("0c0000a0"))
    assert.strictEqual(bytes[88], 6)
    assert.deepStrictEqual(bytes.slice(90, 96), hex("46007e003100"))
    assert.deepStrictEqual(
      Codec.decode("", Directory.FileIdExtdBothDirectoryInformation)(bytes),
      Result.succeed([entry!])
    )
  })

  it("has the bytes of the document's table: FileGetEaInformation", () => {
    const bytes = hex("0c000000 02 414200 00000000 00000000 01 4300")
    assert.deepStrictEqual(Codec.decode("", File.FileGetEaInformation)(bytes), Result.succeed(["AB", "C"]))
    assert.deepStrictEqual(
      Codec.encode(File.FileGetEaInformation)(["AB", "C"]),
      hex("08000000 02 414200 00000000 01 4300")
    )
  })

  it("is malformed when a short name is longer than its field: FileBothDirectoryInformation", () => {
    const bytes = Codec.encode(Directory.FileBothDirectoryInformation)([])
    assert.strictEqual(bytes.length, 0)
    const lie = hex(samples.find(({ kind, number }) => kind === "directory" && number === 3)!.bytes)
    lie[68] = 25
    assert(Result.isFailure(Codec.decode("", Directory.FileBothDirectoryInformation)(lie)))
  })
})

describe("truncated, changed and random bytes", () => {
  it.each(["file", "directory", "volume"] as const)("give a value or Malformed for all %s classes", (kind) => {
    for (
      const number of Object.values({ file: File, directory: Directory, volume: Volume }[kind].classes).map((of) =>
        of.number
      )
    ) {
      const real = samples.filter((sample) => sample.kind === kind && sample.number === number)
      const codec = codecOf({ kind, number } as Sample)
      hostile(codec, real.slice(0, 1).map((sample) => hex(sample.bytes)), () => {}, 60)
    }
  })
})
