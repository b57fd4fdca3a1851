/**
 * The server's side of a logon: how a server handles a client's tokens. Kerberos (if the server has keys) or NTLM, inside
 * SPNEGO, or without it for clients that have no SPNEGO.
 *
 * The caller of this module decides which users exist, and whether anonymous users or guests may log on.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { randomBytes } from "node:crypto"
import type { AcceptorOptions } from "./AcceptorOptions.ts"
import type { AcceptorStep } from "./AcceptorStep.ts"
import type { AuthenticationError } from "./AuthenticationError.ts"
import * as Authenticator from "./Authenticator.ts"
import * as ClientToken from "./internal/ClientToken.ts"
import * as KerberosExchange from "./internal/KerberosExchange.ts"
import * as MechanismChoice from "./internal/MechanismChoice.ts"
import * as NtlmExchange from "./internal/NtlmExchange.ts"
import { failure } from "./internal/NtlmFailure.ts"
import * as NtlmMessage from "./NtlmMessage.ts"
import * as Spnego from "./Spnego.ts"

export type { AcceptorOptions, Account, Caller } from "./AcceptorOptions.ts"
export type { AcceptorStep } from "./AcceptorStep.ts"

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

/**
 * The security buffer of a NEGOTIATE response: it always offers NTLM, and Kerberos if the server has keys.
 *
 * @category tokens
 * @since 0.1.0
 */
export const offer = (kerberos = false): Uint8Array =>
  Spnego.encode({
    _tag: "NegTokenInit",
    mechTypes: MechanismChoice.offered(kerberos),
    hintName: "not_defined_in_RFC4178@please_ignore"
  })

/** The client's token that a logon waits for. */
type State =
  | { readonly _tag: "First" }
  /** The NEGOTIATE_MESSAGE of NTLM. */
  | { readonly _tag: "Negotiate"; readonly choice: MechanismChoice.Choice }
  /** The AUTHENTICATE_MESSAGE of NTLM. */
  | NtlmExchange.Challenged & { readonly _tag: "Authenticate" }
  /** A ticket. */
  | KerberosExchange.Attempt & { readonly _tag: "Kerberos" }
  /** The MIC over the list of mechanisms, after a ticket. */
  | KerberosExchange.Attempt & {
    readonly _tag: "Proof"
    readonly accepted: Extract<AcceptorStep, { readonly _tag: "Accepted" }>
  }
  | { readonly _tag: "Over" }

interface Logon {
  readonly options: AcceptorOptions
  readonly random: (length: number) => Uint8Array
  state: State
  released: boolean
}

/** Waits for the client's next token, unless the logon was released. */
const wait = (logon: Logon, next: State): void => {
  if (!logon.released) logon.state = next
  else if (next._tag === "Kerberos" || next._tag === "Proof") next.exchange.release()
}

/** Handles the NEGOTIATE_MESSAGE of NTLM. */
const negotiate = Effect.fnUntraced(function*(
  logon: Logon,
  choice: MechanismChoice.Choice | undefined,
  message: Uint8Array
): Effect.fn.Return<AcceptorStep, AuthenticationError> {
  const time = yield* Authenticator.now
  const { next, step } = yield* Effect.fromResult(
    NtlmExchange.challenge(logon.options, { choice, message, serverChallenge: logon.random(8), time })
  )
  wait(logon, { ...next, _tag: "Authenticate" })
  return step
})

/** Starts the first or the second attempt with Kerberos. */
const attempt = (
  logon: Logon,
  choice: MechanismChoice.Choice | undefined,
  again: boolean
): KerberosExchange.Attempt => ({
  exchange: logon.options.kerberos!.begin(),
  again,
  choice,
  mechListMic: undefined
})

/** Waits for the next token of an attempt, or releases its exchange: also when the step fails or is interrupted. */
const settle = (
  logon: Logon,
  at: KerberosExchange.Attempt,
  outcome: Effect.Effect<KerberosExchange.Outcome, AuthenticationError>
): Effect.Effect<AcceptorStep, AuthenticationError> =>
  outcome.pipe(
    Effect.onExit((exit) =>
      Effect.sync(() => {
        const ended = Exit.isSuccess(exit) ? exit.value : undefined
        switch (ended?._tag) {
          case "Continue":
            return wait(logon, { ...at, _tag: "Kerberos", mechListMic: ended.mechListMic })
          case "Unproven":
            return wait(logon, { ...at, _tag: "Proof", accepted: ended.accepted })
          case "Retry":
            at.exchange.release()
            return wait(logon, { ...attempt(logon, at.choice, true), _tag: "Kerberos" })
          default:
            at.exchange.release()
        }
      })
    ),
    Effect.map(({ step }) => step)
  )

/** Handles the first token: it chooses the mechanism, and can have the first message of that mechanism. */
const first = Effect.fnUntraced(function*(
  logon: Logon,
  input: Uint8Array
): Effect.fn.Return<AcceptorStep, AuthenticationError> {
  if (NtlmMessage.isNtlm(input)) return yield* negotiate(logon, undefined, input)
  if (MechanismChoice.isKerberosToken(input)) {
    if (logon.options.kerberos === undefined) {
      return yield* failure("NoCommonMechanism", "the server has no Kerberos keys")
    }
    const at = attempt(logon, undefined, false)
    const message = { responseToken: input, mechListMic: undefined, first: true }
    return yield* settle(logon, at, KerberosExchange.ticket(logon.options, at, message))
  }
  const token = yield* Effect.fromResult(ClientToken.decode(input))
  if (token._tag === "NegTokenResp") return yield* failure("UnexpectedToken", "the client began in the middle")
  const choice = yield* Effect.fromResult(MechanismChoice.choose(token, logon.options.kerberos !== undefined))
  const isNtlm = MechanismChoice.isNtlm(choice.mechanism)
  const { mechListMic, mechToken } = token
  if (!choice.mustProve && mechToken !== undefined) {
    if (isNtlm) return yield* negotiate(logon, choice, mechToken)
    const at = attempt(logon, choice, false)
    const message = { responseToken: mechToken, mechListMic, first: true }
    return yield* settle(logon, at, KerberosExchange.ticket(logon.options, at, message))
  }
  // The token, if any, is for a mechanism that the server does not have. The client starts again with the chosen one,
  // and proves by a MIC that its list was not changed on the way.
  wait(logon, isNtlm ? { _tag: "Negotiate", choice } : { ...attempt(logon, choice, false), _tag: "Kerberos" })
  return { _tag: "Continue", token: MechanismChoice.response(choice) }
})

const step = Effect.fnUntraced(function*(
  logon: Logon,
  input: Uint8Array
): Effect.fn.Return<AcceptorStep, AuthenticationError> {
  const at = logon.state
  logon.state = { _tag: "Over" }
  switch (at._tag) {
    case "First":
      return yield* first(logon, input)
    case "Negotiate": {
      const { responseToken } = yield* Effect.fromResult(ClientToken.message(input))
      return yield* negotiate(logon, at.choice, responseToken)
    }
    case "Authenticate":
      return yield* NtlmExchange.authenticate(logon.options, at, input)
    case "Kerberos":
      return yield* settle(
        logon,
        at,
        Effect.flatMap(
          at.choice === undefined
            ? Effect.succeed({ responseToken: input, mechListMic: undefined })
            : Effect.fromResult(ClientToken.message(input)),
          (message) => KerberosExchange.ticket(logon.options, at, { ...message, first: false })
        )
      )
    case "Proof":
      return yield* settle(logon, at, KerberosExchange.proof(at, at.accepted, input))
    case "Over":
      return yield* failure("UnexpectedToken", "the logon is over; the client must begin a new one")
  }
})

/**
 * Starts to accept one logon.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: AcceptorOptions): AcceptorSession => {
  const random = options.random ?? ((length) => Uint8Array.from(randomBytes(length)))
  const logon: Logon = { options, random, state: { _tag: "First" }, released: false }
  return {
    step: (input) => step(logon, input),
    release: () => {
      const { state } = logon
      logon.released = true
      logon.state = { _tag: "Over" }
      if (state._tag === "Kerberos" || state._tag === "Proof") state.exchange.release()
    }
  }
}
