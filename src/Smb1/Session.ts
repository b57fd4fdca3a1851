/**
 * Logs a user on to a server by SESSION_SETUP_ANDX, and starts signing (MS-CIFS 3.2.4.2.4, MS-SMB 3.2.4.2.4, 3.2.5.3).
 *
 * With extended security, `Auth` takes and gives tokens, and ends with a session key. Without it, the client answers
 * the bare challenge by NTLMv2.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { AuthenticationError } from "../Auth/AuthenticationError.ts"
import * as Authenticator from "../Auth/Authenticator.ts"
import type { Credential } from "../Auth/Credentials.ts"
import * as NtlmV2Response from "../Auth/NtlmV2Response.ts"
import * as Codec from "../Codec/Codec.ts"
import * as Md5 from "../Codec/Md5.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import type { RequestError } from "../Protocol/Errors.ts"
import * as Multiplexer from "../Protocol/Multiplexer.ts"
import * as SessionErrors from "../Protocol/SessionErrors.ts"
import * as Connection from "./Connection.ts"
import * as Header from "./Header.ts"
import { Capabilities, Command, Flags2, SecurityMode, SetupAction } from "./Message/Constants.ts"
import * as SessionSetup from "./Message/SessionSetup.ts"
import type { Agreed } from "./Negotiate.ts"
import type * as Settings from "./Settings.ts"
import * as Signing from "./Signing.ts"

/**
 * A user on a connection.
 *
 * @since 0.1.0
 */
export interface Session extends Agreed {
  readonly settings: Settings.Settings
  readonly uid: number
  /** A guest or anonymous logon: not signed. */
  readonly unauthenticated: boolean
  /** The server's description of itself: "Samba 4.17.12", as its native LAN manager. */
  readonly nativeLanMan: string
}

const nativeOs = "Node.js"
const nativeLanMan = "effect-smb"

/** The client's capabilities, limited to those of the server. */
const capabilitiesOf = ({ negotiated }: Agreed): number =>
  ((Capabilities.CAP_LARGE_FILES | Capabilities.CAP_NT_SMBS | Capabilities.CAP_STATUS32 |
    Capabilities.CAP_LEVEL_II_OPLOCKS | Capabilities.CAP_NT_FIND | Capabilities.CAP_DFS |
    Capabilities.CAP_LARGE_READX | Capabilities.CAP_LARGE_WRITEX | Capabilities.CAP_INFOLEVEL_PASSTHRU |
    (negotiated.unicode ? Capabilities.CAP_UNICODE : 0) |
    (negotiated.extendedSecurity ? Capabilities.CAP_EXTENDED_SECURITY : 0)) & negotiated.capabilities) >>> 0

const common = (agreed: Agreed) => ({
  maxBufferSize: agreed.negotiated.clientMaxBufferSize,
  maxMpxCount: Math.min(agreed.negotiated.maxMpxCount, 0xffff),
  // Not 0, which would end the connections of all other clients at this address (MS-CIFS 2.2.4.53.1).
  vcNumber: 1,
  sessionKey: agreed.negotiated.sessionKey,
  capabilities: capabilitiesOf(agreed),
  nativeOs,
  nativeLanMan
})

/** The last response of a logon, and what it proved. */
interface LoggedOn {
  readonly reply: Connection.Reply
  readonly action: number
  readonly nativeLanMan: string
  /** The signing key: the session key, and the bytes that follow it there. */
  readonly macKey: Uint8Array | undefined
}

/** The signing flags of the session setup: the client wants signatures, so that the server signs too. */
const signingFlags2 = (agreed: Agreed, settings: Settings.Settings): number => {
  if (!wantsSigning(agreed, settings)) return 0
  return Flags2.SMB_FLAGS2_SMB_SECURITY_SIGNATURE |
    (settings.signing === "required" ? Flags2.SMB_FLAGS2_SMB_SECURITY_SIGNATURE_REQUIRED : 0)
}

const wantsSigning = ({ negotiated }: Agreed, settings: Settings.Settings): boolean =>
  settings.signing === "required" ||
  (negotiated.securityMode & SecurityMode.NEGOTIATE_SECURITY_SIGNATURES_REQUIRED) !== 0

const extended = Effect.fnUntraced(function*(
  agreed: Agreed,
  settings: Settings.Settings,
  logon: Authenticator.AuthenticatorSession,
  securityBlob: Uint8Array
): Effect.fn.Return<LoggedOn, RequestError | AuthenticationError> {
  const { connection, negotiated } = agreed
  const encode = Codec.encode(SessionSetup.ExtendedRequest(negotiated.unicode))
  const decode = Codec.decode(
    "SMB1 SESSION_SETUP_ANDX Response",
    Codec.at(Header.size, SessionSetup.ExtendedResponse(negotiated.unicode))
  )
  let input = securityBlob
  let uid = 0
  for (let leg = 0; leg < SessionErrors.mostLegs; leg++) {
    const { token } = yield* logon.step(input)
    const reply = yield* Connection.request(connection, {
      command: Command.SMB_COM_SESSION_SETUP_ANDX,
      body: encode({ ...common(agreed), securityBlob: token }),
      uid,
      tid: 0xffff,
      flags2: signingFlags2(agreed, settings)
    })
    const { status } = reply.header
    if (status !== 0 && status !== NtStatus.STATUS_MORE_PROCESSING_REQUIRED) {
      const failed = decode(reply.packet)
      const input = Result.isSuccess(failed) ? failed.success.securityBlob : undefined
      const { server } = connection.options
      return yield* SessionErrors.refused(
        connection.options,
        status,
        Authenticator.refusal(logon, { status, server, input })
      )
    }
    const response = yield* Effect.fromResult(decode(reply.packet))
    uid = reply.header.uid
    if (status === 0) {
      const guest = (response.action & SetupAction.SMB_SETUP_GUEST) !== 0
      if (!guest) yield* logon.accept(response.securityBlob)
      const key = guest ? undefined : logon.sessionKey()
      return {
        reply,
        action: response.action,
        nativeLanMan: response.nativeLanMan,
        macKey: key === undefined ? undefined : Redacted.value(key)
      }
    }
    input = response.securityBlob
  }
  return yield* SessionErrors.endless(connection.options)
})

const plain = Effect.fnUntraced(function*(
  agreed: Agreed,
  settings: Settings.Settings,
  credential: Credential,
  offer: { readonly challenge: Uint8Array; readonly domainName: string; readonly serverName: string }
): Effect.fn.Return<LoggedOn, RequestError | AuthenticationError> {
  const { connection, negotiated } = agreed
  const { server } = connection.options
  const workstation = yield* Authenticator.Workstation
  const answer = yield* Effect.fromResult(NtlmV2Response.answer(credential, {
    server,
    serverChallenge: offer.challenge,
    domainName: offer.domainName,
    serverName: offer.serverName,
    time: yield* workstation.now ?? Authenticator.now,
    clientChallenge: agreed.entropy.bytes(8, `NTLM challenge for ${server}`)
  }))
  const reply = yield* Connection.request(connection, {
    command: Command.SMB_COM_SESSION_SETUP_ANDX,
    body: Codec.encode(SessionSetup.PlainRequest(negotiated.unicode))({
      ...common(agreed),
      oemPassword: answer.lmChallengeResponse,
      unicodePassword: answer.ntChallengeResponse,
      accountName: answer.user,
      primaryDomain: answer.domain
    }),
    tid: 0xffff,
    flags2: signingFlags2(agreed, settings)
  })
  if (reply.header.status !== 0) {
    const { status } = reply.header
    const { error } = Authenticator.refusal(undefined, { status, server })
    return yield* SessionErrors.refused(connection.options, status, { error })
  }
  const response = yield* Effect.fromResult(
    Codec.decode(
      "SMB1 SESSION_SETUP_ANDX Response",
      Codec.at(Header.size, SessionSetup.PlainResponse(negotiated.unicode))
    )(reply.packet)
  )
  const guest = (response.action & SetupAction.SMB_SETUP_GUEST) !== 0
  return {
    reply,
    action: response.action,
    nativeLanMan: response.nativeLanMan,
    macKey: guest || answer.sessionKey === undefined
      ? undefined
      : Buffer.concat([Redacted.value(answer.sessionKey), answer.ntChallengeResponse])
  }
})

const establish = Effect.fnUntraced(function*(
  agreed: Agreed,
  settings: Settings.Settings,
  logon: Authenticator.AuthenticatorSession,
  credential: Credential
): Effect.fn.Return<Session, RequestError | AuthenticationError> {
  const { connection, negotiated } = agreed
  const { security } = negotiated
  const loggedOn = security._tag === "Extended"
    ? yield* extended(agreed, settings, logon, security.securityBlob)
    : yield* plain(agreed, settings, credential, security)
  const { macKey, reply } = loggedOn
  const session = {
    ...agreed,
    settings,
    uid: reply.header.uid,
    nativeLanMan: loggedOn.nativeLanMan,
    unauthenticated: macKey === undefined
  }
  if (macKey === undefined) {
    if (settings.signing === "required" && !logon.unauthenticated) {
      return yield* SessionErrors.guestNotSigned(connection.options)
    }
    if (!logon.unauthenticated) yield* SessionErrors.warnOfGuest(connection.options)
    return session
  }
  // The first logon of a connection determines its signatures; later logons are signed by it.
  if (!wantsSigning(agreed, settings) || connection.signs) return session
  if (!Md5.available()) {
    return yield* connection.protocolError(
      "SigningUnavailable",
      "SMB 1 signs by MD5, which this Node does not have: it runs in FIPS mode (`signing: \"if-required\"` allows no signatures)"
    )
  }
  const sign = Signing.make(macKey)
  if (!Signing.verify(sign, [reply.packet], 1)) {
    return yield* connection.protocolError(
      "BadSignature",
      "the server's last response of the logon is not signed, or its signature is wrong: the response was changed on " +
        "the way, or the server signs wrongly"
    )
  }
  connection.startSigning(sign, 2)
  return session
})

const logoff = (session: Session): Effect.Effect<void> =>
  Multiplexer.requestAtEnd(
    Connection.request(session.connection, {
      command: Command.SMB_COM_LOGOFF_ANDX,
      body: Codec.encode(SessionSetup.Logoff)({}),
      uid: session.uid,
      atEnd: true
    })
  )

/**
 * Logs on. The session is logged off when the scope closes. The credential is for servers without extended security.
 *
 * Errors: `SmbError` with the server's status for the user (`LogonFailure`, `PasswordExpired`, ...), `ProtocolError` if
 * the required security is not available, `AuthenticationError` if the logon itself fails.
 *
 * @since 0.1.0
 */
export const setup = (
  agreed: Agreed,
  settings: Settings.Settings,
  logon: Authenticator.AuthenticatorSession,
  credential: Credential
): Effect.Effect<Session, RequestError | AuthenticationError, Scope.Scope> =>
  Effect.acquireRelease(establish(agreed, settings, logon, credential), logoff, { interruptible: true })
