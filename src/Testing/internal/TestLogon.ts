/**
 * Accounts and logon in the test kit: which users can log on, the responses to SESSION_SETUP, and the session keys.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Acceptor from "../../Auth/Acceptor.ts"
import * as NtlmCrypto from "../../Auth/NtlmCrypto.ts"
import { NtStatus } from "../../Codec/NtStatus.ts"
import { fold } from "../../Codec/UpCase.ts"
import * as Encryption from "../../Smb2/Encryption.ts"
import { SessionFlags } from "../../Smb2/Message/Constants.ts"
import { deriveKeys } from "../../Smb2/Session.ts"
import * as Signing from "../../Smb2/Signing.ts"
import type { ServerOptions } from "../TestServer.ts"
import type { Natural } from "./TestExchange.ts"
import * as TestFiles from "./TestFiles.ts"

/** A session, from its first SESSION_SETUP on. */
export interface Session {
  readonly id: bigint
  readonly acceptor: Acceptor.AcceptorSession
  preauthHash: Uint8Array
  sign: Signing.Sign | undefined
  encrypt: Encryption.Encrypt | undefined
  decrypt: Encryption.Decrypt | undefined
  encryptsAll: boolean
  established: boolean
}

/** What the connection has negotiated, if the keys depend on it. */
export interface Agreed {
  readonly dialect: number
  readonly cipher: Encryption.Algorithm | undefined
  readonly signing: Signing.Algorithm
}

/** A session before its logon. */
export const make = (options: ServerOptions, id: bigint, preauthHash: Uint8Array): Session => {
  const { anonymous, guest, password, user, users } = options
  const known: Record<string, string | Redacted.Redacted<string>> = { ...users }
  if (user !== undefined || users === undefined) known[user ?? "user"] = password ?? "password"
  const passwords = new Map(Object.entries(known).map(([name, secret]) => [fold(name), secret]))
  return {
    id,
    acceptor: Acceptor.make({
      computerName: "TEST",
      random: (length) => new Uint8Array(length).fill(0x7e),
      lookup: (caller) =>
        Effect.sync(() => {
          if (caller.anonymous) return anonymous === true ? { _tag: "Guest" } : undefined
          const secret = passwords.get(fold(caller.user))
          if (secret === undefined) return guest === true ? { _tag: "Guest" } : undefined
          const ntHash = NtlmCrypto.ntHash(typeof secret === "string" ? secret : Redacted.value(secret))
          return { _tag: "User", ntHash: Redacted.make<Uint8Array>(ntHash) }
        })
    }),
    preauthHash,
    sign: undefined,
    encrypt: undefined,
    decrypt: undefined,
    encryptsAll: false,
    established: false
  }
}

const arm = (session: Session, sessionKey: Uint8Array, { cipher, dialect, signing }: Agreed): void => {
  const keys = deriveKeys(dialect, session.preauthHash, sessionKey, cipher)
  session.sign = Signing.make(signing, keys.signing!)
  if (cipher !== undefined && "serverToClient" in keys) {
    session.encrypt = Encryption.makeEncrypt(cipher, keys.serverToClient!, session.id)
    session.decrypt = Encryption.makeDecrypt(cipher, keys.clientToServer!)
  }
}

/** One round of a logon: its response, and the session's keys with the last one. */
export const step = (
  session: Session,
  token: Uint8Array,
  options: ServerOptions,
  agreed: Agreed
): Effect.Effect<Natural> =>
  session.acceptor.step(token).pipe(
    Effect.map((step): Natural => {
      if (step._tag === "Continue") {
        return {
          status: NtStatus.STATUS_MORE_PROCESSING_REQUIRED,
          sessionId: session.id,
          response: { _tag: "SESSION_SETUP", body: { sessionFlags: 0, securityBuffer: step.token } }
        }
      }
      session.established = true
      let sessionFlags = step.guest
        ? step.caller.anonymous ? SessionFlags.SMB2_SESSION_FLAG_IS_NULL : SessionFlags.SMB2_SESSION_FLAG_IS_GUEST
        : 0
      if (step.sessionKey !== undefined) {
        arm(session, Redacted.value(step.sessionKey), agreed)
        if (options.encryption === "required") {
          sessionFlags |= SessionFlags.SMB2_SESSION_FLAG_ENCRYPT_DATA
          session.encryptsAll = true
        }
      }
      return {
        status: 0,
        sessionId: session.id,
        response: { _tag: "SESSION_SETUP", body: { sessionFlags, securityBuffer: step.token } }
      }
    }),
    Effect.catch(() => Effect.succeed<Natural>(TestFiles.refuse(NtStatus.STATUS_LOGON_FAILURE)))
  )
