/**
 * Recorded SMB 1 requests that name a path, and their responses, of smbclient, impacket and smbd: decoded to the
 * values of TShark's dissector, and encoded to the same bytes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Codec from "../../../src/Codec/Codec.ts"
import * as FileInformation from "../../../src/Codec/FileInformation.ts"
import * as FileTime from "../../../src/Codec/FileTime.ts"
import { Command, Trans2Subcommand } from "../../../src/Smb1/Message/Constants.ts"
import * as Trans2 from "../../../src/Smb1/Message/Trans2.ts"
import { codecOf, decode, type Packet, pathPackets } from "./packets.ts"

const value = (p: Packet): any => Result.getOrThrow(decode(p))
const of = (command: number, way: Packet["way"]) => {
  const found = pathPackets.filter((p) => p.command === command && p.way === way)
  // Of smbclient with Unicode and without, and of impacket.
  assert.isAtLeast(found.length, 3)
  return found
}
const said = (p: Packet, name: string): string => p.tshark[name]?.[0] ?? assert.fail(`TShark says no ${name}`)

/** The encoded bytes are the recorded bytes behind the header. */
const rewrites = (p: Packet) =>
  assert.deepStrictEqual(Buffer.from(Codec.encode(codecOf(p)!)(value(p))), Buffer.from(p.packet.subarray(32)))

const trans2 = (way: Packet["way"], subcommand: number) =>
  of(Command.SMB_COM_TRANSACTION2, way).filter((p) => Number(said(p, "smb.trans2.cmd")) === subcommand)

/** A structure that SMB 1 sends without the padding at its end. */
const padded = (data: Uint8Array, size: number): Uint8Array => {
  const whole = new Uint8Array(size)
  whole.set(data)
  return whole
}

const millis = (text: string): number => Date.parse(text.replace(/(\.\d{3})\d*/, "$1"))

const sameBasic = (p: Packet, data: Uint8Array) => {
  const basic = Result.getOrThrow(
    Codec.decode("FileBasicInformation", FileInformation.FileBasicInformation)(padded(data, 40))
  )
  assert.strictEqual(basic.fileAttributes, Number(said(p, "smb.file_attribute")))
  for (const [name, time] of [["create", basic.creationTime], ["last_write", basic.lastWriteTime]] as const) {
    // TShark shows a time of 0, which leaves it unchanged, as the beginning of 1970.
    const ours = time === 0n ? 0 : Math.floor(FileTime.toMillis(time))
    assert.strictEqual(ours, millis(said(p, `smb.${name}.time`)), name)
  }
}

describe("recorded SMB 1 requests that name a path", () => {
  it("are in Unicode and in a code page", () => {
    const requests = pathPackets.filter(({ way }) => way === "request")
    assert.deepStrictEqual(new Set(requests.map(({ unicode }) => unicode)), new Set([true, false]))
    assert(requests.some((p) => p.unicode && said(p, p.command < 2 ? "smb.dir_name" : "smb.file").includes("Grüße")))
  })

  it("have TShark's values and are encoded to the same bytes: CREATE_DIRECTORY and DELETE_DIRECTORY", () => {
    for (const command of [Command.SMB_COM_CREATE_DIRECTORY, Command.SMB_COM_DELETE_DIRECTORY]) {
      for (const p of of(command, "request")) {
        assert.strictEqual(value(p).fileName, said(p, "smb.dir_name"))
        rewrites(p)
      }
      for (const p of of(command, "response")) rewrites(p)
    }
  })

  it("have TShark's values and are encoded to the same bytes: DELETE", () => {
    for (const p of of(Command.SMB_COM_DELETE, "request")) {
      const { fileName, searchAttributes } = value(p)
      assert.strictEqual(fileName, said(p, "smb.file"))
      assert.strictEqual(searchAttributes, Number(said(p, "smb.search.attribute")))
      // impacket ends the name twice.
      const twice = !p.unicode && p.packet.at(-2) === 0
      if (!twice) rewrites(p)
    }
    for (const p of of(Command.SMB_COM_DELETE, "response")) rewrites(p)
  })

  it("have TShark's values and are encoded to the same bytes: RENAME", () => {
    for (const p of of(Command.SMB_COM_RENAME, "request")) {
      const { newFileName, oldFileName, searchAttributes } = value(p)
      assert.strictEqual(oldFileName, said(p, "smb.old_file"))
      assert.strictEqual(newFileName, said(p, "smb.file"))
      assert.strictEqual(searchAttributes, Number(said(p, "smb.search.attribute")))
      rewrites(p)
    }
    for (const p of of(Command.SMB_COM_RENAME, "response")) rewrites(p)
  })

  it("have TShark's levels, names and times: TRANS2_QUERY_PATH_INFORMATION and TRANS2_SET_PATH_INFORMATION", () => {
    const levels = [
      [Trans2Subcommand.TRANS2_QUERY_PATH_INFORMATION, "smb.qpi_loi"],
      [Trans2Subcommand.TRANS2_SET_PATH_INFORMATION, "smb.spi_loi"]
    ] as const
    for (const [subcommand, level] of levels) {
      const requests = trans2("request", subcommand)
      assert.isAbove(requests.length, 0)
      for (const p of requests) {
        const { data, parameters, setup } = value(p)
        assert.deepStrictEqual(setup, [subcommand])
        const codec = Trans2.PathInformationRequest(p.unicode)
        const request = Result.getOrThrow(Codec.decode("path information", codec)(parameters))
        assert.strictEqual(request.informationLevel, Number(said(p, level)))
        assert.strictEqual(request.fileName, said(p, "smb.file"))
        assert.deepStrictEqual(Buffer.from(Codec.encode(codec)(request)), Buffer.from(parameters))
        if (subcommand === Trans2Subcommand.TRANS2_SET_PATH_INFORMATION) sameBasic(p, data)
      }
    }
  })

  it("have responses with TShark's values: TRANS2_QUERY_PATH_INFORMATION", () => {
    const answers = trans2("response", Trans2Subcommand.TRANS2_QUERY_PATH_INFORMATION).filter((p) => p.wordCount > 0)
    const ofLevel = (level: number) => {
      const found = answers.filter((p) => Number(said(p, "smb.qpi_loi")) === level)
      assert.strictEqual(found.length, 3)
      return found
    }
    for (const p of ofLevel(0x0101)) sameBasic(p, value(p).data)
    for (const p of ofLevel(0x0102)) {
      const standard = Result.getOrThrow(
        Codec.decode("FileStandardInformation", FileInformation.FileStandardInformation)(padded(value(p).data, 24))
      )
      assert.strictEqual(Number(standard.allocationSize), Number(said(p, "smb.alloc_size64")))
      assert.strictEqual(Number(standard.endOfFile), Number(said(p, "smb.end_of_file")))
      assert.strictEqual(standard.numberOfLinks, Number(said(p, "smb.link_count")))
      assert.strictEqual(Number(standard.deletePending), Number(said(p, "smb.delete_pending")))
      assert.strictEqual(Number(standard.directory), Number(said(p, "smb.is_directory")))
    }
  })
})
