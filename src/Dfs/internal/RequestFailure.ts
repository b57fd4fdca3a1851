/** What the failure of a referral request means for a resolution. For `DfsResolver` alone. */
import { AuthenticationError } from "../../Auth/AuthenticationError.ts"
import type { NoReferral, ReferralError } from "../../Protocol/DfsError.ts"
import { refusesAccount } from "../../Protocol/Errors.ts"
import type { Command, Event } from "../DfsStep.ts"
import type { SourceError } from "../ReferralSource.ts"
import type { OwnError } from "./ResolutionLoop.ts"
import { reasonOf } from "./Transitions.ts"

/** The failures of a request that the server answered, but not with a referral. */
const referralErrors: ReadonlySet<string> = new Set<ReferralError["_tag"]>([
  "Malformed",
  "Overflow",
  "Unsupported",
  "NotDfsCapable",
  "NamespaceNotFound",
  "ReferralRefused"
])
const isReferralError = (error: NoReferral | SourceError): error is ReferralError => referralErrors.has(error._tag)

/**
 * A domain's name has an address, but no Kerberos ticket. Without the domain's controllers it is taken for a server, so
 * the message says what is missing.
 */
const withHint = (
  error: SourceError,
  { domain, server }: { readonly domain?: string | undefined; readonly server: string },
  discovers: boolean
): SourceError =>
  error._tag === "AuthenticationError" && error.reason._tag === "ServerUnknown" && domain === undefined && !discovers
    ? new AuthenticationError({
      reason: error.reason,
      detail:
        `${error.detail}; if ${server} is a domain and no server, name its controllers in domainControllers, or ` +
        "use DfsAdapter.layer with DomainControllers.layerDns()",
      ...(error.mechanism === undefined ? {} : { mechanism: error.mechanism }),
      ...(error.server === undefined ? {} : { server: error.server })
    })
    : error

const refusesUser = (error: SourceError): boolean =>
  error._tag === "AuthenticationError"
    ? error.reason._tag === "InvalidCredential" || error.reason._tag === "LogonRejected"
    : error._tag === "SmbError" && refusesAccount(error)

/** The event of a failed referral request. `discovers`: controllers of domains are looked for. */
export const toEvent = <E>(
  error: NoReferral | SourceError,
  command: Extract<Command<OwnError<E>>, { readonly _tag: "AskReferral" }>,
  discovers: boolean
): Event<OwnError<E>> => {
  if (isReferralError(error)) return { _tag: "ReferralFailed", error }
  return error._tag === "ReferralUnavailable"
    ? { _tag: "Unreachable", error, reason: error.detail, unavailable: error }
    : {
      _tag: "Unreachable",
      error: withHint(error, command, discovers),
      reason: reasonOf(error),
      refusesUser: refusesUser(error)
    }
}
