/**
 * Recorded SMB 1 packets between real programs and smbd: each is decoded to the values that TShark's dissector shows,
 * and is the same after it is encoded and decoded again.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Codec from "../../../src/Codec/Codec.ts"
import * as Header from "../../../src/Smb1/Header.ts"
import { Command, commandName } from "../../../src/Smb1/Message/Constants.ts"
import { codecOf, decode, type Packet, packets } from "./packets.ts"

const title = (p: Packet) => `${commandName(p.command)} ${p.way}`
const readable = packets.filter((p) => codecOf(p) !== undefined)
const value = (p: Packet): any => {
  const result = decode(p)
  return Result.isSuccess(result) ? result.success : assert.fail(`${title(p)}: ${result.failure.message}`)
}
const number = (text: string) => Number(text)
const bytes = (text: string) => Buffer.from(text.replaceAll(":", ""), "hex")

/** The value of each of TShark's fields, computed from our decoded value. */
const fields: Record<string, (v: any, p: Packet) => unknown> = {
  "smb.sm": (v) => v.securityMode,
  "smb.max_mpx_count": (v) => v.maxMpxCount,
  "smb.max_bufsize": (v) => v.maxBufferSize,
  "smb.session_key": (v) => v.sessionKey,
  "smb.server_cap": (v) => v.capabilities,
  "smb.path": (v) => v.path,
  "smb.service": (v) => v.service,
  "smb.native_os": (v) => v.nativeOs,
  "smb.native_lanman": (v) => v.nativeLanMan,
  "smb.account": (v) => v.accountName,
  "smb.primary_domain": (v) => v.primaryDomain,
  "smb.security_blob_len": (v) => v.securityBlob?.length,
  "smb.connect.support": (v) => v.optionalSupport,
  "smb.native_fs": (v) => v.nativeFileSystem,
  "smb.create_flags": (v) => v.flags,
  "smb.alloc_size64": (v) => v.allocationSize,
  "smb.file_attribute": (v) => v.extFileAttributes,
  "smb.share_access": (v) => v.shareAccess,
  "smb.create.disposition": (v) => v.createDisposition,
  "smb.create_options": (v) => v.createOptions,
  "smb.impersonation.level": (v) => v.impersonationLevel,
  "smb.create.action": (v) => v.createDisposition,
  "smb.end_of_file": (v) => v.endOfFile,
  "smb.write.mode": (v) => v.writeMode,
  "smb.data_len_low": (v) => v.data?.length,
  "smb.count_low": (v) => v.count,
  "smb.echo.count": (v) => v.echoCount,
  "smb.tpc": (v) => v.totalParameterCount,
  "smb.tdc": (v) => v.totalDataCount,
  "smb.mpc": (v) => v.maxParameterCount,
  "smb.mdc": (v) => v.maxDataCount,
  "smb.pc": (v) => v.parameters.length,
  "smb.dc": (v) => v.data.length,
  "smb.sc": (v) => v.setup.length,
  "smb.nt.function": (v) => v.function,
  "smb.pd": (v) => v.parameterDisplacement
}

/** Where a field applies, because TShark uses it for something else in inner messages. */
const applies: Record<string, (p: Packet) => boolean> = {
  "smb.file_attribute": (p) => p.command === Command.SMB_COM_NT_CREATE_ANDX,
  "smb.alloc_size64": (p) => p.command === Command.SMB_COM_NT_CREATE_ANDX,
  "smb.end_of_file": (p) => p.command === Command.SMB_COM_NT_CREATE_ANDX,
  "smb.create_flags": (p) => p.command === Command.SMB_COM_NT_CREATE_ANDX && p.way === "request",
  "smb.share_access": (p) => p.command === Command.SMB_COM_NT_CREATE_ANDX && p.way === "request",
  "smb.create.disposition": (p) => p.command === Command.SMB_COM_NT_CREATE_ANDX && p.way === "request",
  "smb.create_options": (p) => p.command === Command.SMB_COM_NT_CREATE_ANDX && p.way === "request",
  "smb.impersonation.level": (p) => p.command === Command.SMB_COM_NT_CREATE_ANDX && p.way === "request",
  "smb.create.action": (p) => p.command === Command.SMB_COM_NT_CREATE_ANDX,
  "smb.pd": (p) => p.way === "response"
}

describe("recorded SMB 1 packets", () => {
  it("have a request and a response of each tested command", () => {
    const seen = new Set(packets.map(title))
    for (const name of ["NEGOTIATE", "SESSION_SETUP_ANDX", "TREE_CONNECT_ANDX", "NT_CREATE_ANDX", "READ_ANDX"]) {
      assert(seen.has(`${name} request`) && seen.has(`${name} response`), name)
    }
    for (const name of ["TRANSACTION", "TRANSACTION2", "NT_TRANSACT", "LOCKING_ANDX", "RENAME", "ECHO"]) {
      assert(seen.has(`${name} request`) && seen.has(`${name} response`), name)
    }
    assert.isAbove(readable.length, 110)
  })

  it("are decoded, with their headers, to TShark's values", () => {
    let compared = 0
    for (const p of readable) {
      const header = Header.read(Header.view(p.packet))
      const said = (name: string) => number(p.tshark[name]![0]!)
      // smbtorture also asks for the old error codes.
      if (p.tshark["smb.nt_status"] !== undefined) assert.strictEqual(header.status, said("smb.nt_status"), title(p))
      assert.strictEqual(header.flags, said("smb.flags"))
      assert.strictEqual(header.flags2, said("smb.flags2"))
      assert.strictEqual(header.tid, said("smb.tid"))
      assert.strictEqual(header.pid, said("smb.pid"))
      assert.strictEqual(header.uid, said("smb.uid"))
      assert.strictEqual(header.mid, said("smb.mid"))
      const v = value(p)
      if (v === undefined) continue
      for (const [name, ours] of Object.entries(fields)) {
        const theirs = p.tshark[name]
        if (theirs === undefined || applies[name]?.(p) === false) continue
        const mine = ours(v, p)
        if (mine === undefined) continue
        // TShark shows values of the tree and of the request before the packet's own values.
        const text = typeof mine === "string" || p.way === "response" ? theirs.at(-1)! : theirs[0]!
        const wanted = typeof mine === "string" ? text : number(text)
        assert.strictEqual(typeof mine === "bigint" ? Number(mine) : mine, wanted, `${title(p)} ${name}`)
        compared++
      }
      if (p.tshark["smb.file_data"] !== undefined && v.data instanceof Uint8Array) {
        assert.deepStrictEqual(Buffer.from(v.data), bytes(p.tshark["smb.file_data"][0]!))
      }
      if (p.tshark["smb.trans2.cmd"] !== undefined && p.way === "request") {
        assert.strictEqual(v.setup[0], said("smb.trans2.cmd"))
      }
      if (p.command === Command.SMB_COM_NT_CREATE_ANDX && p.way === "request") {
        assert.strictEqual(v.fileName, p.tshark["smb.file"]![0])
      }
      if (p.command === Command.SMB_COM_NEGOTIATE && p.way === "request") {
        assert.deepStrictEqual(v.dialects, p.tshark["smb.dialect.name"])
      }
      if (p.command === Command.SMB_COM_RENAME && p.way === "request") {
        assert.strictEqual(v.oldFileName, p.tshark["smb.old_file"]![0])
      }
      if (p.command === Command.SMB_COM_LOCKING_ANDX && p.tshark["smb.lock.offset"] !== undefined) {
        const ranges = [...v.unlocks, ...v.locks]
        assert.deepStrictEqual(ranges.map(({ offset }: any) => Number(offset)), p.tshark["smb.lock.offset"].map(number))
        assert.deepStrictEqual(
          ranges.map(({ length }: any) => Number(length)),
          p.tshark["smb.lock.length"]!.map(number)
        )
      }
    }
    assert.isAbove(compared, 400)
  })

  it("are the same after encoding and decoding again", () => {
    for (const p of readable) {
      const before = value(p)
      const body = Codec.encode(codecOf(p)!)(before)
      const packet = Buffer.concat([p.packet.subarray(0, 32), body])
      const after = decode(p, new Uint8Array(packet))
      assert.deepStrictEqual(Result.getOrThrow(after), before, title(p))
    }
  })

  it("are encoded to the same bytes when the format leaves no choice", () => {
    const exact = new Set<number>([
      Command.SMB_COM_CLOSE,
      Command.SMB_COM_ECHO,
      Command.SMB_COM_NEGOTIATE,
      Command.SMB_COM_NT_CANCEL,
      Command.SMB_COM_TREE_DISCONNECT
    ])
    for (const p of readable) {
      if (!exact.has(p.command)) continue
      const body = Codec.encode(codecOf(p)!)(value(p))
      assert.deepStrictEqual(Buffer.from(body), Buffer.from(p.packet.subarray(32)), title(p))
    }
  })
})
