/**
 * Packets from a server: cutting compounds apart, and whether an answer can be believed. Pure but for the session's keys.
 */
import * as Result from "effect/Result"
import { Malformed } from "../Codec/Malformed.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import type { ProtocolError } from "../Protocol/Errors.ts"
import * as Commands from "./Commands.ts"
import type { Pending } from "./Exchange.ts"
import * as Header from "./Header.ts"
import { Command, HeaderFlags } from "./Message/Constants.ts"
import * as Signing from "./Signing.ts"

/** One response of a packet: its header, and its bytes from there to its end. */
export interface Segment {
  readonly header: Header.Header
  readonly bytes: Uint8Array
}

/** The response that begins at `at`. NextCommand may only lead forward, inside the packet. */
export const segment = (packet: Uint8Array, at: number): Result.Result<Segment, Malformed> => {
  const malformed = (offset: number, expected: string) =>
    Result.fail(new Malformed({ structure: "SMB2 packet", offset, expected }))
  if (packet.length - at < Header.size + 2) return malformed(at, "a header and a body")
  const view = Header.view(packet)
  if (view.getUint32(at, true) !== Header.protocolId || view.getUint16(at + 4, true) !== Header.size) {
    return malformed(at, "an SMB 2 header")
  }
  const header = Header.read(view, at)
  const next = header.nextCommand
  if (next !== 0 && (next < Header.size + 2 || at + next > packet.length || next % 8 !== 0)) {
    return malformed(at + 20, `a NextCommand inside the packet, not ${next}`)
  }
  const end = next === 0 ? packet.length : at + next
  return Result.succeed({ header, bytes: at === 0 && end === packet.length ? packet : packet.subarray(at, end) })
}

/** An interim answer: the final one comes later, under an AsyncId (MS-SMB2 3.2.5.1.5). */
export const isInterim = (header: Header.Header): boolean =>
  header.status === NtStatus.STATUS_PENDING && (header.flags & HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND) !== 0

/**
 * Whether a response that cannot be believed ends its own request alone, and not the connection (either is allowed by
 * MS-SMB2 3.2.5.1.3): STATUS_END_OF_FILE to a READ, which ksmbd of Linux 6.12 signs wrongly. It brings no data, and whoever
 * reads finds out where the file ends by a request whose answer can be believed.
 */
export const endsReadAlone = (header: Header.Header, { reason }: ProtocolError): boolean =>
  reason === "BadSignature" && header.command === Command.READ && header.status === NtStatus.STATUS_END_OF_FILE

/** Why a response cannot be believed, if it cannot (MS-SMB2 3.2.5.1.1, 3.2.5.1.3). `chunks` begin with its header. */
export const distrust = (
  pending: Pending,
  header: Header.Header,
  chunks: ReadonlyArray<Uint8Array>,
  decrypted: boolean
): { readonly reason: ProtocolError["reason"]; readonly detail: string } | undefined => {
  const { security } = pending.outgoing
  if (security === undefined) return undefined
  if (pending.encrypted) {
    return decrypted || isInterim(header)
      ? undefined
      : { reason: "NotEncrypted", detail: "an answer to an encrypted request came in the clear" }
  }
  if (decrypted || !pending.signed) return undefined
  if ((header.flags & HeaderFlags.SMB2_FLAGS_SIGNED) === 0) {
    // The one exception that the document knows.
    return isInterim(header)
      ? undefined
      : { reason: "NotSigned", detail: "an answer in a signed session came without a signature" }
  }
  return Signing.verify(security.sign!, chunks, "server", header.messageId)
    ? undefined
    : {
      reason: "BadSignature",
      detail: `the signature of the answer to ${Commands.commandName(header.command)} is wrong: ` +
        "it was changed on the way, or the server signs wrongly. Require encryption, which does without signatures: " +
        "if that works, the server is at fault"
    }
}
