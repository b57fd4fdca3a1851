/**
 * Why an open file did not outlive its connection, although its server was reached again.
 */
import * as Schema from "effect/Schema"

/**
 * Why an open file cannot go on.
 *
 * @category models
 * @since 0.2.0
 */
export const ReconnectReason = Schema.TaggedUnion({
  /** `what` of the file is not what it was: another file has its name, or another program has changed it. */
  FileDiffers: {
    what: Schema.Literals(["identity", "size", "last write"]),
    expected: Schema.String,
    found: Schema.String
  },
  /** The server gives files no identifiers, so that nothing proves to a writer that the file is the same. */
  IdentityUnknown: {},
  /** The server has ended the locks with the open. `ranges` is their count. */
  LocksLost: { ranges: Schema.Number },
  /** The server refuses the user. `cause` is its refusal. */
  LogonRefused: { cause: Schema.Defect() }
})
export type ReconnectReason = typeof ReconnectReason.Type

/**
 * The connection of an open file was lost, the server was reached again, and the file cannot go on there. No byte was
 * read from another file, or written into one.
 *
 * - `FileDiffers`: the name leads to another file now, or another program has changed the file.
 * - `IdentityUnknown`: the server gives files no identifiers, and the file was open for writing. Another file can have
 *   its name by now.
 * - `LocksLost`: the open had locks, and the server has ended them. The ranges may have other owners now.
 * - `LogonRefused`: the server refuses the user.
 *
 * `path` is the UNC path of the file. `sent` is true if the failed operation has changed something, or may have.
 *
 * @category errors
 * @since 0.2.0
 */
export class ReconnectError extends Schema.TaggedError<ReconnectError>()("ReconnectError", {
  reason: ReconnectReason,
  path: Schema.String,
  sent: Schema.optionalKey(Schema.Boolean)
}) {
  override get message(): string {
    const { path, reason } = this
    const unknown = this.sent === true
      ? ". A request that changes something had been sent, and may have had its effect"
      : ""
    switch (reason._tag) {
      case "FileDiffers":
        return `${path}: the connection was lost, and the file is not the same after it ` +
          `(${reason.what}: ${reason.expected} before, ${reason.found} now). Open it again and look at its content${unknown}`
      case "IdentityUnknown":
        return `${path}: the connection was lost, and nothing proves that the file is the same after it: the server ` +
          `gives files no identifiers. Open it again and look at its content${unknown}`
      case "LocksLost":
        return `${path}: the connection was lost, and with it ${
          reason.ranges === 1 ? "the lock" : `${reason.ranges} locks`
        } of the file. Another program may have changed the locked bytes: unlock, look at them, and lock again${unknown}`
      case "LogonRefused":
        return `${path}: the connection was lost, and the server refuses the user at the next one (${
          reason.cause instanceof Error ? reason.cause.message : String(reason.cause)
        }). Check the account and its password${unknown}`
    }
  }
  override get cause(): unknown {
    return this.reason._tag === "LogonRefused" ? this.reason.cause : undefined
  }
}
