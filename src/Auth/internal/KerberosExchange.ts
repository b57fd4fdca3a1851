/**
 * The server's exchange of Kerberos tokens in SPNEGO: the client's ticket, its second attempt after a refusal, and its
 * MIC over the list of mechanisms (RFC 4178 5).
 *
 * The functions do not release the exchange of the library: `Acceptor` does, after each outcome.
 */
import * as Effect from "effect/Effect"
import type { AcceptorOptions, Caller } from "../AcceptorOptions.ts"
import type { AcceptorStep } from "../AcceptorStep.ts"
import { AuthenticationError } from "../AuthenticationError.ts"
import type { Exchange } from "../KerberosKeys.ts"
import * as Spnego from "../Spnego.ts"
import * as ClientToken from "./ClientToken.ts"
import type { Choice } from "./MechanismChoice.ts"
import { failure } from "./NtlmFailure.ts"

type Accepted = Extract<AcceptorStep, { readonly _tag: "Accepted" }>

/** A logon that waits for a ticket. */
export interface Attempt {
  readonly exchange: Exchange
  /** Whether it is the second attempt. A client has no third. */
  readonly again: boolean
  /** `undefined` for a client without SPNEGO. */
  readonly choice: Choice | undefined
  /** The MIC over the list that the client sent before there was a key to check it. */
  readonly mechListMic: Uint8Array | undefined
}

/** The server's response to a token, and how the logon goes on. */
export type Outcome =
  /** The logon is over. */
  | { readonly _tag: "Accepted"; readonly step: AcceptorStep }
  /** The library needs another token of the same attempt. */
  | { readonly _tag: "Continue"; readonly step: AcceptorStep; readonly mechListMic: Uint8Array | undefined }
  /** The ticket was refused, and the client can try again with a new exchange. */
  | { readonly _tag: "Retry"; readonly step: AcceptorStep }
  /** The ticket is right. The MIC over the list of mechanisms is missing. */
  | { readonly _tag: "Unproven"; readonly step: AcceptorStep; readonly accepted: Accepted }

/** Handles a token of Kerberos. `first`: the response names the mechanism. */
export const ticket = Effect.fnUntraced(function*(
  options: AcceptorOptions,
  { again, choice, exchange, mechListMic: earlier }: Attempt,
  { first, mechListMic: mic, responseToken: token }: ClientToken.Message & { readonly first: boolean }
): Effect.fn.Return<Outcome, AuthenticationError> {
  const mustProve = choice?.mustProve === true
  const mechListMic = mic ?? earlier
  const { proven, refused, token: responseToken } = yield* exchange.step(token)
  const response = (negState: number, own?: Uint8Array): Uint8Array =>
    choice === undefined ? responseToken : ClientToken.response({
      negState,
      supportedMech: first ? choice.mechanism : undefined,
      responseToken,
      mechListMic: own
    })
  if (refused !== undefined) {
    if (again) return yield* refused
    // A client does not read the token of a response with another status (MS-SMB2 3.2.5.3.1).
    const step: AcceptorStep = { _tag: "Continue", token: response(Spnego.NegState.acceptIncomplete), refused }
    return { _tag: "Retry", step }
  }
  if (proven === undefined) {
    return {
      _tag: "Continue",
      step: { _tag: "Continue", token: response(Spnego.NegState.acceptIncomplete) },
      // After this call, the owner of the token's buffer can use it again.
      mechListMic: mechListMic && Uint8Array.from(mechListMic)
    }
  }
  const { lifetime, name, realm, sessionKey } = proven
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
  const list = Spnego.mechTypeList(choice?.mechTypes ?? [])
  if (mechListMic !== undefined) yield* exchange.verify(list, mechListMic)
  // A client that proves the list gets the same proof from the server (RFC 4178 5).
  const own = mustProve || mechListMic !== undefined ? yield* exchange.sign(list) : undefined
  const accepted: Accepted = {
    _tag: "Accepted",
    token: response(Spnego.NegState.acceptCompleted, own),
    caller,
    guest,
    sessionKey: guest ? undefined : sessionKey,
    lifetime: guest ? undefined : lifetime
  }
  return mustProve && mechListMic === undefined
    ? { _tag: "Unproven", step: { _tag: "Continue", token: response(Spnego.NegState.acceptIncomplete, own) }, accepted }
    : { _tag: "Accepted", step: accepted }
})

/** Checks the client's MIC over its list of mechanisms, which came after its ticket. */
export const proof = Effect.fnUntraced(function*(
  { choice, exchange }: Attempt,
  accepted: Accepted,
  input: Uint8Array
): Effect.fn.Return<Outcome, AuthenticationError> {
  const token = yield* Effect.fromResult(ClientToken.decode(input))
  if (token._tag === "NegTokenInit" || token.mechListMic === undefined) {
    return yield* failure("IntegrityFailure", "the client does not prove which mechanisms it had offered")
  }
  yield* exchange.verify(Spnego.mechTypeList(choice?.mechTypes ?? []), token.mechListMic)
  const last = ClientToken.response({ negState: Spnego.NegState.acceptCompleted })
  return { _tag: "Accepted", step: { ...accepted, token: last } }
})
