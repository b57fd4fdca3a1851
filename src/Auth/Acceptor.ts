/**
 * The server's side of a logon: how a server handles a client's tokens. Kerberos (if the server has keys) or NTLM
 * inside SPNEGO; NTLM alone for clients without SPNEGO.
 *
 * The caller of this module decides which users exist, and whether anonymous users or guests may log on.
 */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { randomBytes } from "node:crypto"
import { AuthenticationError, type AuthenticationReason } from "./AuthenticationError.ts"
import * as Authenticator from "./Authenticator.ts"
import type * as KerberosKeys from "./KerberosKeys.ts"
import * as Ntlm from "./Ntlm.ts"
import * as NtlmMessage from "./NtlmMessage.ts"
import * as Spnego from "./Spnego.ts"

/**
 * The identity that the client claims, for `AcceptorOptions.lookup`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Caller {
  readonly user: string
  /** The client's NetBIOS name of the domain, or the proven realm of a ticket. */
  readonly domain: string
  readonly workstation: string
  readonly anonymous: boolean
}

/**
 * An account of the caller of this module: a user with the NT hash, which only NTLM needs, or a guest, whose proof is
 * not checked.
 *
 * @category models
 * @since 0.1.0
 */
export type Account =
  | { readonly _tag: "User"; readonly ntHash: Redacted.Redacted<Uint8Array> | undefined }
  | { readonly _tag: "Guest" }

/**
 * The names of the accepting side, and its accounts.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptorOptions {
  /** NetBIOS name of the server, up to 15 characters. */
  readonly computerName: string
  /** NetBIOS name of its domain. Default: `computerName`. */
  readonly domainName?: string | undefined
  readonly dnsComputerName?: string | undefined
  readonly dnsDomainName?: string | undefined
  /**
   * The account of a caller; `undefined` if it does not exist. Also called for anonymous callers: guest or `undefined`.
   */
  readonly lookup: (caller: Caller) => Effect.Effect<Account | undefined, AuthenticationError>
  /**
   * Runs after `lookup`, with or without an account, and before a password's proof is checked: it can delay or refuse a
   * client that guesses passwords. It does not run for guests, anonymous callers or callers with a ticket.
   */
  readonly turn?: ((caller: Caller) => Effect.Effect<void, AuthenticationError>) | undefined
  /** With these keys, clients can log on by Kerberos. */
  readonly kerberos?: KerberosKeys.KerberosKeys | undefined
  /** The source of random bytes. Default: node:crypto. */
  readonly random?: ((length: number) => Uint8Array) | undefined
}

/**
 * The server's response to a token.
 *
 * @category models
 * @since 0.1.0
 */
export type AcceptorStep =
  /**
   * STATUS_MORE_PROCESSING_REQUIRED. With `refused` the client's proof was refused, and the token tells the client why:
   * it can retry once in the same logon, as Windows does when the clocks differ.
   */
  | { readonly _tag: "Continue"; readonly token: Uint8Array; readonly refused?: AuthenticationError | undefined }
  /** Success. Guests and anonymous callers have no session key. */
  | {
    readonly _tag: "Accepted"
    readonly token: Uint8Array
    readonly caller: Caller
    readonly guest: boolean
    readonly sessionKey: Redacted.Redacted<Uint8Array> | undefined
  }

/**
 * One logon. It cannot be used again after it was accepted or has failed.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptorSession {
  readonly step: (token: Uint8Array) => Effect.Effect<AcceptorStep, AuthenticationError>
  /** Frees an unfinished logon, even while a step is under way. */
  readonly release: () => void
}

const kerberosMechanisms: ReadonlyArray<string> = [Spnego.Mechanism.msKerberos, Spnego.Mechanism.kerberos]

/**
 * The security buffer of a NEGOTIATE response: it always offers NTLM, and Kerberos if the server has keys.
 *
 * @category tokens
 * @since 0.1.0
 */
export const offer = (kerberos = false): Uint8Array =>
  Spnego.encode({
    _tag: "NegTokenInit",
    mechTypes: [...kerberos ? kerberosMechanisms : [], Spnego.Mechanism.ntlmssp],
    hintName: "not_defined_in_RFC4178@please_ignore"
  })

const fail = (reason: AuthenticationReason["_tag"], detail: string): AuthenticationError =>
  new AuthenticationError({ reason: { _tag: reason }, detail, mechanism: "NTLM" })

const changed = fail("IntegrityFailure", "the list of mechanisms was changed on the way")

/** A logon by Kerberos that is under way. */
interface ByKerberos {
  readonly exchange: KerberosKeys.Exchange
  /** Whether it is the second attempt. */
  readonly again: boolean
  readonly mechTypes: ReadonlyArray<string>
  readonly mustProve: boolean
  /** The MIC over the list that the client sent before there was a key to check it. */
  readonly mechListMic: Uint8Array | undefined
}

/** `mechTypes` is `undefined` for a client without SPNEGO; `mustProve` if the mechanism was not its first choice. */
type State =
  | { readonly _tag: "First" }
  | { readonly _tag: "Negotiate"; readonly mechTypes: ReadonlyArray<string>; readonly mustProve: boolean }
  | ByKerberos & { readonly _tag: "Kerberos" }
  | ByKerberos & { readonly _tag: "Proof"; readonly accepted: Extract<AcceptorStep, { readonly _tag: "Accepted" }> }
  | {
    readonly _tag: "Authenticate"
    readonly mechTypes: ReadonlyArray<string> | undefined
    readonly mustProve: boolean
    readonly challenged: Ntlm.Challenged
  }
  | { readonly _tag: "Over" }

/**
 * Starts to accept one logon.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: AcceptorOptions): AcceptorSession => {
  const random = options.random ?? ((length) => Uint8Array.from(randomBytes(length)))
  let state: State = { _tag: "First" }
  let released = false

  /** Continues with Kerberos at the next token, unless the logon was released. */
  const goOn = (next: Extract<State, { readonly exchange: unknown }>): void => {
    if (released) next.exchange.release()
    else state = next
  }

  const challenge = (
    message: Uint8Array,
    mechTypes: ReadonlyArray<string> | undefined,
    mustProve: boolean,
    time: bigint
  ): Result.Result<AcceptorStep, AuthenticationError> =>
    Result.map(
      Ntlm.challenge({
        computerName: options.computerName,
        domainName: options.domainName ?? options.computerName,
        dnsComputerName: options.dnsComputerName ?? options.computerName.toLowerCase(),
        dnsDomainName: options.dnsDomainName ?? "",
        serverChallenge: random(8),
        time
      }, Uint8Array.from(message)),
      (challenged) => {
        state = { _tag: "Authenticate", mechTypes, mustProve, challenged: challenged.state }
        return {
          _tag: "Continue",
          token: mechTypes === undefined ? challenged.message : Spnego.encode({
            _tag: "NegTokenResp",
            negState: Spnego.NegState.acceptIncomplete,
            supportedMech: Spnego.Mechanism.ntlmssp,
            responseToken: challenged.message
          })
        }
      }
    )

  const first = Effect.fnUntraced(function*(input: Uint8Array): Effect.fn.Return<AcceptorStep, AuthenticationError> {
    const time = yield* Authenticator.now
    if (NtlmMessage.isNtlm(input)) return yield* Effect.fromResult(challenge(input, undefined, false, time))
    const token = yield* Effect.fromResult(decode(input))
    if (token._tag === "NegTokenResp") return yield* fail("UnexpectedToken", "the client began in the middle")
    const { mechListMic, mechToken, mechTypes } = token
    const place = mechTypes.findIndex((one) =>
      one === Spnego.Mechanism.ntlmssp || options.kerberos !== undefined && kerberosMechanisms.includes(one)
    )
    const chosen = mechTypes[place]
    if (chosen === undefined) return yield* fail("NoCommonMechanism", "the client does not offer NTLM")
    const mustProve = place > 0
    const isNtlm = chosen === Spnego.Mechanism.ntlmssp
    // NTLM has no key yet to make a MIC with. A MIC of another mechanism than the chosen one is ignored.
    if (isNtlm && !mustProve && mechListMic !== undefined) return yield* changed
    const by: ByKerberos | undefined = isNtlm
      ? undefined
      : { exchange: options.kerberos!.begin(), again: false, mechTypes, mustProve, mechListMic: undefined }
    if (!mustProve && mechToken !== undefined) {
      return by === undefined
        ? yield* Effect.fromResult(challenge(mechToken, mechTypes, false, time))
        : yield* ticket(by, mechToken, mechListMic, chosen)
    }
    // The token, if any, is for a mechanism that the server does not have. The client starts again with the chosen one,
    // and proves by a MIC that its list was not changed on the way.
    if (by === undefined) state = { _tag: "Negotiate", mechTypes, mustProve }
    else goOn({ _tag: "Kerberos", ...by })
    return {
      _tag: "Continue",
      token: Spnego.encode({
        _tag: "NegTokenResp",
        negState: mustProve ? Spnego.NegState.requestMic : Spnego.NegState.acceptIncomplete,
        supportedMech: chosen
      })
    }
  })

  /** Handles a Kerberos token. The first response has `chosen`. */
  const ticket = (
    by: ByKerberos,
    token: Uint8Array,
    mic: Uint8Array | undefined,
    chosen?: string
  ): Effect.Effect<AcceptorStep, AuthenticationError> => {
    const { exchange, mechTypes, mustProve } = by
    const mechListMic = mic ?? by.mechListMic
    return Effect.gen(function*() {
      const { proven, refused, token: responseToken } = yield* exchange.step(token)
      const answer = (negState: number, own?: Uint8Array): Uint8Array =>
        Spnego.encode({ _tag: "NegTokenResp", negState, supportedMech: chosen, responseToken, mechListMic: own })
      if (refused !== undefined) {
        if (by.again) return yield* refused
        exchange.release()
        // A client does not read the token of a response with another status (MS-SMB2 3.2.5.3.1).
        goOn({ ...by, _tag: "Kerberos", exchange: options.kerberos!.begin(), again: true, mechListMic: undefined })
        return { _tag: "Continue", token: answer(Spnego.NegState.acceptIncomplete), refused } satisfies AcceptorStep
      }
      if (proven === undefined) {
        // After this call, the owner of the token's buffer can use it again.
        goOn({ ...by, _tag: "Kerberos", mechListMic: mechListMic && Uint8Array.from(mechListMic) })
        return { _tag: "Continue", token: answer(Spnego.NegState.acceptIncomplete) } satisfies AcceptorStep
      }
      const { name, realm, sessionKey } = proven
      const caller: Caller = { user: name, domain: realm, workstation: "", anonymous: false }
      const account = yield* options.lookup(caller)
      if (account === undefined) {
        return yield* new AuthenticationError({
          reason: { _tag: "LogonRejected" },
          detail: `no user here stands for ${name}@${realm}`,
          mechanism: "Kerberos"
        })
      }
      const guest = account._tag === "Guest"
      const list = Spnego.mechTypeList(mechTypes)
      if (mechListMic !== undefined) yield* exchange.verify(list, mechListMic)
      // A client that proves the list gets the same proof from the server (RFC 4178 5).
      const own = mustProve || mechListMic !== undefined ? yield* exchange.sign(list) : undefined
      const accepted = {
        _tag: "Accepted" as const,
        token: answer(Spnego.NegState.acceptCompleted, own),
        caller,
        guest,
        sessionKey: guest ? undefined : sessionKey
      }
      if (mustProve && mechListMic === undefined) {
        goOn({ ...by, _tag: "Proof", accepted })
        return { _tag: "Continue", token: answer(Spnego.NegState.acceptIncomplete, own) } satisfies AcceptorStep
      }
      exchange.release()
      return accepted
    }).pipe(Effect.onError(() => Effect.sync(() => exchange.release())))
  }

  /** Checks the client's MIC over its list of mechanisms. */
  const proof = Effect.fnUntraced(function*(
    { accepted, exchange, mechTypes }: Extract<State, { readonly _tag: "Proof" }>,
    input: Uint8Array
  ): Effect.fn.Return<AcceptorStep, AuthenticationError> {
    const token = yield* Effect.fromResult(decode(input))
    if (token._tag === "NegTokenInit" || token.mechListMic === undefined) {
      return yield* fail("IntegrityFailure", "the client does not prove which mechanisms it had offered")
    }
    yield* exchange.verify(Spnego.mechTypeList(mechTypes), token.mechListMic)
    return {
      ...accepted,
      token: Spnego.encode({ _tag: "NegTokenResp", negState: Spnego.NegState.acceptCompleted })
    }
  })

  const verify = (
    at: Extract<State, { readonly _tag: "Authenticate" }>,
    claim: Ntlm.Claim,
    mechListMic: Uint8Array | undefined,
    account: Account | undefined
  ): Result.Result<AcceptorStep, AuthenticationError> => {
    const { anonymous, domain, user, workstation } = claim
    const caller: Caller = { user, domain, workstation, anonymous }
    const accepted = (
      sessionKey: Redacted.Redacted<Uint8Array> | undefined,
      mic: Uint8Array | undefined
    ): AcceptorStep => ({
      _tag: "Accepted",
      token: at.mechTypes === undefined ? new Uint8Array(0) : Spnego.encode({
        _tag: "NegTokenResp",
        negState: Spnego.NegState.acceptCompleted,
        mechListMic: mic
      }),
      caller,
      guest: account?._tag === "Guest",
      sessionKey
    })
    if (account?._tag === "Guest") return Result.succeed(accepted(undefined, undefined))
    if (anonymous) {
      return Result.fail(fail("LogonRejected", "anonymous logons are not let in; give a user and a password"))
    }
    return Result.flatMap(Ntlm.verify(at.challenged, claim, account?.ntHash), (context) => {
      if (at.mechTypes === undefined) return Result.succeed(accepted(context.sessionKey, undefined))
      const list = Spnego.mechTypeList(at.mechTypes)
      if (mechListMic === undefined ? at.mustProve : !context.verify(list, mechListMic)) {
        return Result.fail(changed)
      }
      return Result.succeed(
        accepted(context.sessionKey, mechListMic === undefined ? undefined : context.sign(list))
      )
    })
  }

  const last = Effect.fnUntraced(function*(
    at: Extract<State, { readonly _tag: "Authenticate" }>,
    input: Uint8Array
  ) {
    const response = at.mechTypes === undefined
      ? { responseToken: input, mechListMic: undefined }
      : yield* Effect.fromResult(responseOf(input))
    const claim = yield* Effect.fromResult(Ntlm.claim(Uint8Array.from(response.responseToken)))
    const { anonymous, domain, user, workstation } = claim
    const caller: Caller = { user, domain, workstation, anonymous }
    const account = yield* options.lookup(caller)
    if (options.turn !== undefined && !anonymous && account?._tag !== "Guest") yield* options.turn(caller)
    return yield* Effect.fromResult(verify(at, claim, response.mechListMic, account))
  })

  return {
    step: Effect.fnUntraced(function*(input) {
      const at = state
      state = { _tag: "Over" }
      switch (at._tag) {
        case "First":
          return yield* first(input)
        case "Kerberos": {
          return yield* Effect.fromResult(responseOf(input)).pipe(
            Effect.onError(() => Effect.sync(() => at.exchange.release())),
            Effect.flatMap(({ mechListMic, responseToken }) => ticket(at, responseToken, mechListMic))
          )
        }
        case "Proof":
          return yield* Effect.ensuring(proof(at, input), Effect.sync(() => at.exchange.release()))
        case "Negotiate": {
          const { responseToken } = yield* Effect.fromResult(responseOf(input))
          return yield* Effect.fromResult(
            challenge(responseToken, at.mechTypes, at.mustProve, yield* Authenticator.now)
          )
        }
        case "Authenticate":
          return yield* last(at, input)
        case "Over":
          return yield* fail("UnexpectedToken", "the logon is over; the client must begin a new one")
      }
    }),
    release: () => {
      released = true
      if (state._tag === "Kerberos" || state._tag === "Proof") state.exchange.release()
      state = { _tag: "Over" }
    }
  }
}

const decode = (token: Uint8Array): Result.Result<Spnego.NegToken, AuthenticationError> =>
  Result.mapError(Spnego.decode(token), (error) => fail("MalformedToken", error.message))

const responseOf = (
  input: Uint8Array
): Result.Result<
  { readonly responseToken: Uint8Array; readonly mechListMic: Uint8Array | undefined },
  AuthenticationError
> =>
  Result.flatMap(decode(input), (token) =>
    token._tag === "NegTokenResp" && token.responseToken !== undefined
      ? Result.succeed({ responseToken: token.responseToken, mechListMic: token.mechListMic })
      : Result.fail(fail("UnexpectedToken", "the client's token has no message in it")))
