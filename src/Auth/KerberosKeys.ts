/**
 * Kerberos on a server's side (RFC 4120, RFC 4121): the keys of a service, and the logons that they prove. The keys are in
 * a keytab, the work is done by the system's GSSAPI library; both are looked at once, when a server starts.
 *
 * What a principal may do here is left to `Acceptor`'s caller. What surrounds the tokens is `Spnego`'s.
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
 */
export interface KeytabOptions {
  /**
   * The realms whose users may come in; by default that of the service alone. Other realms that the domain trusts have
   * users of the same names, who are not the same persons.
   */
  readonly realms?: ReadonlyArray<string>
}

/**
 * Who has proven who they are.
 *
 * @category models
 */
export interface Proven {
  /** The name before the realm, such as `joe`; or `service/host`. */
  readonly name: string
  readonly realm: string
  readonly sessionKey: Redacted.Redacted<Uint8Array>
}

/**
 * One logon. It holds memory of the library's until `release`.
 *
 * @category models
 */
export interface Exchange {
  /**
   * Takes a token of the client's; `proven` is there with the last one. The answer may be empty. With `refused` the exchange
   * is over, and the answer tells the client why: a KRB-ERROR (RFC 4120 5.9.1).
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
 */
export interface KerberosKeys {
  readonly begin: () => Exchange
}

const fail = (reason: AuthenticationReason, detail: string): AuthenticationError =>
  new AuthenticationError({ reason, detail, mechanism: "Kerberos" })

const reasons: Readonly<Record<number, AuthenticationReason>> = {
  [Gssapi.Routine.DEFECTIVE_TOKEN]: "Malformed",
  [Gssapi.Routine.BAD_SIG]: "IntegrityFailure"
}

/** What the protocol's own errors mean on this side (RFC 4120 7.5.9). */
const explanations: Readonly<Record<number, readonly [AuthenticationReason, string]>> = {
  31: ["Rejected", "the keytab has another key than the domain: export it anew"],
  32: ["Rejected", "the client's ticket has expired"],
  33: ["ClockSkew", "the client's ticket is not valid yet: the clocks of this machine and of the domain differ"],
  35: ["Rejected", "the client came by a name of which the keytab has no key"],
  36: ["Rejected", "the ticket is somebody else's"],
  37: ["ClockSkew", "the clocks of the client and of this machine are too far apart"],
  41: ["Rejected", "the keytab has another key than the domain: export it anew"],
  44: ["Rejected", "the keytab has no key of the ticket's version: export it anew"],
  45: ["Rejected", "the client came by a name of which the keytab has no key"]
}

/** For who runs the server; the client is told less. */
const explain = (failure: Gssapi.Failure | AuthenticationError): AuthenticationError => {
  if (failure instanceof AuthenticationError) return failure
  const { call, minor, routine, text } = failure
  const said = text === "" ? call : text
  const known = explanations[minor - Gssapi.krb5]
  return known === undefined
    ? fail(reasons[routine] ?? "Rejected", said)
    : fail(known[0], `${known[1]} (${said})`)
}

/** `joe@CORP.TEST` as its parts; `undefined` where the name is not a plain one. */
const split = (principal: string): { readonly name: string; readonly realm: string } | undefined => {
  const at = principal.lastIndexOf("@")
  const name = principal.slice(0, Math.max(at, 0))
  const realm = principal.slice(at + 1)
  return name === "" || realm === "" || /[\\@]/.test(name) ? undefined : { name, realm }
}

const proven = Effect.fnUntraced(function*(
  acceptor: GssapiAcceptor.Acceptor,
  realms: ReadonlyArray<string> | undefined
): Effect.fn.Return<Proven, AuthenticationError> {
  const { client, server } = yield* Effect.mapError(acceptor.principals, explain)
  const who = split(client)
  const own = split(server)
  if (who === undefined || own === undefined) return yield* fail("Rejected", "a principal has no plain name")
  if (!(realms ?? [own.realm]).includes(who.realm)) {
    return yield* fail("Rejected", `users of the realm ${who.realm} do not come in here`)
  }
  return { ...who, sessionKey: yield* Effect.mapError(acceptor.sessionKey, explain) }
})

/** The AP-REQ in a client's first token (RFC 4121 4.1), which comes without the framing from some. */
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

/** Refuses who comes by a ticket that asks for more than is known here (RFC 4120 5.2.6). */
const checkElements = (
  readElements: Krb5.ReadElements,
  path: string,
  token: Uint8Array
): Effect.Effect<void, AuthenticationError> =>
  Effect.suspend(() => {
    const request = requestOf(token)
    if (request === undefined) return Effect.fail(fail("Malformed", "the client's token has no request in it"))
    const elements = readElements(path, request)
    if (typeof elements === "number") {
      return Effect.fail(fail("Rejected", `the authorization data of the ticket cannot be read: libkrb5's ${elements}`))
    }
    const objection = AuthorizationData.objection(elements)
    return objection === undefined ? Effect.void : Effect.fail(fail("Rejected", objection))
  })

/**
 * The keys of a keytab file, such as `samba-tool domain exportkeytab` or `ktpass` write it for the service `cifs/` and the
 * server's name. Fails where there is no GSSAPI library, or where the file has no key that could be used.
 *
 * @category constructors
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
        return reason === "Unavailable"
          ? fail(reason, detail)
          : fail("NoCredential", `no key in the keytab ${path}: ${detail}`)
      }),
      Effect.sync(() => probe.release())
    )
    return {
      begin: () => {
        const acceptor = new GssapiAcceptor.Acceptor(library)
        // The file is read for each logon: a key that was renewed counts at once.
        let ready = false
        let request: Uint8Array | undefined
        return {
          step: Effect.fnUntraced(function*(token) {
            if (!ready) yield* Effect.mapError(acceptor.acquire(path), explain)
            ready = true
            // The buffer that the token came in is its owner's again after this call.
            const own = Uint8Array.from(token)
            request ??= own
            const step = yield* Effect.result(acceptor.step(own))
            if (Result.isFailure(step)) {
              const refused = explain(step.failure)
              return step.failure.token.length === 0
                ? yield* refused
                : { token: step.failure.token, proven: undefined, refused }
            }
            const { complete, token: answer } = step.success
            if (complete) yield* checkElements(readElements, path, request)
            return { token: answer, proven: complete ? yield* proven(acceptor, options.realms) : undefined }
          }),
          sign: (message) => Effect.mapError(acceptor.sign(message), explain),
          // Whatever the library has against it, what the MIC stands for is not proven.
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
