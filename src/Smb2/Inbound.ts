/**
 * Packets from a server: splitting compounds, and whether a response can be trusted. Pure except for the session's
 * keys.
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

/** The response that begins at `at`. NextCommand can only lead forward, inside the packet. */
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

/** An interim response: the final one comes later, under an AsyncId (MS-SMB2 3.2.5.1.5). */
export const isInterim = (header: Header.Header): boolean =>
  header.status === NtStatus.STATUS_PENDING && (header.flags & HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND) !== 0

/**
 * Whether an untrusted response ends only its own request, and not the connection (MS-SMB2 3.2.5.1.3 allows both):
 * STATUS_END_OF_FILE to a READ, which ksmbd of Linux 6.12 signs wrongly. It brings no data, and the reader finds the
 * end of the file by another request whose response can be trusted.
 */
export const endsReadAlone = (header: Header.Header, { reason }: ProtocolError): boolean =>
  reason._tag === "BadSignature" && header.command === Command.READ && header.status === NtStatus.STATUS_END_OF_FILE

/** Why a response cannot be trusted, if it cannot (MS-SMB2 3.2.5.1.1, 3.2.5.1.3). `chunks` begin with its header. */
export const distrust = (
  pending: Pending,
  header: Header.Header,
  chunks: ReadonlyArray<Uint8Array>,
  decrypted: boolean
): { readonly reason: ProtocolError["reason"]["_tag"]; readonly detail: string } | undefined => {
  const { security } = pending.outgoing
  if (security === undefined) return undefined
  if (pending.encrypted) {
    return decrypted || isInterim(header)
      ? undefined
      : { reason: "NotEncrypted", detail: "an answer to an encrypted request came in the clear" }
  }
  if (decrypted || !pending.signed) return undefined
  if ((header.flags & HeaderFlags.SMB2_FLAGS_SIGNED) === 0) {
    // The only exception in the document.
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
