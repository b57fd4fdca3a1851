/**
 * Whether a response can be trusted: it has the encryption or the signature that its request asked for (MS-SMB2
 * 3.2.5.1.1, 3.2.5.1.3). Pure except for the session's keys.
 */
import { NtStatus } from "../Codec/NtStatus.ts"
import type { ProtocolError } from "../Protocol/Errors.ts"
import * as Commands from "./Commands.ts"
import * as Header from "./Header.ts"
import { Command, HeaderFlags } from "./Message/Constants.ts"
import type { Pending } from "./RequestInFlight.ts"
import * as Signing from "./Signing.ts"

/**
 * Whether an untrusted response ends only its own request, and not the connection (MS-SMB2 3.2.5.1.3 allows both):
 * STATUS_END_OF_FILE to a READ, which ksmbd of Linux 6.12 signs wrongly. It brings no data, and the reader finds the
 * end of the file by another request whose response can be trusted.
 *
 * @since 0.1.0
 */
export const endsReadAlone = (header: Header.Header, { reason }: ProtocolError): boolean =>
  reason._tag === "BadSignature" && header.command === Command.READ && header.status === NtStatus.STATUS_END_OF_FILE

/**
 * Why a response cannot be trusted; `undefined` if it can. `chunks` begin with its header.
 *
 * @since 0.1.0
 */
export const failure = (
  pending: Pending,
  header: Header.Header,
  chunks: ReadonlyArray<Uint8Array>,
  decrypted: boolean
): { readonly reason: ProtocolError["reason"]["_tag"]; readonly detail: string } | undefined => {
  const { security } = pending.outgoing
  if (security === undefined) return undefined
  if (pending.encrypted) {
    return decrypted || Header.isInterim(header)
      ? undefined
      : {
        reason: "NotEncrypted",
        detail:
          "the response to an encrypted request is not encrypted. Look for a program that changes packets on the way"
      }
  }
  if (decrypted || !pending.signed) return undefined
  if ((header.flags & HeaderFlags.SMB2_FLAGS_SIGNED) === 0) {
    // The only exception in the document.
    return Header.isInterim(header)
      ? undefined
      : {
        reason: "NotSigned",
        detail: "a response in a signed session has no signature. Look for a program that changes packets on the way"
      }
  }
  return Signing.verify(security.sign!, chunks, "server", header.messageId)
    ? undefined
    : {
      reason: "BadSignature",
      detail: `the signature of the response to ${Commands.commandName(header.command)} is wrong: ` +
        "the response was changed on the way, or the server signs wrongly. Require encryption, which needs no " +
        "signatures: if that works, the server is at fault"
    }
}
