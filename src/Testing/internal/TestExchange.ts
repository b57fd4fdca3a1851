/**
 * One request to the test kit's peer and its response: the request, the usual response, and the response in the script.
 */
import { NtStatus } from "../../Codec/NtStatus.ts"
import * as FrameReader from "../../Protocol/FrameReader.ts"
import * as Header from "../../Smb2/Header.ts"
import type { FileId } from "../../Smb2/Message/Common.ts"
import * as Message from "../../Smb2/Message/Message.ts"
import type * as Signing from "../../Smb2/Signing.ts"
import type { Answer, Reaction, Received } from "../TestServer.ts"
import type * as TestFiles from "./TestFiles.ts"

/** The peer's usual response, and the session that signs it. */
export interface Natural extends TestFiles.Outcome {
  readonly sessionId?: bigint
  readonly treeId?: number
}

/** A request that the script has no place for. */
export class Unexpected {
  readonly detail: string
  constructor(detail: string) {
    this.detail = detail
  }
}

export interface Part {
  readonly received: Received
  readonly natural: Natural
  readonly reaction: Answer & { readonly silent?: boolean }
}

/** What a related request of a compound takes from the previous request. */
export interface Related {
  readonly sessionId: bigint
  readonly treeId: number
  readonly fileId: FileId
  readonly status: number
}

export const next = (related: Related, natural: Natural, { command }: Received): Related => ({
  sessionId: natural.sessionId ?? related.sessionId,
  treeId: natural.treeId ?? related.treeId,
  fileId: natural.response?._tag === "CREATE" ? natural.response.body.fileId : related.fileId,
  status: command === "CREATE" ? natural.status : related.status
})

export const told = (is: Reaction | ((received: Received) => Reaction) | undefined, received: Received): Reaction =>
  is === undefined ? {} : typeof is === "function" ? is(received) : is

export const statusOf = (answer: Answer, natural: Natural): number =>
  answer.status === undefined
    ? answer.response === undefined && answer.body === undefined ? natural.status : 0
    : typeof answer.status === "number"
    ? answer.status
    : NtStatus[answer.status]

export const errorBody = (): Uint8Array =>
  Message.encodeResponse({ _tag: "ERROR", body: { errorContextCount: 0, errorData: new Uint8Array(0) } })

export const bodyOf = (answer: Answer, natural: Natural): Uint8Array => {
  if (answer.body !== undefined) return answer.body
  if (answer.response !== undefined) return Message.encodeResponse(answer.response)
  if (answer.status !== undefined || natural.response === undefined) return errorBody()
  return Message.encodeResponse(natural.response)
}

export const verify = (sign: Signing.Sign, { header, packet }: Received): boolean => {
  const unsigned = packet.slice()
  unsigned.fill(0, Header.signatureOffset, Header.signatureOffset + 16)
  const claimed = packet.subarray(Header.signatureOffset, Header.signatureOffset + 16)
  return Buffer.compare(claimed, sign([unsigned], "client", header.messageId, false)) === 0
}

/** One frame around packets. */
export const frame = (packets: ReadonlyArray<Uint8Array>): Uint8Array => {
  const length = packets.reduce((sum, packet) => sum + packet.length, 0)
  const bytes = new Uint8Array(FrameReader.headerSize + length)
  FrameReader.writeHeader(bytes, length)
  let at = FrameReader.headerSize
  for (const packet of packets) {
    bytes.set(packet, at)
    at += packet.length
  }
  return bytes
}
