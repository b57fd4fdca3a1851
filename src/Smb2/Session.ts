/**
 * Logs a user on to a server, and derives the keys of the session (MS-SMB2 3.2.4.2.3, 3.2.5.3, 3.1.4.2).
 *
 * `Auth` proves the user's identity: it takes and gives tokens, and ends with a session key.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { AuthenticationError } from "../Auth/AuthenticationError.ts"
import * as Authenticator from "../Auth/Authenticator.ts"
import * as Codec from "../Codec/Codec.ts"
import * as KeyDerivation from "../Codec/KeyDerivation.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import type { RequestError } from "../Protocol/Errors.ts"
import * as Multiplexer from "../Protocol/Multiplexer.ts"
import * as SessionErrors from "../Protocol/SessionErrors.ts"
import * as Connection from "./Connection.ts"
import * as Dialects from "./Dialects.ts"
import * as Encryption from "./Encryption.ts"
import * as Header from "./Header.ts"
import { Command, Dialect, HeaderFlags, SecurityMode, SessionFlags } from "./Message/Constants.ts"
import * as SessionSetup from "./Message/SessionSetup.ts"
import { type Agreed, extendPreauthHash, type Negotiated } from "./Negotiate.ts"
import type { Reauthentication } from "./Reauthentication.ts"
import type * as Settings from "./Settings.ts"
import * as Signing from "./Signing.ts"

/**
 * A user on a connection.
 *
 * @since 0.1.0
 */
export interface Session extends Agreed {
  readonly settings: Settings.Settings
  readonly security: Connection.Security
  /** Whether every request is encrypted, because the client or the server demands it. */
  readonly encrypted: boolean
  /** A guest or anonymous logon: neither signed nor encrypted. */
  readonly unauthenticated: boolean
  /** Whether FSCTL_VALIDATE_NEGOTIATE_INFO has succeeded. */
  validated: boolean
  /** How its user authenticates again when it expires, if that is possible. */
  reauthentication: Reauthentication | undefined
}

const ascii = (text: string): Uint8Array => Buffer.from(text, "latin1")

/** The label and context of each key's derivation. */
const labels = (dialect: number, preauthHash: Uint8Array) =>
  dialect === Dialect.SMB_3_1_1
    ? {
      signing: [ascii("SMBSigningKey\0"), preauthHash],
      clientToServer: [ascii("SMBC2SCipherKey\0"), preauthHash],
      serverToClient: [ascii("SMBS2CCipherKey\0"), preauthHash]
    } as const
    : {
      signing: [ascii("SMB2AESCMAC\0"), ascii("SmbSign\0")],
      clientToServer: [ascii("SMB2AESCCM\0"), ascii("ServerIn \0")],
      serverToClient: [ascii("SMB2AESCCM\0"), ascii("ServerOut\0")]
    } as const

/**
 * The keys of a session: for signing, and for each direction of encryption.
 *
 * @since 0.1.0
 */
export const deriveKeys = (
  dialect: number,
  preauthHash: Uint8Array,
  sessionKey: Uint8Array,
  cipher: Encryption.Algorithm | undefined
) => {
  // Session.SessionKey is the first 16 bytes, right-padded with zeros (MS-SMB2 3.2.5.3.1).
  const short = new Uint8Array(16)
  short.set(sessionKey.subarray(0, 16))
  if (dialect < Dialect.SMB_3_0) return { signing: short }
  const table = labels(dialect, preauthHash)
  const bits = cipher !== undefined && Encryption.keyLength(cipher) === 32 ? 256 : 128
  // The 256-bit ciphers use the whole session key: 16 bytes with NTLM, more with Kerberos.
  const full = bits === 256 ? sessionKey : short
  return {
    signing: KeyDerivation.derive(short, ...table.signing, 128),
    clientToServer: KeyDerivation.derive(full, ...table.clientToServer, bits),
    serverToClient: KeyDerivation.derive(full, ...table.serverToClient, bits)
  }
}

const makeSecurity = (
  negotiated: Negotiated,
  sessionId: bigint,
  sessionKey: Uint8Array,
  preauthHash: Uint8Array
): Connection.Security => {
  const keys = deriveKeys(negotiated.dialect, preauthHash, sessionKey, negotiated.cipher)
  const ciphers = negotiated.cipher !== undefined && "clientToServer" in keys
  return {
    sessionId,
    sign: Signing.make(negotiated.signing, keys.signing!),
    signsAll: true,
    encrypt: ciphers ? Encryption.makeEncrypt(negotiated.cipher!, keys.clientToServer!, sessionId) : undefined,
    decrypt: ciphers ? Encryption.makeDecrypt(negotiated.cipher!, keys.serverToClient!) : undefined
  }
}

const keyless = (sessionId: bigint): Connection.Security => ({
  sessionId,
  sign: undefined,
  signsAll: false,
  encrypt: undefined,
  decrypt: undefined
})

/**
 * The token in a failed response. An error response (2.2.2) has it as its data, and some servers send the command's own
 * response instead (2.2.6). Both begin with the same StructureSize.
 */
const refusedBuffer = (packet: Uint8Array): Uint8Array | undefined => {
  const body = packet.subarray(Header.size)
  if (body.length <= 8) return undefined
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  if (view.getUint32(4, true) === body.length - 8) return body.subarray(8)
  const decoded = Codec.decode("SMB2 SESSION_SETUP Response", Codec.at(Header.size, SessionSetup.Response))(packet)
  return Result.isSuccess(decoded) ? decoded.success.securityBuffer : undefined
}

interface Exchange {
  readonly sessionId: bigint
  readonly reply: Connection.Reply
  readonly response: SessionSetup.Response
  /** The hash up to the last request, without the last response: the keys are derived from it. */
  readonly preauthHash: Uint8Array
}

const exchange = Effect.fnUntraced(function*(
  { connection, negotiated }: Agreed,
  settings: Settings.Settings,
  logon: Authenticator.AuthenticatorSession,
  /** The session whose user authenticates again, or the SessionId of a lost session that the new one replaces. */
  before: Pick<Session, "security" | "encrypted"> | bigint
): Effect.fn.Return<Exchange, RequestError | AuthenticationError> {
  const again = typeof before === "bigint" ? undefined : before
  const encode = Codec.encode(SessionSetup.Request)
  const decode = Codec.decode("SMB2 SESSION_SETUP Response", Codec.at(Header.size, SessionSetup.Response))
  let hash = negotiated.preauthHash
  let sessionId = again?.security.sessionId ?? 0n
  let input = negotiated.securityBuffer
  for (let leg = 0; leg < SessionErrors.mostLegs; leg++) {
    const step = yield* logon.step(input)
    const reply = yield* Connection.request(connection, {
      command: Command.SESSION_SETUP,
      body: encode({
        flags: 0,
        securityMode: settings.signing === "required"
          ? SecurityMode.SMB2_NEGOTIATE_SIGNING_REQUIRED
          : SecurityMode.SMB2_NEGOTIATE_SIGNING_ENABLED,
        capabilities: negotiated.asked.capabilities & 1,
        previousSessionId: typeof before === "bigint" ? before : 0n,
        securityBuffer: step.token
      }),
      ...(again === undefined
        ? { security: keyless(sessionId) }
        // The session has its keys already, and keeps them (3.2.5.3.2).
        : { security: again.security, encrypted: again.encrypted, mustSign: again.security.sign !== undefined }),
      onSent: (packet) => {
        hash = extendPreauthHash(hash, packet)
      }
    })
    const { status } = reply.header
    if (status !== 0 && status !== NtStatus.STATUS_MORE_PROCESSING_REQUIRED) {
      const input = refusedBuffer(reply.packet)
      const { server } = connection.options
      return yield* SessionErrors.refused(
        connection.options,
        status,
        Authenticator.refusal(logon, { status, server, input })
      )
    }
    const response = yield* Effect.fromResult(decode(reply.packet))
    sessionId = reply.header.sessionId
    if (status === 0) return { sessionId, reply, response, preauthHash: hash }
    hash = extendPreauthHash(hash, reply.packet)
    input = response.securityBuffer
  }
  return yield* SessionErrors.endless(connection.options)
})

const establish = Effect.fnUntraced(function*(
  agreed: Agreed,
  settings: Settings.Settings,
  logon: Authenticator.AuthenticatorSession,
  previousSessionId: bigint
): Effect.fn.Return<Session, RequestError | AuthenticationError> {
  const { connection, negotiated } = agreed
  const { preauthHash, reply, response, sessionId } = yield* exchange(agreed, settings, logon, previousSessionId)
  const refuse = (
    reason: "SigningUnavailable" | "EncryptionUnavailable" | "NotSigned" | "BadSignature",
    detail: string
  ) => connection.protocolError(reason, detail)
  const unauthenticated =
    (response.sessionFlags & (SessionFlags.SMB2_SESSION_FLAG_IS_GUEST | SessionFlags.SMB2_SESSION_FLAG_IS_NULL)) !== 0
  const serverEncrypts = (response.sessionFlags & SessionFlags.SMB2_SESSION_FLAG_ENCRYPT_DATA) !== 0
  if (unauthenticated) {
    if (!logon.unauthenticated) {
      // The user has a name and a password, and the server let the user in as a guest: nothing proves the server's
      // identity.
      if (settings.signing === "required") return yield* SessionErrors.guestNotSigned(connection.options)
      yield* SessionErrors.warnOfGuest(connection.options)
    }
    if (settings.encryption === "required") {
      return yield* refuse(
        "EncryptionUnavailable",
        "encryption is required, but a guest's session cannot be encrypted (`encryption: \"if-offered\"`)"
      )
    }
    return {
      ...agreed,
      settings,
      security: keyless(sessionId),
      encrypted: false,
      unauthenticated,
      validated: true,
      reauthentication: undefined
    }
  }
  yield* logon.accept(response.securityBuffer)
  const sessionKey = logon.sessionKey()
  if (sessionKey === undefined) {
    if (settings.signing === "required" && !logon.unauthenticated) {
      return yield* refuse(
        "SigningUnavailable",
        "the logon gave no session key, so nothing can be signed (`signing: \"if-required\"` allows that)"
      )
    }
    return {
      ...agreed,
      settings,
      security: keyless(sessionId),
      encrypted: false,
      unauthenticated: true,
      validated: true,
      reauthentication: undefined
    }
  }
  const security = makeSecurity(negotiated, sessionId, Redacted.value(sessionKey), preauthHash)
  const signed = (reply.header.flags & HeaderFlags.SMB2_FLAGS_SIGNED) !== 0
  if (negotiated.dialect === Dialect.SMB_3_1_1 && !signed) {
    return yield* refuse("NotSigned", "the server's last response of the logon is not signed, which SMB 3.1.1 demands")
  }
  if (signed && !Signing.verify(security.sign!, [reply.packet], "server", reply.header.messageId)) {
    return yield* refuse("BadSignature", "the signature of the server's last response of the logon is wrong")
  }
  const encrypted = serverEncrypts || (settings.encryption !== "off" && security.encrypt !== undefined)
  if (encrypted && security.encrypt === undefined) {
    return yield* refuse(
      "EncryptionUnavailable",
      `the server demands encryption, which dialect ${Dialects.nameOf(negotiated.dialect)} does not have here`
    )
  }
  const serverSigns = (negotiated.securityMode & SecurityMode.SMB2_NEGOTIATE_SIGNING_REQUIRED) !== 0
  return {
    ...agreed,
    settings,
    // If signing is not required, the keys are kept for requests that must be signed, and for shares with encryption.
    security: { ...security, signsAll: settings.signing === "required" || serverSigns, encryptsAll: encrypted },
    encrypted,
    unauthenticated: false,
    validated: negotiated.dialect === Dialect.SMB_3_1_1,
    reauthentication: undefined
  }
})

const logoff = (session: Session): Effect.Effect<void> =>
  Multiplexer.requestAtEnd(
    Effect.ensuring(
      Connection.request(session.connection, {
        command: Command.LOGOFF,
        body: Codec.encode(SessionSetup.LogoffRequest)({}),
        security: session.security,
        encrypted: session.encrypted,
        atEnd: true
      }),
      Effect.sync(() => session.connection.removeSession(session.security.sessionId))
    )
  )

/**
 * Authenticates the user of a live session again (3.2.4.2.3, 3.2.5.3.2). The session keeps its SessionId and its keys.
 *
 * Errors: as `setup`. The session is then as before, and the server refuses its requests.
 *
 * @since 0.2.0
 */
export const reauthenticate = Effect.fnUntraced(function*(
  session: Session,
  logon: Authenticator.AuthenticatorSession
): Effect.fn.Return<void, RequestError | AuthenticationError> {
  const { response } = yield* exchange(session, session.settings, logon, session)
  const unauthenticated =
    (response.sessionFlags & (SessionFlags.SMB2_SESSION_FLAG_IS_GUEST | SessionFlags.SMB2_SESSION_FLAG_IS_NULL)) !== 0
  // The server's proof would be missing: an attacker could have kept a session alive.
  if (unauthenticated) return yield* SessionErrors.guestNotSigned(session.connection.options)
  yield* logon.accept(response.securityBuffer)
})

/**
 * Logs on. The session is logged off when the scope closes. `previousSessionId`: a session of the same user on a lost
 * connection, which the server ends for this one (3.3.5.5.3); 0 for none.
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
  previousSessionId = 0n
): Effect.Effect<Session, RequestError | AuthenticationError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tap(establish(agreed, settings, logon, previousSessionId), (session) =>
      Effect.sync(() => agreed.connection.addSession(session.security))),
    logoff,
    { interruptible: true }
  )
