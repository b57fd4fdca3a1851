/** Recorded SMB 1 packets between real programs and smbd, and the codec of each packet's body. */
import * as fs from "node:fs"
import * as Codec from "../../../src/Codec/Codec.ts"
import * as Block from "../../../src/Smb1/Message/Block.ts"
import { Command } from "../../../src/Smb1/Message/Constants.ts"
import * as Negotiate from "../../../src/Smb1/Message/Negotiate.ts"
import * as NtCreate from "../../../src/Smb1/Message/NtCreate.ts"
import * as ReadWrite from "../../../src/Smb1/Message/ReadWrite.ts"
import * as SessionSetup from "../../../src/Smb1/Message/SessionSetup.ts"
import * as Simple from "../../../src/Smb1/Message/Simple.ts"
import * as Transaction from "../../../src/Smb1/Message/Transaction.ts"
import * as TreeConnect from "../../../src/Smb1/Message/TreeConnect.ts"

export interface Packet {
  readonly way: "request" | "response"
  readonly packet: Uint8Array
  readonly tshark: Readonly<Record<string, ReadonlyArray<string>>>
  readonly command: number
  readonly status: number
  readonly unicode: boolean
  readonly wordCount: number
}

const load = (name: string): ReadonlyArray<Packet> =>
  fs
    .readFileSync(new URL(`../fixtures/${name}`, import.meta.url), "utf8")
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => {
      const { packet: hex, tshark, way } = JSON.parse(line)
      const packet = new Uint8Array(Buffer.from(hex, "hex"))
      const view = new DataView(packet.buffer)
      return {
        way,
        tshark,
        packet,
        command: packet[4]!,
        status: view.getUint32(5, true),
        unicode: (view.getUint16(10, true) & 0x8000) !== 0,
        wordCount: packet[32]!
      }
    })

/** Packets of all tested commands. */
export const packets = load("captured.jsonl")

/** Packets whose requests name a path: of smbclient with and without Unicode, and of impacket. */
export const pathPackets = load("paths.jsonl")

/** The codec of a packet's body, or `undefined` if it has no codec. */
export const codecOf = ({ command, unicode, way, wordCount }: Packet): Codec.Codec<any> | undefined => {
  const request = way === "request"
  if (!request && wordCount === 0) return Block.Empty
  switch (command) {
    case Command.SMB_COM_NEGOTIATE:
      return request ? Negotiate.Request : Negotiate.Response
    case Command.SMB_COM_SESSION_SETUP_ANDX:
      if (request) return wordCount === 12 ? SessionSetup.ExtendedRequest(unicode) : SessionSetup.PlainRequest(unicode)
      return wordCount === 4 ? SessionSetup.ExtendedResponse(unicode) : SessionSetup.PlainResponse(unicode)
    case Command.SMB_COM_TREE_CONNECT_ANDX:
      return request ? TreeConnect.Request(unicode) : TreeConnect.Response(unicode)
    case Command.SMB_COM_NT_CREATE_ANDX:
      return request ? NtCreate.Request(unicode) : NtCreate.Response
    case Command.SMB_COM_READ_ANDX:
      return request ? ReadWrite.ReadRequest : ReadWrite.ReadResponse
    case Command.SMB_COM_WRITE_ANDX:
      return request ? ReadWrite.WriteRequest : ReadWrite.WriteResponse
    case Command.SMB_COM_CLOSE:
      return Simple.Close
    case Command.SMB_COM_ECHO:
      return Simple.Echo
    case Command.SMB_COM_DELETE:
      return Simple.Delete(unicode)
    case Command.SMB_COM_RENAME:
      return Simple.Rename(unicode)
    case Command.SMB_COM_CREATE_DIRECTORY:
    case Command.SMB_COM_DELETE_DIRECTORY:
      return Simple.DirectoryName(unicode)
    case Command.SMB_COM_LOCKING_ANDX:
      return request ? Simple.Locking : undefined
    case Command.SMB_COM_TRANSACTION:
    case Command.SMB_COM_TRANSACTION2:
      return request ? Transaction.ShortRequest(unicode) : Transaction.ShortResponse
    case Command.SMB_COM_NT_TRANSACT:
      return request ? Transaction.NtRequest : Transaction.NtResponse
    case Command.SMB_COM_NT_CANCEL:
    case Command.SMB_COM_TREE_DISCONNECT:
      return Block.Empty
    default:
      return undefined
  }
}

/** Decodes the body behind the header. */
export const decode = (p: Packet, packet: Uint8Array = p.packet) =>
  Codec.decode("SMB1 packet", Codec.at(32, codecOf(p)!))(packet)
