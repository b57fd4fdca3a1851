/**
 * The other side of a logon: what a server does with a client's tokens. Kerberos, where the server has keys, or NTLM
 * inside SPNEGO; NTLM by itself from clients that do without SPNEGO.
 *
 * Who exists, and whether nobody or a guest may come in, is asked of the caller.
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
 * Who the client says it is, for `AcceptorOptions.lookup`.
 *
 * @category models
 */
export interface Caller {
  readonly user: string
  /** A NetBIOS name as the client says it, or a realm that was proven. */
  readonly domain: string
  readonly workstation: string
  readonly anonymous: boolean
}

/**
 * What the caller of this module knows of a user: the NT hash, which only NTLM needs, or that they come in as guest
 * whatever they prove.
 *
 * @category models
 */
export type Account =
  | { readonly _tag: "User"; readonly ntHash: Redacted.Redacted<Uint8Array> | undefined }
  | { readonly _tag: "Guest" }

/**
 * What the accepting side tells about itself, and whom it knows.
 *
 * @category models
 */
export interface AcceptorOptions {
  /** NetBIOS name of the server, up to 15 characters. */
  readonly computerName: string
  /** NetBIOS name of its domain, by default the server's own. */
  readonly domainName?: string
  readonly dnsComputerName?: string
  readonly dnsDomainName?: string
  /** The account of a caller, `undefined` if there is none. Anonymous callers are asked for as well: guest or none. */
  readonly lookup: (caller: Caller) => Effect.Effect<Account | undefined, AuthenticationError>
  /**
   * Runs before it is looked at what somebody proves by a password, after `lookup` and whatever that said: to let who
   * guesses wait, or to refuse them as they are. Who is a guest anyway, and who has a ticket, is not kept by it.
   */
  readonly turn?: (caller: Caller) => Effect.Effect<void, AuthenticationError>
  /** With them, clients may log on by Kerberos. */
  readonly kerberos?: KerberosKeys.KerberosKeys | undefined
  /** Where random bytes come from, by default node:crypto. */
  readonly random?: (length: number) => Uint8Array
}

/**
 * The server's answer to a token.
 *
 * @category models
 */
export type AcceptorStep =
  /**
   * STATUS_MORE_PROCESSING_REQUIRED. With `refused` the client's proof was not taken, and the token tells the client why:
   * it may try once more in the same logon, as Windows does when the clocks differ.
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
 * One logon. Not to be used again once it accepted or failed.
 *
 * @category models
 */
export interface AcceptorSession {
  readonly step: (token: Uint8Array) => Effect.Effect<AcceptorStep, AuthenticationError>
  /** Lets go of a logon that is given up in the middle, also of a step that is under way. */
  readonly release: () => void
}

const kerberosMechanisms: ReadonlyArray<string> = [Spnego.Mechanism.msKerberos, Spnego.Mechanism.kerberos]

/**
 * The security buffer of a NEGOTIATE response: NTLM is always there, Kerberos where the server has keys.
 *
 * @category tokens
 */
export const offer = (kerberos = false): Uint8Array =>
  Spnego.encode({
    _tag: "NegTokenInit",
    mechTypes: [...kerberos ? kerberosMechanisms : [], Spnego.Mechanism.ntlmssp],
    hintName: "not_defined_in_RFC4178@please_ignore"
  })

const fail = (reason: AuthenticationReason, detail: string): AuthenticationError =>
  new AuthenticationError({ reason, detail, mechanism: "NTLM" })

const changed = fail("IntegrityFailure", "the list of mechanisms was changed on the way")

/** A logon by Kerberos under way. */
interface ByKerberos {
  readonly exchange: KerberosKeys.Exchange
  /** Whether it is the second attempt. */
  readonly again: boolean
  readonly mechTypes: ReadonlyArray<string>
  readonly mustProve: boolean
  /** The MIC over the list that came already, to be checked when there is a key. */
  readonly mechListMic: Uint8Array | undefined
}

/** `mechTypes` is `undefined` for a client without SPNEGO; `mustProve` where what is spoken was not its first choice. */
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
 * Begins to accept one logon.
 *
 * @category constructors
 */
export const make = (options: AcceptorOptions): AcceptorSession => {
  const random = options.random ?? ((length) => Uint8Array.from(randomBytes(length)))
  let state: State = { _tag: "First" }
  let released = false

  /** Goes on with Kerberos in the next leg, unless nobody waits for that any more. */
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
    // NTLM has no key yet that a MIC could be made with. Of another mechanism than the chosen one it says nothing.
    if (isNtlm && !mustProve && mechListMic !== undefined) return yield* changed
    const by: ByKerberos | undefined = isNtlm
      ? undefined
      : { exchange: options.kerberos!.begin(), again: false, mechTypes, mustProve, mechListMic: undefined }
    if (!mustProve && mechToken !== undefined) {
      return by === undefined
        ? yield* Effect.fromResult(challenge(mechToken, mechTypes, false, time))
        : yield* ticket(by, mechToken, mechListMic, chosen)
    }
    // The token, if any, is one of a mechanism that is not here: the client starts over with the one that is, and proves
    // by a MIC that nobody changed its list.
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

  /** A token of Kerberos'. `chosen` is said with the first answer. */
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
        // A client reads the token of no other status (MS-SMB2 3.2.5.3.1).
        goOn({ ...by, _tag: "Kerberos", exchange: options.kerberos!.begin(), again: true, mechListMic: undefined })
        return { _tag: "Continue", token: answer(Spnego.NegState.acceptIncomplete), refused } satisfies AcceptorStep
      }
      if (proven === undefined) {
        // The buffer that the token came in is its owner's again after this call.
        goOn({ ...by, _tag: "Kerberos", mechListMic: mechListMic && Uint8Array.from(mechListMic) })
        return { _tag: "Continue", token: answer(Spnego.NegState.acceptIncomplete) } satisfies AcceptorStep
      }
      const { name, realm, sessionKey } = proven
      const caller: Caller = { user: name, domain: realm, workstation: "", anonymous: false }
      const account = yield* options.lookup(caller)
      if (account === undefined) {
        return yield* new AuthenticationError({
          reason: "Rejected",
          detail: `no user here stands for ${name}@${realm}`,
          mechanism: "Kerberos"
        })
      }
      const guest = account._tag === "Guest"
      const list = Spnego.mechTypeList(mechTypes)
      if (mechListMic !== undefined) yield* exchange.verify(list, mechListMic)
      // Who proves the list is given the same proof back (RFC 4178 5).
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

  /** The client's MIC over its list of mechanisms. */
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
    if (anonymous) return Result.fail(fail("Rejected", "anonymous logons are not let in; give a user and a password"))
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
  Result.mapError(Spnego.decode(token), (error) => fail("Malformed", error.message))

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
