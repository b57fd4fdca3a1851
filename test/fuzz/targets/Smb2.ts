/** SMB 2: messages both ways, headers, compounds, CREATE contexts, and the buffers of IOCTL. */
import { readFileSync } from "node:fs"
import * as Codec from "../../../src/Codec/Codec.ts"
import { NtStatus } from "../../../src/Codec/NtStatus.ts"
import * as Compound from "../../../src/Smb2/Compound.ts"
import * as Encryption from "../../../src/Smb2/Encryption.ts"
import * as Header from "../../../src/Smb2/Header.ts"
import * as CreateContext from "../../../src/Smb2/Message/CreateContext.ts"
import * as ErrorResponse from "../../../src/Smb2/Message/ErrorResponse.ts"
import * as FileFsctl from "../../../src/Smb2/Message/FileFsctl.ts"
import * as Fsctl from "../../../src/Smb2/Message/Fsctl.ts"
import * as HeaderDefinition from "../../../src/Smb2/Message/HeaderDefinition.ts"
import * as Message from "../../../src/Smb2/Message/Message.ts"
import * as TransformHeader from "../../../src/Smb2/Message/TransformHeader.ts"
import { codec, family, holds, isJustified, isStable, type Member } from "../Promises.ts"

interface Packet {
  readonly way: "request" | "response"
  readonly packet: Uint8Array
}

/** Packets of Windows, smbclient, impacket and smbd, without a frame. */
export const packets: ReadonlyArray<Packet> = readFileSync(
  new URL("../../Smb2/fixtures/captured.jsonl", import.meta.url),
  "utf8"
).trimEnd().split("\n").slice(1).map((line) => {
  const { packet, way } = JSON.parse(line) as { readonly packet: string; readonly way: Packet["way"] }
  return { way, packet: new Uint8Array(Buffer.from(packet, "hex")) }
})

const statuses: ReadonlyArray<number> = [
  NtStatus.STATUS_SUCCESS,
  NtStatus.STATUS_PENDING,
  NtStatus.STATUS_BUFFER_OVERFLOW,
  NtStatus.STATUS_MORE_PROCESSING_REQUIRED,
  NtStatus.STATUS_ACCESS_DENIED,
  NtStatus.STATUS_STOPPED_ON_SYMLINK,
  NtStatus.STATUS_INVALID_PARAMETER,
  NtStatus.STATUS_NOTIFY_ENUM_DIR
]

const behindHeader = (body: Uint8Array): Uint8Array => {
  const packet = new Uint8Array(Header.size + body.length)
  packet.set(body, Header.size)
  return packet
}

const seed = (...parts: ReadonlyArray<number | Uint8Array>): Uint8Array =>
  new Uint8Array(Buffer.concat(parts.map((part) => typeof part === "number" ? Uint8Array.of(part) : part)))

/** The command, the status, and the body: of both ways. */
const messages: ReadonlyArray<Member> = [
  {
    name: "request",
    run: (input) => {
      const [command = 0] = input
      const decode = (packet: Uint8Array) => Message.decodeRequest(command % 20, packet, Header.size)
      isStable(behindHeader(input.subarray(1)), decode, (value) => behindHeader(Message.encodeRequest(value)))
    },
    seeds: packets.filter(({ way }) => way === "request").map(({ packet }) => seed(packet[12]!, packet.subarray(64)))
  },
  {
    name: "response",
    run: (input) => {
      const [command = 0, status = 0] = input
      const decode = (packet: Uint8Array) =>
        Message.decodeResponse(command % 20, statuses[status % statuses.length]!, packet, Header.size)
      isStable(behindHeader(input.subarray(2)), decode, (value) => behindHeader(Message.encodeResponse(value)))
    },
    seeds: packets.filter(({ way }) => way === "response").map(({ packet }) => {
      const status = new DataView(packet.buffer).getUint32(8, true)
      return seed(packet[12]!, Math.max(statuses.indexOf(status), 0), packet.subarray(64))
    })
  }
]

/** A whole packet, cut into the messages of a compound. */
const compound: Member = {
  name: "compound",
  run: (packet) => {
    for (let at = 0, count = 0;; count++) {
      holds(count <= packet.length, "a compound has more messages than bytes")
      const found = Compound.segment(packet, at)
      if (found._tag === "Failure") return
      const { bytes, header } = found.success
      isJustified(found.success, packet)
      Message.decodeRequest(header.command, bytes, Header.size)
      Message.decodeResponse(header.command, header.status, bytes, Header.size)
      if (header.nextCommand === 0) return
      at += header.nextCommand
    }
  },
  seeds: packets.map(({ packet }) => packet)
}

const transform: Member = {
  name: "TRANSFORM_HEADER",
  run: (packet) => {
    isStable(
      packet,
      Codec.decode("TRANSFORM_HEADER", TransformHeader.TransformHeader),
      Codec.encode(TransformHeader.TransformHeader)
    )
    const fast = Encryption.readHeader(packet)
    const whole = Codec.decode("TRANSFORM_HEADER", TransformHeader.TransformHeader)(packet)
    if (fast === undefined || whole._tag === "Failure") return
    holds(
      fast.sessionId === whole.success.sessionId && fast.flags === whole.success.flags &&
        fast.originalMessageSize === whole.success.originalMessageSize,
      "the quick reader and the definition disagree"
    )
  },
  seeds: [seed(0xfd, 0x53, 0x4d, 0x42, new Uint8Array(112))]
}

const header: Member = {
  ...codec("header", HeaderDefinition.HeaderDefinition),
  seeds: packets.slice(0, 40).map(({ packet }) => packet.subarray(0, 64))
}

/** The contexts in recorded CREATEs (MS-SMB2 2.2.13, 2.2.14). */
const contextsOf = (wanted: Packet["way"], at: number): ReadonlyArray<Uint8Array> =>
  packets.flatMap(({ packet, way }) => {
    if (way !== wanted || packet[12] !== 5 || packet.length < 64 + at + 8) return []
    const view = new DataView(packet.buffer)
    const [offset, length] = [view.getUint32(64 + at, true), view.getUint32(64 + at + 4, true)]
    return offset === 0 || offset + length > packet.length ? [] : [packet.subarray(offset, offset + length)]
  })

const structures: ReadonlyArray<Member> = [
  codec("CREATE request contexts", CreateContext.Requests, contextsOf("request", 48)),
  codec("CREATE response contexts", CreateContext.Responses, contextsOf("response", 80)),
  codec("COMPRESSION_TRANSFORM_HEADER", TransformHeader.CompressionTransform, [
    seed(0xfc, 0x53, 0x4d, 0x42, 64, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, new Uint8Array(40)),
    seed(0xfc, 0x53, 0x4d, 0x42, 64, 0, 0, 0, 1, 0, 1, 0, 12, 0, 0, 0, 8, 0, 0, 0, new Uint8Array(40))
  ]),
  codec("SYMLINK_ERROR_RESPONSE", ErrorResponse.SymbolicLinkErrorResponse),
  codec("error contexts", ErrorResponse.errorContexts(3)),
  codec("SHARE_REDIRECT_ERROR_CONTEXT_RESPONSE", ErrorResponse.ShareRedirectErrorContextResponse),
  ...Object.entries({ ...Fsctl, ...FileFsctl }).flatMap(([name, value]) =>
    typeof value === "object" && "read" in value && "write" in value ? [codec(name, value)] : []
  )
]

export const smb2 = family("smb2", [...messages, compound, transform, header, ...structures])
