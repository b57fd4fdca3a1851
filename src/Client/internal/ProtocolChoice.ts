/**
 * Chooses the protocol for a server: the only module that knows both. Its results are the same for all modules above:
 * connection, session, share.
 *
 * SMB 1 is used only if the settings name `NT1`. If they name others too, SMB 1 starts the negotiation for all of them.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { AuthenticationError } from "../../Auth/AuthenticationError.ts"
import type { AuthenticatorSession } from "../../Auth/Authenticator.ts"
import type { Credential } from "../../Auth/Credentials.ts"
import type { ConnectedShare } from "../../Protocol/ConnectedShare.ts"
import { type RequestError, TransportError } from "../../Protocol/Errors.ts"
import type { ServerInformation } from "../../Protocol/ServerInformation.ts"
import type * as Transport from "../../Protocol/Transport.ts"
import { Breaks as Smb1Breaks } from "../../Smb1/Breaks.ts"
import * as Smb1Negotiate from "../../Smb1/Negotiate.ts"
import * as Smb1Information from "../../Smb1/ServerInformation.ts"
import * as Smb1Session from "../../Smb1/Session.ts"
import * as Smb1Tree from "../../Smb1/Tree.ts"
import { Breaks } from "../../Smb2/Breaks.ts"
import * as Negotiate from "../../Smb2/Negotiate.ts"
import { Reauthentication } from "../../Smb2/Reauthentication.ts"
import * as Smb2Information from "../../Smb2/ServerInformation.ts"
import * as Session from "../../Smb2/Session.ts"
import * as Settings from "../../Smb2/Settings.ts"
import * as Tree from "../../Smb2/Tree.ts"
import type { ServerSession } from "../ServerSession.ts"
import type { Load } from "./Meter.ts"

/** A user on a connection. */
export interface LoggedOn {
  readonly information: ServerSession
  /** Why the connection has ended, if it has. */
  readonly failed: () => unknown
  /** If its server may have gone without a word: `Share.doubt`. */
  readonly doubt: () => Effect.Effect<void> | undefined
  readonly tree: (share: string) => Effect.Effect<ConnectedShare, RequestError, Scope.Scope>
  /** Its SessionId, by which a later session can replace it; 0 if none can. */
  readonly sessionId: bigint
  /** Tells how the user authenticates again when the server says that the session has expired. SMB 1 has no such way. */
  readonly onExpired?: (
    again: (
      reauthenticate: (logon: AuthenticatorSession) => Effect.Effect<void, RequestError | AuthenticationError>
    ) => Effect.Effect<void, RequestError | AuthenticationError>
  ) => void
}

/** A connection. */
export interface Connected {
  readonly information: ServerInformation
  /** Why it has ended, if it has. */
  readonly failed: () => unknown
  /** How much it carries now. */
  readonly load: () => Load
  readonly logon: (
    logon: AuthenticatorSession,
    credential: Credential,
    /** The SessionId of a lost session of the same user; 0 for none. */
    previousSessionId: bigint
  ) => Effect.Effect<LoggedOn, RequestError | AuthenticationError, Scope.Scope>
}

const smb2 = (agreed: Negotiate.Agreed, settings: Settings.Settings): Connected => {
  const breaks = new Breaks()
  breaks.attach(agreed.connection)
  return {
    information: Smb2Information.ofServer(agreed),
    failed: () => agreed.connection.failed,
    load: () => ({
      inFlight: agreed.connection.outstanding,
      waiting: agreed.connection.waiting,
      credits: agreed.connection.availableCredits,
      opens: breaks.opens
    }),
    logon: (logon, _, previousSessionId) =>
      Effect.map(Session.setup(agreed, settings, logon, previousSessionId), (session) => ({
        information: {
          ...Smb2Information.ofSession(session),
          mechanism: logon.mechanism?.(),
          announced: logon.announced?.()
        },
        failed: () => agreed.connection.failed,
        doubt: () => agreed.connection.doubt((error) => Tree.breakOff(agreed.connection, breaks, error)),
        tree: (share) => Tree.make(session, share, breaks),
        // The server cannot know that a guest is the guest of the earlier session.
        sessionId: session.unauthenticated ? 0n : session.security.sessionId,
        ...(session.unauthenticated ? {} : {
          onExpired: (again) => {
            session.reauthentication = new Reauthentication(again((logon) => Session.reauthenticate(session, logon)))
          }
        })
      }))
  }
}

const smb1 = (agreed: Smb1Negotiate.Agreed, settings: Settings.Settings): Connected => {
  const breaks = new Smb1Breaks()
  const plain = Smb1Information.announced(agreed)
  breaks.attach(agreed.connection)
  return {
    information: Smb1Information.ofServer(agreed),
    failed: () => agreed.connection.failed,
    load: () => ({
      inFlight: agreed.connection.outstanding,
      waiting: agreed.connection.waitingCount,
      credits: 0,
      opens: breaks.opens
    }),
    logon: (logon, credential) =>
      Effect.map(Smb1Session.setup(agreed, settings, logon, credential), (session) => ({
        information: {
          ...Smb1Information.ofSession(session),
          mechanism: plain === undefined ? logon.mechanism?.() : "NTLM",
          announced: plain ?? logon.announced?.()
        },
        failed: () => agreed.connection.failed,
        doubt: () => agreed.connection.doubt((error) => Smb1Tree.breakOff(agreed.connection, breaks, error)),
        tree: (share) => Smb1Tree.make(session, share, breaks),
        sessionId: 0n
      }))
  }
}

/** A server with SMB 1 turned off rarely says so. */
const withoutSmb1 = ({ port, reason, server }: TransportError): TransportError =>
  new TransportError({
    reason,
    server,
    port,
    detail:
      "at the first request, which offered SMB 1 only: the server probably does not support SMB 1, so offer SMB 2 or 3 too"
  })

/** Connects to a server and negotiates. The connection ends with the scope. */
export const connect = (
  endpoint: Transport.Endpoint,
  settings: Settings.Settings
): Effect.Effect<Connected, RequestError, Transport.Transport | Scope.Scope> => {
  if (!settings.dialects.includes("NT1")) {
    return Effect.map(Negotiate.connect(endpoint, settings), (agreed) => smb2(agreed, settings))
  }
  const others = Settings.smb2Dialects(settings.dialects)
  return Effect.matchEffect(Smb1Negotiate.connect(endpoint, settings, settings.smb1), {
    // Some servers with SMB 1 turned off close the connection on its NEGOTIATE, no matter which dialects that offers.
    onFailure: (error) => {
      if (error._tag !== "TransportError" || error.reason._tag !== "ConnectionClosed") return Effect.fail(error)
      return others.length > 0 ? connect(endpoint, { ...settings, dialects: others }) : Effect.fail(withoutSmb1(error))
    },
    onSuccess: (answer) =>
      "packet" in answer
        ? Effect.map(Negotiate.resume(endpoint, settings, answer), (agreed) => smb2(agreed, settings))
        : Effect.succeed(smb1(answer, settings))
  })
}
