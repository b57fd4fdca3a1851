/**
 * The failures of a logon (SESSION_SETUP), the same in each version of the protocol.
 */
import * as Effect from "effect/Effect"
import { type Peer, protocolError } from "./ConnectionErrors.ts"
import { fromStatus, type ProtocolError, type SmbError, withDetail } from "./Errors.ts"
import * as UncName from "./UncName.ts"

/**
 * The server has refused the logon by this status. `known` is what the client knows in addition: a better error, a
 * detail, or the reason for the status.
 *
 * @since 0.2.0
 */
export const refused = <E>(
  peer: Peer,
  status: number,
  known: { readonly error?: E | undefined; readonly detail?: string | undefined; readonly because?: string | undefined }
): E | SmbError =>
  known.error ?? withDetail(fromStatus(status, "SESSION_SETUP", UncName.format(peer)), known.detail, known.because)

/**
 * No mechanism needs so many legs: a logon that has more of them ends by `endless`.
 *
 * @since 0.2.0
 */
export const mostLegs = 8

/**
 * The server has asked for more than `mostLegs` tokens.
 *
 * @since 0.2.0
 */
export const endless = (peer: Peer): ProtocolError =>
  protocolError(peer, "UnexpectedResponse", "the server does not come to an end with the logon")

/**
 * Signing is required, and the server logged the user on as a guest.
 *
 * @since 0.2.0
 */
export const guestNotSigned = (peer: Peer): ProtocolError =>
  protocolError(
    peer,
    "SigningUnavailable",
    "the server logged the user on as a guest, and a guest's session cannot be signed: check user and password, " +
      "or log on as a guest on purpose (`Credentials.guest`)"
  )

/**
 * Warns of a session that the user did not ask for: nothing proves the server's identity.
 *
 * @since 0.2.0
 */
export const warnOfGuest = ({ server }: Peer): Effect.Effect<void> =>
  Effect.logWarning(
    `${server} has logged the user on as a guest, whose session is neither signed nor encrypted: ` +
      "check user and password"
  )
