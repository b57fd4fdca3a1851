/**
 * Logons by Kerberos (RFC 4120, RFC 4121) inside SPNEGO, with the tickets and the library of the system; and by
 * Kerberos or otherwise NTLM, as on Windows.
 *
 * The library is MIT's, called through the package `koffi`, which is optional. If one of the two is missing, a logon
 * fails with `Unavailable` and says what to install. Client and server prove their identities to each other; nothing is
 * delegated. The service is `cifs` on the server of the connection, for any namespace that led there.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import { isIP } from "node:net"
import { AuthenticationError, type AuthenticationReason } from "./AuthenticationError.ts"
import * as Authenticator from "./Authenticator.ts"
import type { Credential, KerberosCredential, NtHashCredential, PasswordCredential } from "./Credentials.ts"
import * as Gssapi from "./internal/Gssapi.ts"
import * as GssapiInitiator from "./internal/GssapiInitiator.ts"
import * as KrbError from "./internal/KrbError.ts"
import * as Spnego from "./Spnego.ts"

/**
 * Settings of `make` and `layer`: defaults for credentials.
 *
 * @category models
 * @since 0.1.0
 */
export interface KerberosOptions {
  /** The ticket cache for credentials without one. */
  readonly ccache?: string | undefined
  /** The keytab for credentials without one. */
  readonly keytab?: string | undefined
}

/**
 * Settings of `makeNegotiate` and `layerNegotiate`.
 *
 * @category models
 * @since 0.1.0
 */
export interface NegotiateOptions extends KerberosOptions, Authenticator.NtlmOptions {
  /** What to do if Kerberos is not possible: continue by NTLM (`"fallback"`, the default), or fail. */
  readonly ntlm?: "fallback" | "forbidden" | undefined
}

const fail = (
  server: string,
  reason: AuthenticationReason["_tag"],
  detail: string,
  code?: number
): AuthenticationError =>
  new AuthenticationError({
    reason: { _tag: reason },
    detail,
    mechanism: "Kerberos",
    server,
    ...(code === undefined ? {} : { code })
  })

const kerberosMechanisms: ReadonlyArray<string> = [Spnego.Mechanism.kerberos, Spnego.Mechanism.msKerberos]
const mechTypeList = Spnego.mechTypeList(kerberosMechanisms)

// -----------------------------------------------------------------------------
// statuses
// -----------------------------------------------------------------------------

type Explanation = readonly [AuthenticationReason["_tag"], (server: string) => string]

const kinit = "run kinit, or give a keytab"

/** The domain has checked the password and counted the attempt (RFC 4120 7.5.9). */
const KDC_ERR_PREAUTH_FAILED = 24

const explanations: Readonly<Record<number, Explanation>> = {
  6: ["InvalidCredential", () => "the domain knows no such user"],
  7: [
    "ServerUnknown",
    (server) => `the domain has no service cifs/${server}; connect to the server by its full name in the DNS`
  ],
  14: ["NoCommonMechanism", () => "the domain and this machine have no encryption type in common"],
  18: ["LogonRejected", () => "the account is disabled, locked or expired"],
  23: ["LogonRejected", () => "the password has expired and must be changed"],
  [KDC_ERR_PREAUTH_FAILED]: ["InvalidCredential", () => "the password or the key is wrong"],
  31: ["IntegrityFailure", () => "the server cannot read its ticket; its key in the domain is another one"],
  32: ["NoCredential", () => `the ticket has expired; ${kinit}`],
  33: ["ClockSkew", () => "the ticket is not valid yet; set the clock of this machine"],
  34: ["LogonRejected", () => "the server takes the logon for one that was sent before; try again"],
  35: ["LogonRejected", (server) => `the server has no key of the name ${server}; connect to it by another name`],
  37: ["ClockSkew", () => "the clocks are too far apart; set the clock of this machine to the domain's time"],
  41: ["IntegrityFailure", () => "the server cannot read its ticket; its key in the domain is another one"],
  44: ["LogonRejected", () => "the server has no key of the ticket's version: export its keytab again"],
  45: ["LogonRejected", (server) => `the server has no key of the name ${server}; connect to it by another name`],
  141: ["NoCredential", () => `no ticket that fits; ${kinit}`],
  148: ["ClockSkew", () => "the clocks are too far apart; set the clock of this machine to the domain's time"],
  154: ["MechanismUnavailable", () => "no domain controller is known for the realm; look at krb5.conf and the DNS"],
  156: [
    "MechanismUnavailable",
    () => "no domain controller of the realm answers; look at krb5.conf, the DNS and the network"
  ],
  158: ["IntegrityFailure", () => "the server could not prove who it is"],
  181: ["NoCredential", () => "the keytab has no key of this principal"],
  195: ["NoCredential", () => `no ticket; ${kinit}`]
}

/**
 * The codes that a server itself can give for a ticket. Other codes come from a domain, and are ignored from a server.
 */
const ofServers: ReadonlySet<number> = new Set(Object.values(KrbError.Code))

/** The error in a server's token, if it is a Kerberos error. */
const explainToken = (server: string, token: Uint8Array | undefined): AuthenticationError | undefined => {
  const code = token === undefined ? undefined : KrbError.codeOf(token)
  if (code === undefined || !ofServers.has(code)) return undefined
  const [reason, say] = explanations[code]!
  // The wrong clock may also be the server's.
  const both = reason === "ClockSkew" ? ", and look at that of the server" : ""
  return fail(server, reason, `${say(server)}${both} (the server says error ${code} of Kerberos)`, code)
}

const routines: Readonly<Record<number, Explanation>> = {
  [Gssapi.Routine.NO_CRED]: ["NoCredential", () => `no ticket; ${kinit}`],
  [Gssapi.Routine.CREDENTIALS_EXPIRED]: ["NoCredential", () => `the ticket has expired; ${kinit}`],
  [Gssapi.Routine.BAD_SIG]: ["IntegrityFailure", () => "a signature of the server's is wrong"],
  [Gssapi.Routine.DEFECTIVE_TOKEN]: ["MalformedToken", () => "the server's token is none of Kerberos'"]
}

const explain = (
  server: string,
  keytab?: string
) =>
(failure: Gssapi.Failure | AuthenticationError): AuthenticationError => {
  if (failure instanceof AuthenticationError) return fail(server, failure.reason._tag, failure.detail)
  const { call, minor, routine, text } = failure
  const code = minor - Gssapi.krb5
  const [reason, say] = explanations[code] ?? routines[routine] ??
    ["LogonRejected", () => `${call} failed`] as const
  const said = text === "" ? `${call}: ${minor}` : text
  // The library tries its cache of tickets first and reports that error, but the cause is the keytab.
  if (reason === "NoCredential" && keytab !== undefined) {
    return fail(
      server,
      reason,
      `no ticket by the keytab ${keytab}: is it there, and has it a key of the user? (${said})`
    )
  }
  return fail(server, reason, `${say(server)} (${said})`, code in explanations ? code : undefined)
}

// -----------------------------------------------------------------------------
// Kerberos
// -----------------------------------------------------------------------------

/** The cache for tickets by a keytab: separate from the user's own cache, and kept for the next logon. */
const memoryCache = (keytab: string, principal: string | undefined): string => {
  const name = createHash("sha256").update(`${keytab}\0${principal ?? ""}`).digest("hex").slice(0, 32)
  return `MEMORY:effect-smb-${name}`
}

const identityOf = (
  credential: KerberosCredential | PasswordCredential,
  options: KerberosOptions
): GssapiInitiator.Identity => {
  if (credential._tag === "Password") {
    const { domain, password, user } = credential
    // A NetBIOS name is not a realm: the library then uses its default realm.
    return { principal: domain.includes(".") ? `${user}@${domain.toUpperCase()}` : user, password }
  }
  const { principal } = credential
  const keytab = credential.keytab ?? options.keytab
  const ccache = credential.ccache ?? options.ccache
  return {
    principal,
    keytab,
    ccache: keytab !== undefined && ccache === undefined ? memoryCache(keytab, principal) : ccache
  }
}

/** Waits for: `Offer`: the server's list of mechanisms. `Exchange`: its response. `Established`: its last token. */
type State =
  | { readonly _tag: "Offer" }
  | { readonly _tag: "Exchange" | "Established"; readonly initiator: GssapiInitiator.Initiator }
  | { readonly _tag: "Over"; readonly sessionKey: Redacted.Redacted<Uint8Array> | undefined }

const decode = (server: string, input: Uint8Array): Effect.Effect<Spnego.NegToken, AuthenticationError> =>
  Effect.mapError(
    Effect.fromResult(Spnego.decode(input)),
    (error) => fail(server, "MalformedToken", error.message)
  )

const offersKerberos = (server: string, input: Uint8Array): Effect.Effect<boolean, AuthenticationError> => {
  if (input.length === 0) return Effect.succeed(true)
  return Effect.flatMap(decode(server, input), (token) => {
    if (token._tag === "NegTokenResp") {
      return Effect.fail(fail(server, "UnexpectedToken", "the server answered before it was asked"))
    }
    return Effect.succeed(
      token.mechTypes.length === 0 || token.mechTypes.some((one) => kerberosMechanisms.includes(one))
    )
  })
}

const responseOf = Effect.fnUntraced(function*(
  server: string,
  input: Uint8Array
): Effect.fn.Return<Spnego.NegTokenResp, AuthenticationError> {
  const token = yield* decode(server, input)
  if (token._tag === "NegTokenInit") {
    return yield* fail(server, "UnexpectedToken", "the server began a second logon in the middle of the first")
  }
  if (token.negState === Spnego.NegState.reject) {
    return yield* explainToken(server, token.responseToken) ??
      fail(server, "LogonRejected", "the server turned the logon down")
  }
  if (token.supportedMech !== undefined && !kerberosMechanisms.includes(token.supportedMech)) {
    return yield* fail(server, "NoCommonMechanism", `the server chose ${token.supportedMech}, which was not offered`)
  }
  return token
})

class KerberosSession implements Authenticator.AuthenticatorSession {
  readonly unauthenticated = false
  readonly #identity: GssapiInitiator.Identity
  readonly #server: string
  #state: State = { _tag: "Offer" }

  constructor(identity: GssapiInitiator.Identity, server: string) {
    this.#identity = identity
    this.#server = server
  }

  step(input: Uint8Array): Effect.Effect<{ readonly token: Uint8Array; readonly done: boolean }, AuthenticationError> {
    return Effect.suspend(() => {
      const state = this.#state
      switch (state._tag) {
        case "Offer":
          return this.#offer(input)
        case "Exchange":
        case "Established":
          return Effect.map(this.#answer(state.initiator, input), ({ requestsMic, token }) => ({
            token: Spnego.encode({
              _tag: "NegTokenResp",
              negState: Spnego.NegState.acceptIncomplete,
              responseToken: token.length === 0 ? undefined : token,
              mechListMic: requestsMic
            }),
            done: this.#state._tag === "Established"
          }))
        case "Over":
          return this.#fail("UnexpectedToken", "the server wants to go on after the last message")
      }
    })
  }

  accept(input: Uint8Array): Effect.Effect<void, AuthenticationError> {
    return Effect.gen({ self: this }, function*() {
      const state = this.#state
      if (state._tag === "Offer" || state._tag === "Over") {
        return yield* this.#fail("UnexpectedToken", "the server let in someone who did not log on yet")
      }
      const { initiator } = state
      if (input.length > 0) yield* this.#answer(initiator, input)
      // The state is `Established` when the library says that the server has proven that it can read the ticket.
      if (this.#state._tag !== "Established") {
        return yield* this.#fail("IntegrityFailure", "the server let the user in without proving who it is")
      }
      const sessionKey = yield* Effect.mapError(initiator.sessionKey, explain(this.#server))
      this.#state = { _tag: "Over", sessionKey }
      initiator.release()
      if (Redacted.value(sessionKey).length === 0) {
        return yield* this.#fail("MechanismUnavailable", "this Kerberos library does not give the session key")
      }
    })
  }

  refused(input: Uint8Array): AuthenticationError | undefined {
    const decoded = Spnego.decode(input)
    return decoded._tag === "Success" && decoded.success._tag === "NegTokenResp"
      ? explainToken(this.#server, decoded.success.responseToken)
      : explainToken(this.#server, input)
  }

  sessionKey(): Redacted.Redacted<Uint8Array> | undefined {
    return this.#state._tag === "Over" ? this.#state.sessionKey : undefined
  }

  mechanism(): string {
    return "Kerberos"
  }

  release(): void {
    if (this.#state._tag === "Exchange" || this.#state._tag === "Established") this.#state.initiator.release()
    this.#state = { _tag: "Over", sessionKey: undefined }
  }

  #fail(reason: AuthenticationReason["_tag"], detail: string): Effect.Effect<never, AuthenticationError> {
    return Effect.fail(fail(this.#server, reason, detail))
  }

  #offer(input: Uint8Array) {
    return Effect.gen({ self: this }, function*() {
      if (!(yield* offersKerberos(this.#server, input))) {
        return yield* this.#fail("NoCommonMechanism", "the server does not offer Kerberos; it may be in no domain")
      }
      const library = yield* Effect.mapError(Gssapi.load, explain(this.#server))
      const initiator = new GssapiInitiator.Initiator(library)
      this.#state = { _tag: "Exchange", initiator }
      const { token } = yield* Effect.mapError(
        Effect.andThen(initiator.acquire(this.#identity), initiator.step(this.#server, undefined)),
        explain(this.#server, this.#identity.keytab)
      )
      return {
        token: Spnego.encode({ _tag: "NegTokenInit", mechTypes: kerberosMechanisms, mechToken: token }),
        done: false
      }
    })
  }

  #answer(initiator: GssapiInitiator.Initiator, input: Uint8Array) {
    return Effect.gen({ self: this }, function*() {
      const { mechListMic, negState, responseToken } = yield* responseOf(this.#server, input)
      let token: Uint8Array = new Uint8Array(0)
      if (this.#state._tag === "Exchange") {
        if (responseToken === undefined) {
          return yield* this.#fail("IntegrityFailure", "the server did not prove who it is")
        }
        const next = yield* Effect.mapError(
          // After this call, the owner of the token's buffer can use it again.
          initiator.step(this.#server, Uint8Array.from(responseToken)),
          explain(this.#server)
        )
        token = next.token
        if (next.complete) this.#state = { _tag: "Established", initiator }
      }
      const established = this.#state._tag === "Established"
      if (mechListMic !== undefined) {
        // Without a key, the MIC cannot be checked, so it is refused.
        if (!established) return yield* this.#fail("IntegrityFailure", "the list of mechanisms is signed too early")
        yield* Effect.mapError(
          initiator.verify(mechTypeList, Uint8Array.from(mechListMic)),
          () => fail(this.#server, "IntegrityFailure", "the list of mechanisms was changed on the way")
        )
      }
      // Sent only if the server asks: it took the client's first choice, so no list can have been changed (RFC 4178 5).
      const wanted = established && negState !== undefined && negState !== Spnego.NegState.acceptCompleted
      const requestsMic = wanted
        ? yield* Effect.mapError(initiator.sign(mechTypeList), explain(this.#server))
        : undefined
      return { token, requestsMic }
    })
  }
}

const begin = (
  credential: KerberosCredential | PasswordCredential,
  target: Authenticator.Target,
  options: KerberosOptions
) =>
  Effect.acquireRelease(
    Effect.sync(() => new KerberosSession(identityOf(credential, options), target.server)),
    (session) => Effect.sync(() => session.release())
  )

/**
 * The authenticator with Kerberos only. It takes a Kerberos credential, or a user with a password. The realm is then
 * the domain if that has a dot, and otherwise the default realm of krb5.conf.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: KerberosOptions = {}): Authenticator.Authenticator["Service"] => ({
  make: (credential, target) =>
    credential._tag === "Kerberos" || (credential._tag === "Password" && credential.user !== "")
      ? begin(credential, target, options)
      : Effect.fail(
        fail(target.server, "InvalidCredential", "Kerberos takes a ticket, a keytab, or a user with a password")
      )
})

// -----------------------------------------------------------------------------
// Kerberos or NTLM
// -----------------------------------------------------------------------------

/** The credential to try by Kerberos: an address has no service, and a user without a DNS domain has no realm. */
const forKerberos = (
  credential: Credential,
  server: string,
  strict: boolean
): KerberosCredential | PasswordCredential | undefined => {
  if (credential._tag === "Kerberos") return credential
  if (credential._tag !== "Password" || credential.user === "") return undefined
  return strict || (credential.domain.includes(".") && isIP(server) === 0) ? credential : undefined
}

const forNtlm = (credential: Credential): Exclude<Credential, KerberosCredential> | undefined =>
  credential._tag === "Kerberos" ? credential.fallback as NtHashCredential | PasswordCredential | undefined : credential

/**
 * The authenticator that uses Kerberos if server, domain and credential allow it, and otherwise NTLM, unless that is
 * forbidden. After the client has sent a ticket, it does not go back to NTLM. It does not use NTLM either after the
 * domain has refused the password, because a second attempt would count against the account too.
 *
 * A Kerberos credential is used by NTLM only with its `fallback`. A password is used by Kerberos only if the domain has
 * a dot and the server has a name, not an address.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeNegotiate = (options: NegotiateOptions = {}): Authenticator.Authenticator["Service"] => {
  const ntlm = Authenticator.makeNtlm(options)
  const forbidden = options.ntlm === "forbidden"
  return {
    make: Effect.fnUntraced(function*(credential, target) {
      const first = forKerberos(credential, target.server, forbidden)
      const second = forbidden ? undefined : forNtlm(credential)
      const kerberos = first === undefined ? undefined : yield* begin(first, target, options)
      const fallback = second === undefined ? undefined : yield* ntlm.make(second, target)
      if (kerberos === undefined) {
        return fallback ??
          (yield* fail(target.server, "InvalidCredential", "Kerberos takes no such credential, and NTLM is forbidden"))
      }
      if (fallback === undefined) return kerberos
      let chosen: Authenticator.AuthenticatorSession | undefined
      const choose = (session: Authenticator.AuthenticatorSession) => {
        chosen = session
        return session
      }
      const start = (input: Uint8Array) =>
        Effect.flatMap(offersKerberos(target.server, input), (offered) =>
          offered
            ? kerberos.step(input).pipe(
              Effect.tap(() => Effect.sync(() => choose(kerberos))),
              Effect.catch((error) =>
                // NTLM would only let the domain count the same wrong password a second time.
                error.code === KDC_ERR_PREAUTH_FAILED ? Effect.fail(error) : Effect.andThen(
                  Effect.logDebug(`${error.message}; going on by NTLM`),
                  Effect.suspend(() => choose(fallback).step(input))
                )
              )
            )
            : choose(fallback).step(input))
      return {
        unauthenticated: fallback.unauthenticated,
        step: (input) => Effect.suspend(() => chosen === undefined ? start(input) : chosen.step(input)),
        accept: (input) => Effect.suspend(() => (chosen ?? fallback).accept(input)),
        refused: (input) => chosen?.refused?.(input),
        sessionKey: () => chosen?.sessionKey(),
        mechanism: () => chosen?.mechanism?.(),
        announced: () => chosen?.announced?.()
      } satisfies Authenticator.AuthenticatorSession
    })
  }
}

// -----------------------------------------------------------------------------
// layers
// -----------------------------------------------------------------------------

/**
 * Kerberos only.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: KerberosOptions = {}): Layer.Layer<Authenticator.Authenticator> =>
  Layer.sync(Authenticator.Authenticator, () => Authenticator.Authenticator.of(make(options)))

/**
 * Kerberos, and NTLM if Kerberos is not possible, unless forbidden.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNegotiate = (options: NegotiateOptions = {}): Layer.Layer<Authenticator.Authenticator> =>
  Layer.effect(
    Authenticator.Authenticator,
    Effect.map(
      Authenticator.ntlmOptions,
      (usual) =>
        Authenticator.Authenticator.of(makeNegotiate({
          ...options,
          workstation: options.workstation ?? usual.workstation,
          random: options.random ?? usual.random,
          now: options.now ?? usual.now
        }))
    )
  )
