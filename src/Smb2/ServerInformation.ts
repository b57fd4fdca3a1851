/** What a client knows of a server of SMB 2 or 3, from the negotiation and from the logon. */
import * as Effect from "effect/Effect"
import { fromStatus } from "../Protocol/Errors.ts"
import * as ServerInformation from "../Protocol/ServerInformation.ts"
import * as UncName from "../Protocol/UncName.ts"
import * as Connection from "./Connection.ts"
import * as Dialects from "./Dialects.ts"
import { Capabilities, Cipher, Command, SecurityMode, SigningAlgorithm } from "./Message/Constants.ts"
import type { Agreed } from "./Negotiate.ts"
import * as RequestPacket from "./RequestPacket.ts"
import type { Session } from "./Session.ts"

const nameIn = (table: Readonly<Record<string, number>>, number: number): string =>
  Object.keys(table).find((name) => table[name] === number) ?? `0x${number.toString(16)}`

/**
 * The result of the negotiation.
 *
 * @since 0.2.0
 */
export const ofServer = ({ connection, negotiated }: Agreed): ServerInformation.ServerInformation => ({
  server: connection.options.server,
  port: connection.options.port,
  dialect: Dialects.nameOf(negotiated.dialect),
  capabilities: ServerInformation.namesOf(negotiated.capabilities, Capabilities, "SMB2_GLOBAL_CAP_"),
  requiresSigning: (negotiated.securityMode & SecurityMode.SMB2_NEGOTIATE_SIGNING_REQUIRED) !== 0,
  signingAlgorithm: nameIn(SigningAlgorithm, negotiated.signing),
  cipher: negotiated.cipher === undefined ? undefined : nameIn(Cipher, negotiated.cipher),
  serverGuid: negotiated.serverGuid,
  ...ServerInformation.clock(negotiated.systemTime, negotiated.receivedAt),
  limits: {
    read: negotiated.maxReadSize,
    write: negotiated.maxWriteSize,
    transact: negotiated.maxTransactSize
  }
})

/**
 * The result of the logon.
 *
 * @since 0.2.0
 */
export const ofSession = (session: Session): ServerInformation.SessionInformation => {
  const { connection, encrypted, security, unauthenticated } = session
  return {
    ...ofServer(session),
    isGuest: unauthenticated,
    signed: security.sign !== undefined && security.signsAll && !encrypted,
    encrypted,
    echo: Effect.flatMap(
      Connection.request(connection, {
        command: Command.ECHO,
        body: RequestPacket.emptyBody,
        security,
        encrypted
      }),
      ({ header: { status } }) =>
        status === 0 ? Effect.void : Effect.fail(fromStatus(status, "ECHO", UncName.format(connection.options)))
    )
  }
}
