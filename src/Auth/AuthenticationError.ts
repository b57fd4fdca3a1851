/**
 * The error of authentication.
 *
 * It never contains a password, hash, key or token.
 */
import * as Schema from "effect/Schema"

/**
 * Why an authentication failed.
 *
 * @category models
 * @since 0.1.0
 */
export const AuthenticationReason = Schema.TaggedUnion({
  NoCredential: {},
  InvalidCredential: {},
  NoCommonMechanism: {},
  MalformedToken: {},
  LogonRejected: {},
  WeakSecurity: {},
  IntegrityFailure: {},
  UnexpectedToken: {},
  MechanismUnavailable: {},
  ServerUnknown: {},
  ClockSkew: {}
})

/**
 * @category models
 *
 * @since 0.1.0
 */
export type AuthenticationReason = typeof AuthenticationReason.Type

/**
 * An authentication failed. `detail` says what happened and what to do about it; `mechanism` is the mechanism, if one
 * was chosen; `server` is the name of the server, if it is known; `code` is the error code of Kerberos (RFC 4120 7.5.9),
 * if the domain or the server gave one. A server that refuses the logon by a status is an
 * `SmbError`.
 *
 * - `NoCredential`: no credential was given for the server.
 * - `InvalidCredential`: the credential cannot be used, such as a hash of the wrong length.
 * - `NoCommonMechanism`: client and server have no mechanism in common.
 * - `MalformedToken`: the peer's token does not have the layout of its specification.
 * - `LogonRejected`: the peer refused.
 * - `WeakSecurity`: the peer asks for less security than this side accepts.
 * - `IntegrityFailure`: a MIC is missing or wrong: the password is wrong, or the messages were changed on the way.
 * - `UnexpectedToken`: a token that does not belong to this step.
 * - `MechanismUnavailable`: the mechanism needs something that is missing: a package, a library, or a reachable domain
 *   controller.
 * - `ServerUnknown`: the domain has no server with this name.
 * - `ClockSkew`: the clocks of this machine and of the domain are too far apart.
 *
 * @category errors
 * @since 0.1.0
 */
export class AuthenticationError extends Schema.TaggedError<AuthenticationError>()("AuthenticationError", {
  reason: AuthenticationReason,
  detail: Schema.String,
  mechanism: Schema.optionalKey(Schema.String),
  server: Schema.optionalKey(Schema.String),
  code: Schema.optionalKey(Schema.Number)
}) {
  override get message(): string {
    const mechanism = this.mechanism === undefined ? "" : ` by ${this.mechanism}`
    const server = this.server === undefined ? "" : ` with ${this.server}`
    return `Authentication${mechanism}${server} failed (${this.reason._tag}): ${this.detail}`
  }
}
