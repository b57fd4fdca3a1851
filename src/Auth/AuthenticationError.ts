/**
 * The error of everything that has to do with who someone is.
 *
 * No password, hash, key or token is ever part of it.
 */
import * as Schema from "effect/Schema"

/**
 * Why an authentication did not come about.
 *
 * - `NoCredential`: nobody said who to log on as.
 * - `InvalidCredential`: what was said cannot be used, such as a hash of the wrong length.
 * - `NoCommonMechanism`: the server offers none of the mechanisms that this side has.
 * - `Malformed`: the peer's token does not have the layout that its document demands.
 * - `Rejected`: the peer said no.
 * - `WeakSecurity`: the peer asks for less security than this side takes.
 * - `IntegrityFailure`: a MIC is missing or wrong: the wrong password, or someone changed the messages on the way.
 * - `UnexpectedToken`: a token that does not belong to this step.
 * - `Unavailable`: what the mechanism needs is not there: a package, a library, a domain controller that answers.
 * - `ServerUnknown`: the domain knows no such server by this name.
 * - `ClockSkew`: the clocks of this machine and of the domain are too far apart.
 *
 * @category errors
 */
export const AuthenticationReason = Schema.Literals([
  "NoCredential",
  "InvalidCredential",
  "NoCommonMechanism",
  "Malformed",
  "Rejected",
  "WeakSecurity",
  "IntegrityFailure",
  "UnexpectedToken",
  "Unavailable",
  "ServerUnknown",
  "ClockSkew"
])

/** @category errors */
export type AuthenticationReason = typeof AuthenticationReason.Type

/**
 * An authentication did not come about. `detail` says what happened and what to do about it; `mechanism` is the one at
 * work, if that was settled; `server` is filled in by those who know it.
 *
 * @category errors
 */
export class AuthenticationError extends Schema.TaggedError<AuthenticationError>()("AuthenticationError", {
  reason: AuthenticationReason,
  detail: Schema.String,
  mechanism: Schema.optionalKey(Schema.String),
  server: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const mechanism = this.mechanism === undefined ? "" : ` by ${this.mechanism}`
    const server = this.server === undefined ? "" : ` with ${this.server}`
    return `Authentication${mechanism}${server} failed (${this.reason}): ${this.detail}`
  }
}
