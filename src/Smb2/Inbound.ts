/**
 * Responses from a server: whether one can be trusted. Pure except for the session's keys.
 */
import { NtStatus } from "../Codec/NtStatus.ts"
import type { ProtocolError } from "../Protocol/Errors.ts"
import * as Commands from "./Commands.ts"
import type { Pending } from "./Exchange.ts"
import type * as Header from "./Header.ts"
import { Command, HeaderFlags } from "./Message/Constants.ts"
import * as Signing from "./Signing.ts"

/**
 * An interim response: the final one comes later, under an AsyncId (MS-SMB2 3.2.5.1.5).
 *
 * @since 0.1.0
 */
export const isInterim = (header: Header.Header): boolean =>
  header.status === NtStatus.STATUS_PENDING && (header.flags & HeaderFlags.SMB2_FLAGS_ASYNC_COMMAND) !== 0

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
 * Why a response cannot be trusted, if it cannot (MS-SMB2 3.2.5.1.1, 3.2.5.1.3). `chunks` begin with its header.
 *
 * @since 0.1.0
 */
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
