/**
 * The client's side of a logon, for a session setup: tokens from the server go in, tokens for the server come out, and
 * at the end there is a session key. The service hides the mechanism: another mechanism is another layer.
 *
 * `layerNtlm` is NTLM inside SPNEGO; `Kerberos` has the layers with Kerberos. The caller handles sockets, retries and
 * the rights of guests.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { hostname } from "node:os"
import * as Md5 from "../Codec/Md5.ts"
import { NtStatus } from "../Codec/NtStatusCode.ts"
import { AuthenticationError, type AuthenticationReason } from "./AuthenticationError.ts"
import type { Credential } from "./Credentials.ts"
import * as Entropy from "./Entropy.ts"
import * as NtlmClient from "./NtlmClient.ts"
import type { NtlmContext } from "./NtlmContext.ts"
import * as NtlmCrypto from "./NtlmCrypto.ts"
import * as Spnego from "./Spnego.ts"

/**
 * One logon on one session. It cannot be used twice, or by two fibers.
 *
 * @category models
 * @since 0.1.0
 */
export interface AuthenticatorSession {
  /** Whether the credential is anonymous or a guest: then a session without a key is expected. */
  readonly unauthenticated: boolean
  /**
   * Takes the server's token and returns the next one for the server. The first call takes the security buffer of the
   * NEGOTIATE response, which may be empty; each later call takes that of a SESSION_SETUP response with
   * STATUS_MORE_PROCESSING_REQUIRED. `done` says that the server needs no further token.
   */
  readonly step: (
    input: Uint8Array
  ) => Effect.Effect<{ readonly token: Uint8Array; readonly done: boolean }, AuthenticationError>
  /**
   * Takes the security buffer of the successful SESSION_SETUP response, and checks the server's proof, if any. A
   * session that the server flags as guest or anonymous needs no proof.
   */
  readonly accept: (input: Uint8Array) => Effect.Effect<void, AuthenticationError>
  /**
   * The mechanism's error in the security buffer of a failed SESSION_SETUP response, if any. It is not authenticated:
   * it may not come from the server.
   */
  readonly refused?: (input: Uint8Array) => AuthenticationError | undefined
  /**
   * The key of the session (16 bytes with NTLM), after `done`; `undefined` for an anonymous logon. A server that
   * accepted a user as a guest does not have the key: the caller must not sign or encrypt such a session.
   */
  readonly sessionKey: () => Redacted.Redacted<Uint8Array> | undefined
  /** The mechanism that was used, after `done`: `NTLM` or `Kerberos`. */
  readonly mechanism?: () => string | undefined
  /** What the server said about itself, after `done`. Only NTLM has it. */
  readonly announced?: () => NtlmClient.Announced | undefined
}

/** Reasons that say more than the server's status, and that the user must act on. */
const clear: ReadonlySet<AuthenticationReason["_tag"]> = new Set<AuthenticationReason["_tag"]>([
  "ClockSkew",
  "NoCredential"
])

/** Statuses of servers that refuse guests. */
const noGuests: ReadonlySet<number> = new Set([
  NtStatus.STATUS_LOGON_FAILURE,
  NtStatus.STATUS_ACCOUNT_DISABLED,
  NtStatus.STATUS_NO_SUCH_USER,
  NtStatus.STATUS_ACCESS_DENIED
])

/**
 * More about a logon that the server has refused with `status`: an `error` to report instead, a `detail` to add, or the
 * reason for it (`because`). `input` is the security buffer of the response, if any.
 *
 * @since 0.1.0
 */
export const refusal = (
  logon: AuthenticatorSession | undefined,
  { input, server, status }: {
    readonly input?: Uint8Array | undefined
    readonly server: string
    readonly status: number
  }
): {
  readonly error?: AuthenticationError | undefined
  readonly detail?: string | undefined
  readonly because?: string | undefined
} => {
  if (status === NtStatus.STATUS_TIME_DIFFERENCE_AT_DC) {
    const detail =
      "the clocks are too far apart, as the domain controller says; set the clock of this machine, and look " +
      "at that of the server"
    return { error: new AuthenticationError({ reason: { _tag: "ClockSkew" }, detail, server }) }
  }
  if (logon?.unauthenticated === true && noGuests.has(status)) {
    return { because: "The server accepts no guests. Log on with a user and a password." }
  }
  const said = input === undefined || input.length === 0 ? undefined : logon?.refused?.(input)
  if (said === undefined) return {}
  return clear.has(said.reason._tag) ? { error: said } : { detail: said.detail }
}

/**
 * The server to log on to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  /** The server's name as the caller gave it: with the service it makes the principal name `cifs/server`. */
  readonly server: string
}

/**
 * Makes logons.
 *
 * @category services
 * @since 0.1.0
 */
export class Authenticator extends Context.Service<Authenticator, {
  /**
   * Starts a logon. Fails with `InvalidCredential` if the mechanism cannot use the credential. The system resources of
   * the logon are freed with the scope, or earlier.
   */
  readonly make: (
    credential: Credential,
    target: Target
  ) => Effect.Effect<AuthenticatorSession, AuthenticationError, Scope.Scope>
}>()("effect-smb/Auth/Authenticator") {}

/**
 * Settings of `makeNtlm`.
 *
 * @category models
 * @since 0.1.0
 */
export interface NtlmOptions {
  /** The name of this machine that servers see. Default: the host's name. */
  readonly workstation?: string | undefined
  /** The source of random bytes. Default: node:crypto. */
  readonly random?: Entropy.Source["bytes"] | undefined
  /** The current time in 100 ns ticks since 1601, for servers that send no time. Default: Effect's Clock. */
  readonly now?: Effect.Effect<bigint> | undefined
}

/**
 * The name and time of this machine in a logon, instead of the real ones: for tests that need the same bytes in each
 * run.
 *
 * @category settings
 * @since 0.1.0
 */
export const Workstation: Context.Reference<Pick<NtlmOptions, "workstation" | "now">> = Context.Reference(
  "effect-smb/Auth/Workstation",
  { defaultValue: () => ({}) }
)

/** 1970 in 100 ns ticks since 1601. */
const unixEpoch = 116_444_736_000_000_000n

/**
 * The current time in 100 ns ticks since 1601.
 *
 * @since 0.1.0
 */
export const now: Effect.Effect<bigint> = Effect.map(
  Clock.currentTimeMillis,
  (millis) => BigInt(Math.trunc(millis)) * 10_000n + unixEpoch
)

const fail = (target: Target, reason: AuthenticationReason["_tag"], detail: string): AuthenticationError =>
  new AuthenticationError({ reason: { _tag: reason }, detail, mechanism: "NTLM", server: target.server })

const named = (target: Target) => (error: AuthenticationError): AuthenticationError =>
  fail(target, error.reason._tag, error.detail)

const identityOf = (
  credential: Credential,
  target: Target
): Result.Result<NtlmClient.NtlmIdentity, AuthenticationError> => {
  if (credential._tag === "Anonymous") return Result.succeed({ _tag: "Anonymous" })
  if (credential._tag === "Kerberos") {
    const detail = "a ticket is of no use to NTLM; use Kerberos.layer or Kerberos.layerNegotiate, or give a password"
    return Result.fail(fail(target, "InvalidCredential", detail))
  }
  if (!Md5.available()) {
    const detail = "this Node has no MD5, which NTLM is made of: it runs in FIPS mode; log on by Kerberos"
    return Result.fail(fail(target, "MechanismUnavailable", detail))
  }
  const { domain, user } = credential
  if (user === "") {
    const detail = "the user name is empty; use Credentials.anonymous to log on without a user"
    return Result.fail(fail(target, "InvalidCredential", detail))
  }
  const ntHash = credential._tag === "NtHash"
    ? credential.ntHash
    : Redacted.make<Uint8Array>(NtlmCrypto.ntHash(Redacted.value(credential.password)), { label: "NT hash" })
  return Redacted.value(ntHash).length === 16
    ? Result.succeed({ _tag: "User", user, domain, ntHash })
    : Result.fail(fail(target, "InvalidCredential", "an NT hash has 16 bytes"))
}

const decode = (target: Target, token: Uint8Array): Result.Result<Spnego.NegToken, AuthenticationError> =>
  Result.mapError(Spnego.decode(token), (error) => fail(target, "MalformedToken", error.message))

const mechTypes = [Spnego.Mechanism.ntlmssp]
const mechTypeList = Spnego.mechTypeList(mechTypes)

/**
 * The next token of the server that a session waits for. `Negotiate`: its offer. `Challenge`: its challenge to the
 * message that was sent. `Final`: its decision.
 */
type State =
  | { readonly _tag: "Negotiate" }
  | { readonly _tag: "Challenge"; readonly negotiate: Uint8Array }
  | { readonly _tag: "Final"; readonly context: NtlmContext; readonly announced: NtlmClient.Announced }

const responseOf = (
  target: Target,
  input: Uint8Array
): Result.Result<Spnego.NegTokenResp, AuthenticationError> =>
  Result.flatMap(decode(target, input), (token) => {
    if (token._tag === "NegTokenInit") {
      return Result.fail(fail(target, "UnexpectedToken", "the server began a second logon in the middle of the first"))
    }
    if (token.negState === Spnego.NegState.reject) {
      return Result.fail(fail(target, "LogonRejected", "the server turned the logon down"))
    }
    return token.supportedMech === undefined || token.supportedMech === Spnego.Mechanism.ntlmssp
      ? Result.succeed(token)
      : Result.fail(fail(target, "NoCommonMechanism", `the server chose ${token.supportedMech}, which was not offered`))
  })

/**
 * The authenticator with NTLM (version 2) inside SPNEGO.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeNtlm = (options: NtlmOptions = {}): Authenticator["Service"] => {
  const random = options.random ?? Entropy.system.bytes
  const workstation = (options.workstation ?? hostname().split(".")[0]!.toUpperCase()).slice(0, 15)

  const session = (identity: NtlmClient.NtlmIdentity, target: Target): AuthenticatorSession => {
    let state: State = { _tag: "Negotiate" }

    const offer = (input: Uint8Array) => {
      if (input.length > 0) {
        const decoded = decode(target, input)
        if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
        const token = decoded.success
        if (token._tag === "NegTokenResp") {
          return Result.fail(fail(target, "UnexpectedToken", "the server answered before it was asked"))
        }
        if (token.mechTypes.length > 0 && !token.mechTypes.includes(Spnego.Mechanism.ntlmssp)) {
          return Result.fail(fail(
            target,
            "NoCommonMechanism",
            "the server does not offer NTLM; use Kerberos, or allow NTLM on the server"
          ))
        }
      }
      const negotiate = NtlmClient.negotiate()
      state = { _tag: "Challenge", negotiate }
      return Result.succeed({
        token: Spnego.encode({ _tag: "NegTokenInit", mechTypes, mechToken: negotiate }),
        done: false
      })
    }

    const answer = (negotiate: Uint8Array, input: Uint8Array, time: bigint) =>
      Result.flatMap(responseOf(target, input), ({ responseToken }) => {
        if (responseToken === undefined) {
          return Result.fail(fail(target, "UnexpectedToken", "the server sent no NTLM challenge"))
        }
        // After this call, the owner of the token's buffer can use it again.
        const challenge = Uint8Array.from(responseToken)
        const authenticated = NtlmClient.authenticate(
          {
            identity,
            targetName: `cifs/${target.server}`,
            workstation,
            clientChallenge: random(8, `NTLM challenge for ${target.server}`),
            randomSessionKey: random(16, `NTLM key for ${target.server}`),
            time
          },
          negotiate,
          challenge
        )
        if (Result.isFailure(authenticated)) return Result.fail(named(target)(authenticated.failure))
        const { announced, context, message } = authenticated.success
        state = { _tag: "Final", context, announced }
        return Result.succeed({
          token: Spnego.encode({
            _tag: "NegTokenResp",
            negState: Spnego.NegState.acceptIncomplete,
            responseToken: message,
            mechListMic: context.sign(mechTypeList)
          }),
          done: true
        })
      })

    return {
      unauthenticated: identity._tag === "Anonymous" || identity.user.toLowerCase() === "guest",
      step: Effect.fnUntraced(function*(input) {
        switch (state._tag) {
          case "Negotiate":
            return yield* Effect.fromResult(offer(input))
          case "Challenge":
            return yield* Effect.fromResult(answer(state.negotiate, input, yield* options.now ?? now))
          case "Final":
            return yield* fail(target, "UnexpectedToken", "the server wants to go on after the last message")
        }
      }),
      accept: (input) =>
        Effect.suspend(() => {
          if (state._tag !== "Final") {
            return Effect.fail(fail(target, "UnexpectedToken", "the server let in someone who did not log on yet"))
          }
          if (input.length === 0) return Effect.void
          const { context } = state
          return Effect.fromResult(Result.flatMap(responseOf(target, input), ({ mechListMic }) =>
            mechListMic === undefined || context.sessionKey === undefined ||
              context.verify(mechTypeList, mechListMic)
              ? Result.succeed(undefined)
              : Result.fail(fail(
                target,
                "IntegrityFailure",
                "the server could not prove that it knows the session key; someone may be in between"
              ))))
        }),
      sessionKey: () => state._tag === "Final" ? state.context.sessionKey : undefined,
      mechanism: () => "NTLM",
      announced: () => state._tag === "Final" ? state.announced : undefined
    }
  }

  return {
    make: (credential, target) =>
      Effect.map(Effect.fromResult(identityOf(credential, target)), (identity) => session(identity, target))
  }
}

/**
 * NTLM with the random bytes of `Entropy` and the name and time of `Workstation`.
 *
 * @category settings
 * @since 0.1.0
 */
export const ntlmOptions: Effect.Effect<NtlmOptions> = Effect.gen(function*() {
  return { ...(yield* Workstation), random: (yield* Entropy.Entropy).bytes }
})

/**
 * NTLM inside SPNEGO. Default: the host's name and node:crypto's random bytes; `Entropy` and `Workstation` change them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNtlm: Layer.Layer<Authenticator> = Layer.effect(
  Authenticator,
  Effect.map(ntlmOptions, (options) => Authenticator.of(makeNtlm(options)))
)
