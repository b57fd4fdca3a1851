/**
 * The server's side of Kerberos (RFC 4120, RFC 4121): the keys of a service, and the logons that they verify. The keys
 * are in a keytab, and the system's GSSAPI library does the work; both are checked when a server starts.
 *
 * The caller of `Acceptor` decides about the rights of a principal. `Spnego` has the frame of the tokens.
 */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Codec from "../Codec/Codec.ts"
import { Reader } from "../Codec/Cursor.ts"
import { AuthenticationError, type AuthenticationReason } from "./AuthenticationError.ts"
import * as Der from "./Der.ts"
import * as AuthorizationData from "./internal/AuthorizationData.ts"
import * as Gssapi from "./internal/Gssapi.ts"
import * as GssapiAcceptor from "./internal/GssapiAcceptor.ts"
import type * as Krb5 from "./internal/Krb5.ts"

/**
 * Settings of `fromKeytab`.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeytabOptions {
  /**
   * The realms whose users may log on. Default: only the realm of the service. Other realms that the domain trusts can
   * have users with the same names, which are not the same persons.
   */
  readonly realms?: ReadonlyArray<string> | undefined
}

/**
 * The proven identity of a client.
 *
 * @category models
 * @since 0.1.0
 */
export interface Proven {
  /** The name before the realm, such as `joe`; or `service/host`. */
  readonly name: string
  readonly realm: string
  readonly sessionKey: Redacted.Redacted<Uint8Array>
  /** Milliseconds until the client's ticket ends; `undefined` if it does not end. */
  readonly lifetime?: number | undefined
}

/**
 * One logon. It holds memory of the library until `release`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exchange {
  /**
   * Takes a client's token; the last one returns `proven`. The returned token can be empty. With `refused` the exchange
   * is over, and the returned token tells the client why: a KRB-ERROR (RFC 4120 5.9.1).
   */
  readonly step: (token: Uint8Array) => Effect.Effect<
    {
      readonly token: Uint8Array
      readonly proven: Proven | undefined
      readonly refused?: AuthenticationError | undefined
    },
    AuthenticationError
  >
  readonly sign: (message: Uint8Array) => Effect.Effect<Uint8Array, AuthenticationError>
  readonly verify: (message: Uint8Array, mic: Uint8Array) => Effect.Effect<void, AuthenticationError>
  readonly release: () => void
}

/**
 * The keys of a service.
 *
 * @category models
 * @since 0.1.0
 */
export interface KerberosKeys {
  readonly begin: () => Exchange
}

const fail = (reason: AuthenticationReason["_tag"], detail: string): AuthenticationError =>
  new AuthenticationError({ reason: { _tag: reason }, detail, mechanism: "Kerberos" })

const reasons: Readonly<Record<number, AuthenticationReason["_tag"]>> = {
  [Gssapi.Routine.DEFECTIVE_TOKEN]: "MalformedToken",
  [Gssapi.Routine.BAD_SIG]: "IntegrityFailure"
}

/** The meaning of the protocol's own errors on the server's side (RFC 4120 7.5.9). */
const explanations: Readonly<Record<number, readonly [AuthenticationReason["_tag"], string]>> = {
  31: ["LogonRejected", "the keytab has another key than the domain: export it again"],
  32: ["LogonRejected", "the client's ticket has expired"],
  33: ["ClockSkew", "the client's ticket is not valid yet: the clocks of this machine and of the domain differ"],
  35: ["LogonRejected", "the client came by a name of which the keytab has no key"],
  36: ["LogonRejected", "the ticket is somebody else's"],
  37: ["ClockSkew", "the clocks of the client and of this machine are too far apart"],
  41: ["LogonRejected", "the keytab has another key than the domain: export it again"],
  44: ["LogonRejected", "the keytab has no key of the ticket's version: export it again"],
  45: ["LogonRejected", "the client came by a name of which the keytab has no key"]
}

/** The explanation for the server's administrator; the client gets less. */
const explain = (failure: Gssapi.Failure | AuthenticationError): AuthenticationError => {
  if (failure instanceof AuthenticationError) return failure
  const { call, minor, routine, text } = failure
  const said = text === "" ? call : text
  const known = explanations[minor - Gssapi.krb5]
  return known === undefined
    ? fail(reasons[routine] ?? "LogonRejected", said)
    : fail(known[0], `${known[1]} (${said})`)
}

/**
 * `joe@CORP.TEST` as its parts; `undefined` if the name is not a plain one. A name can have an `@`, which the library
 * writes as `\@`: `joe\@corp.test@CORP.TEST` is `joe@corp.test` of that realm. That is not the same user as `joe`.
 */
const split = (principal: string): { readonly name: string; readonly realm: string } | undefined => {
  const parts = /^((?:[^\\@]|\\@)+)@([^\\@]+)$/.exec(principal)
  return parts === null ? undefined : { name: parts[1]!.replaceAll("\\@", "@"), realm: parts[2]! }
}

const proven = Effect.fnUntraced(function*(
  acceptor: GssapiAcceptor.Acceptor,
  realms: ReadonlyArray<string> | undefined
): Effect.fn.Return<Proven, AuthenticationError> {
  const { client, server } = yield* Effect.mapError(acceptor.principals, explain)
  const who = split(client)
  const own = split(server)
  if (who === undefined || own === undefined) return yield* fail("LogonRejected", "a principal has no plain name")
  if (!(realms ?? [own.realm]).includes(who.realm)) {
    return yield* fail("LogonRejected", `users of the realm ${who.realm} do not come in here`)
  }
  return { ...who, sessionKey: yield* Effect.mapError(acceptor.sessionKey, explain) }
})

/** The AP-REQ in a client's first token (RFC 4121 4.1), which some clients send without the frame. */
const requestOf = (token: Uint8Array): Uint8Array | undefined => {
  if (token[0] === apReq) return token
  const found = Codec.attempt("Kerberos token", () => {
    const frame = Der.open(new Reader(token), Der.Tag.application, "InitialContextToken")
    Der.open(frame, Der.Tag.objectIdentifier, "thisMech")
    return frame.u16() === tokenId ? frame.rest() : undefined
  })
  return found._tag === "Success" ? found.success : undefined
}

/** The tag of AP-REQ (RFC 4120 5.5.1), and TOK_ID of KRB_AP_REQ as a little-endian number. */
const apReq = 0x6e
const tokenId = 0x0001

/** Refuses a ticket with restrictions that this server does not know (RFC 4120 5.2.6). */
const checkElements = (
  readElements: Krb5.ReadElements,
  path: string,
  token: Uint8Array
): Effect.Effect<void, AuthenticationError> =>
  Effect.suspend(() => {
    const request = requestOf(token)
    if (request === undefined) return Effect.fail(fail("MalformedToken", "the client's token has no request in it"))
    const elements = readElements(path, request)
    if (typeof elements === "number") {
      return Effect.fail(
        fail("LogonRejected", `the authorization data of the ticket cannot be read: libkrb5's ${elements}`)
      )
    }
    const objection = AuthorizationData.objection(elements)
    return objection === undefined ? Effect.void : Effect.fail(fail("LogonRejected", objection))
  })

/**
 * The keys of a keytab file, such as `samba-tool domain exportkeytab` or `ktpass` write it for the service `cifs/` and
 * the server's name. Fails if there is no GSSAPI library, or if the file has no usable key.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromKeytab = (
  path: string,
  options: KeytabOptions = {}
): Effect.Effect<KerberosKeys, AuthenticationError> =>
  Effect.gen(function*() {
    const library = yield* Gssapi.load
    const { readElements } = library
    if (readElements === undefined) {
      return yield* Gssapi.unavailable(
        "this Kerberos library does not show what tickets may be used for; install MIT's"
      )
    }
    const probe = new GssapiAcceptor.Acceptor(library)
    yield* Effect.ensuring(
      Effect.mapError(probe.acquire(path), (failure) => {
        const { detail, reason } = explain(failure)
        return reason._tag === "MechanismUnavailable"
          ? fail(reason._tag, detail)
          : fail("NoCredential", `no key in the keytab ${path}: ${detail}`)
      }),
      Effect.sync(() => probe.release())
    )
    return {
      begin: () => {
        const acceptor = new GssapiAcceptor.Acceptor(library)
        // The file is read for each logon, so a renewed key is used at once.
        let ready = false
        let request: Uint8Array | undefined
        return {
          step: Effect.fnUntraced(function*(token) {
            if (!ready) yield* Effect.mapError(acceptor.acquire(path), explain)
            ready = true
            // After this call, the owner of the token's buffer can use it again.
            const own = Uint8Array.from(token)
            request ??= own
            const step = yield* Effect.result(acceptor.step(own))
            if (Result.isFailure(step)) {
              const refused = explain(step.failure)
              return step.failure.token.length === 0
                ? yield* refused
                : { token: step.failure.token, proven: undefined, refused }
            }
            const { complete, lifetime, token: answer } = step.success
            if (complete) yield* checkElements(readElements, path, request)
            return {
              token: answer,
              proven: complete ? { ...yield* proven(acceptor, options.realms), lifetime } : undefined
            }
          }),
          sign: (message) => Effect.mapError(acceptor.sign(message), explain),
          // Any failure of the library means that the message is not proven.
          verify: (message, mic) =>
            Effect.mapError(
              acceptor.verify(message, Uint8Array.from(mic)),
              (failure) => fail("IntegrityFailure", explain(failure).detail)
            ),
          release: () => acceptor.release()
        }
      }
    }
  })
