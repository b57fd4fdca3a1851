/** What a client knows of a server of SMB 1, from the negotiation and from the logon. */
import * as Effect from "effect/Effect"
import * as Codec from "../Codec/Codec.ts"
import { fromStatus } from "../Protocol/Errors.ts"
import * as ServerInformation from "../Protocol/ServerInformation.ts"
import * as UncName from "../Protocol/UncName.ts"
import * as Connection from "./Connection.ts"
import { Capabilities, Command, SecurityMode } from "./Message/Constants.ts"
import { Echo } from "./Message/Simple.ts"
import type { Agreed } from "./Negotiate.ts"
import type { Session } from "./Session.ts"

/**
 * The result of the negotiation.
 *
 * @since 0.2.0
 */
export const ofServer = ({ connection, negotiated }: Agreed): ServerInformation.ServerInformation => ({
  server: connection.options.server,
  port: connection.options.port,
  dialect: "NT1",
  capabilities: ServerInformation.namesOf(negotiated.capabilities, Capabilities, "CAP_"),
  requiresSigning: (negotiated.securityMode & SecurityMode.NEGOTIATE_SECURITY_SIGNATURES_REQUIRED) !== 0,
  signingAlgorithm: "MD5",
  serverGuid: negotiated.security._tag === "Extended" ? negotiated.security.serverGuid : undefined,
  ...ServerInformation.clock(negotiated.systemTime, negotiated.receivedAt),
  limits: {
    read: negotiated.maxBufferSize,
    write: negotiated.maxBufferSize,
    transact: negotiated.maxBufferSize
  }
})

/**
 * The result of the logon.
 *
 * @since 0.2.0
 */
export const ofSession = (session: Session): ServerInformation.SessionInformation => {
  const { connection, nativeLanMan, uid, unauthenticated } = session
  return {
    ...ofServer(session),
    isGuest: unauthenticated,
    signed: connection.signs,
    encrypted: false,
    nativeLanMan,
    echo: Effect.flatMap(
      Connection.request(connection, {
        command: Command.SMB_COM_ECHO,
        body: Codec.encode(Echo)({ echoCount: 1, data: Uint8Array.of(0x65) }),
        uid,
        tid: 0xffff
      }),
      ({ header: { status } }) =>
        status === 0 ? Effect.void : Effect.fail(fromStatus(status, "ECHO", UncName.format(connection.options)))
    )
  }
}

/**
 * The names in the challenge of a server without extended security, which is answered by NTLM.
 *
 * @since 0.2.0
 */
export const announced = (
  { negotiated: { security } }: Agreed
): { readonly computer: string; readonly domain: string } | undefined =>
  security._tag === "Challenge" ? { computer: security.serverName, domain: security.domainName } : undefined
