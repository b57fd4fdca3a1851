/**
 * A scripted SMB 1 server: it accepts every logon, has one share with any requested file, and does with each request
 * what the test says.
 */
import { Effect, Layer } from "effect"
import * as Codec from "../../src/Codec/Codec.ts"
import { NtStatus } from "../../src/Codec/NtStatus.ts"
import { TransportError } from "../../src/Protocol/Errors.ts"
import * as Transport from "../../src/Protocol/Transport.ts"
import * as Header from "../../src/Smb1/Header.ts"
import { Capabilities, Command, Flags, SecurityMode } from "../../src/Smb1/Message/Constants.ts"
import * as Negotiate from "../../src/Smb1/Message/Negotiate.ts"
import * as NtCreate from "../../src/Smb1/Message/NtCreate.ts"
import * as ReadWrite from "../../src/Smb1/Message/ReadWrite.ts"
import * as SessionSetup from "../../src/Smb1/Message/SessionSetup.ts"
import * as TreeConnect from "../../src/Smb1/Message/TreeConnect.ts"
import { CreateDisposition, FileAttributes } from "../../src/Smb2/Message/Constants.ts"

/** A received request. */
export interface Received {
  readonly connection: number
  readonly header: Header.Header
  readonly packet: Uint8Array
}

/** What the peer does with a request; `undefined` is the usual response. */
export type Reaction = { readonly status?: number; readonly body?: Uint8Array } | "hang up" | "nothing" | undefined

const empty = Uint8Array.of(0, 0, 0)

const usualNegotiated: Negotiate.Response = {
  dialectIndex: 0,
  securityMode: SecurityMode.NEGOTIATE_USER_SECURITY | SecurityMode.NEGOTIATE_ENCRYPT_PASSWORDS,
  maxMpxCount: 50,
  maxNumberVcs: 1,
  maxBufferSize: 16_644,
  maxRawSize: 65_536,
  sessionKey: 1,
  capabilities: Capabilities.CAP_UNICODE | Capabilities.CAP_NT_SMBS | Capabilities.CAP_STATUS32 |
    Capabilities.CAP_LARGE_FILES | Capabilities.CAP_NT_FIND | Capabilities.CAP_INFOLEVEL_PASSTHRU,
  systemTime: 0n,
  serverTimeZone: 0,
  security: { _tag: "Challenge", challenge: new Uint8Array(8), domainName: "", serverName: "" }
}

const usual = (command: number): Uint8Array => {
  switch (command) {
    case Command.SMB_COM_NEGOTIATE:
      return negotiated({})
    case Command.SMB_COM_SESSION_SETUP_ANDX:
      return Codec.encode(SessionSetup.PlainResponse(true))({
        action: 0,
        nativeOs: "",
        nativeLanMan: "a peer",
        primaryDomain: ""
      })
    case Command.SMB_COM_TREE_CONNECT_ANDX:
      return Codec.encode(TreeConnect.Response(true))({ optionalSupport: 0, service: "A:", nativeFileSystem: "NTFS" })
    case Command.SMB_COM_NT_CREATE_ANDX:
      return created({})
    default:
      return empty
  }
}

/** A NEGOTIATE response that differs from the usual one. */
export const negotiated = (other: Partial<Negotiate.Response>): Uint8Array =>
  Codec.encode(Negotiate.Response)({ ...usualNegotiated, ...other })

/** An NT_CREATE_ANDX response that differs from the usual one. */
export const created = (other: Partial<NtCreate.Response>): Uint8Array =>
  Codec.encode(NtCreate.Response)({
    opLockLevel: 0,
    fid: 7,
    createDisposition: CreateDisposition.FILE_OPEN,
    createTime: 0n,
    lastAccessTime: 0n,
    lastWriteTime: 0n,
    lastChangeTime: 0n,
    extFileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL,
    allocationSize: 0n,
    endOfFile: 0n,
    resourceType: 0,
    nmPipeStatus: 0,
    directory: false,
    extended: undefined,
    ...other
  })

/** A peer, and the requests that it got. */
export const make = (react: (request: Received) => Reaction = () => undefined) => {
  const requests: Array<Received> = []
  const wires = new Map<number, Transport.Handlers>()
  let count = 0

  /** Responds to a request now, no matter what was done with it before. */
  const answer = ({ connection, header }: Received, body: Uint8Array = usual(header.command), status = 0): void => {
    const frame = new Uint8Array(4 + Header.size + body.length)
    const packet = frame.subarray(4)
    Header.write(Header.view(packet), {
      ...header,
      status,
      flags: Flags.SMB_FLAGS_REPLY | Flags.SMB_FLAGS_CANONICALIZED_PATHS | Flags.SMB_FLAGS_CASE_INSENSITIVE,
      tid: 1,
      uid: 100
    })
    packet.set(body, Header.size)
    new DataView(frame.buffer).setUint32(0, packet.length)
    wires.get(connection)?.onData(frame)
  }

  /** Sends a packet that is not a response. */
  const say = ({ connection }: Received, packet: Uint8Array): void => {
    const frame = new Uint8Array(4 + packet.length)
    frame.set(packet, 4)
    new DataView(frame.buffer).setUint32(0, packet.length)
    wires.get(connection)?.onData(frame)
  }

  const hangUp = (connection: number, { host, port }: Transport.Endpoint): void => {
    const handlers = wires.get(connection)
    wires.delete(connection)
    handlers?.onClose(new TransportError({ reason: { _tag: "ConnectionClosed" }, server: host, port }))
  }

  const layer = Layer.succeed(Transport.Transport, {
    connect: (endpoint, handlers) =>
      Effect.sync(() => {
        const connection = ++count
        wires.set(connection, handlers)
        return {
          send: (chunks) => {
            const packet = new Uint8Array(Buffer.concat(chunks).subarray(4))
            const request = { connection, header: Header.read(Header.view(packet)), packet }
            // Not before the sender has returned.
            queueMicrotask(() => {
              requests.push(request)
              if (request.header.command === Command.SMB_COM_NT_CANCEL) return
              const reaction = react(request)
              if (reaction === "hang up") hangUp(connection, endpoint)
              else if (reaction !== "nothing") answer(request, reaction?.body, reaction?.status)
            })
          },
          close: () => void wires.delete(connection)
        }
      })
  })

  return {
    layer,
    requests,
    answer,
    say,
    of: (command: number): ReadonlyArray<Received> => requests.filter(({ header }) => header.command === command)
  }
}

const transactionResponse = (words: number): Uint8Array => {
  const body = new Uint8Array(1 + words * 2 + 2)
  body[0] = words
  return body
}

/** Responses of a peer that agrees to everything and has empty files: writes succeed, reads find the end. */
export const agreeing = ({ header, packet }: Received): Exclude<Reaction, string> => {
  switch (header.command) {
    case Command.SMB_COM_WRITE_ANDX: {
      const view = Header.view(packet)
      const count = view.getUint16(Header.size + 1 + 20, true) + view.getUint16(Header.size + 1 + 18, true) * 65536
      return { body: Codec.encode(ReadWrite.WriteResponse)({ count, available: 0 }) }
    }
    case Command.SMB_COM_READ_ANDX:
      return { status: NtStatus.STATUS_END_OF_FILE }
    case Command.SMB_COM_TRANSACTION2:
      return { body: transactionResponse(10) }
    case Command.SMB_COM_NT_TRANSACT:
      return { body: transactionResponse(18) }
    default:
      return undefined
  }
}
