/**
 * The server's exchange of NTLM messages (MS-NLMP 3.2.5.1) in SPNEGO, or without it: NEGOTIATE_MESSAGE and challenge,
 * then AUTHENTICATE_MESSAGE and the decision.
 */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { AcceptorOptions, Account, Caller } from "../AcceptorOptions.ts"
import type { AcceptorStep } from "../AcceptorStep.ts"
import type { AuthenticationError } from "../AuthenticationError.ts"
import * as NtlmServer from "../NtlmServer.ts"
import * as Spnego from "../Spnego.ts"
import * as ClientToken from "./ClientToken.ts"
import type { Choice } from "./MechanismChoice.ts"
import { failure } from "./NtlmFailure.ts"

/** A logon that waits for the AUTHENTICATE_MESSAGE. `choice` is `undefined` for a client without SPNEGO. */
export interface Challenged {
  readonly choice: Choice | undefined
  readonly challenged: NtlmServer.Challenged
}

/** Responds to a NEGOTIATE_MESSAGE. `serverChallenge` has 8 random bytes; `time` is in 100 ns ticks since 1601. */
export const challenge = (
  options: AcceptorOptions,
  { choice, message, serverChallenge, time }: {
    readonly choice: Choice | undefined
    readonly message: Uint8Array
    readonly serverChallenge: Uint8Array
    readonly time: bigint
  }
): Result.Result<{ readonly step: AcceptorStep; readonly next: Challenged }, AuthenticationError> =>
  Result.map(
    NtlmServer.challenge({
      computerName: options.computerName,
      domainName: options.domainName ?? options.computerName,
      dnsComputerName: options.dnsComputerName ?? options.computerName.toLowerCase(),
      dnsDomainName: options.dnsDomainName ?? "",
      serverChallenge,
      time
      // After this call, the owner of the token's buffer can use it again.
    }, Uint8Array.from(message)),
    (challenged) => ({
      step: {
        _tag: "Continue",
        token: choice === undefined ? challenged.message : ClientToken.response({
          negState: Spnego.NegState.acceptIncomplete,
          supportedMech: Spnego.Mechanism.ntlmssp,
          responseToken: challenged.message
        })
      },
      next: { choice, challenged: challenged.state }
    })
  )

/** Checks an AUTHENTICATE_MESSAGE, and the MIC over the list of mechanisms. */
export const authenticate = Effect.fnUntraced(function*(
  options: AcceptorOptions,
  at: Challenged,
  input: Uint8Array
): Effect.fn.Return<AcceptorStep, AuthenticationError> {
  const { mechListMic, responseToken } = at.choice === undefined
    ? { responseToken: input, mechListMic: undefined }
    : yield* Effect.fromResult(ClientToken.message(input))
  const claim = yield* Effect.fromResult(NtlmServer.claim(Uint8Array.from(responseToken)))
  const { anonymous, domain, user, workstation } = claim
  const caller: Caller = { user, domain, workstation, anonymous }
  const account = yield* options.lookup(caller)
  if (account?._tag === "Guest") {
    return accepted(at, caller, account, anonymous ? NtlmServer.anonymousSessionKey(at.challenged, claim) : undefined)
  }
  if (anonymous) {
    return yield* failure("LogonRejected", "anonymous logons are not let in; give a user and a password")
  }
  if (options.turn !== undefined) yield* options.turn(caller)
  const context = yield* Effect.fromResult(NtlmServer.verify(at.challenged, claim, account?.ntHash))
  if (at.choice === undefined) return accepted(at, caller, account, context.sessionKey)
  const list = Spnego.mechTypeList(at.choice.mechTypes)
  if (mechListMic === undefined ? at.choice.mustProve : !context.verify(list, mechListMic)) {
    return yield* ClientToken.changedList
  }
  const own = mechListMic === undefined ? undefined : context.sign(list)
  return accepted(at, caller, account, context.sessionKey, own)
})

const accepted = (
  { choice }: Challenged,
  caller: Caller,
  account: Account | undefined,
  sessionKey?: Redacted.Redacted<Uint8Array>,
  mechListMic?: Uint8Array
): AcceptorStep => ({
  _tag: "Accepted",
  token: choice === undefined
    ? new Uint8Array(0)
    : ClientToken.response({ negState: Spnego.NegState.acceptCompleted, mechListMic }),
  caller,
  guest: account?._tag === "Guest",
  sessionKey
})
