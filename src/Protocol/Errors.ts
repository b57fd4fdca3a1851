/**
 * What can go wrong between us and a peer, as values.
 *
 * Four kinds, so that a caller can tell who has to act: the server said no (`SmbError`), nobody answered
 * (`TransportError`), the peer broke the protocol or a security promise (`ProtocolError`), or its bytes had no sense
 * (`Malformed`, in `src/Codec`). None of them ever carries a password, a hash, a key or a payload.
 */
import * as Schema from "effect/Schema"
import type { Malformed } from "../Codec/Malformed.ts"
import * as NtStatus from "../Codec/NtStatus.ts"
import * as Explanation from "./Explanation.ts"

/** A symbolic link on a path, where the server leaves it to the client to follow (MS-SMB2 2.2.2.2.1). */
export const SymbolicLink = Schema.Struct({
  /** The path that was asked for, below its share. */
  path: Schema.String,
  /** UTF-16 code units at the end of `path` that come after the link. */
  unparsed: Schema.Number,
  /** Where it leads: a path from the link's directory on, or NT's form of an absolute one. */
  target: Schema.String,
  relative: Schema.Boolean
})
export type SymbolicLink = typeof SymbolicLink.Type

/**
 * The server answered a command with an NTSTATUS that is no success.
 *
 * `reason` is the NTSTATUS by name without its prefix, in PascalCase (`ObjectNameNotFound`), `status` the 32-bit code,
 * `command` the SMB command that it answers, and `path` the UNC path that the command was about. With `StoppedOnSymlink`
 * comes what the server said about the link.
 *
 * @example
 * ```ts
 * return yield* smb.readFile(path).pipe(
 *   Effect.catchTags({
 *     SmbError: (error) => error.reason === "ObjectNameNotFound" ? Effect.succeed(empty) : Effect.fail(error),
 *     NoTargetLeft: (error) => Effect.logError(error.message).pipe(Effect.as(empty)) // each target with what it said
 *   })
 * )
 * ```
 *
 * @category errors
 */
export class SmbError extends Schema.TaggedError<SmbError>()("SmbError", {
  reason: Schema.String as unknown as Schema.Codec<NtStatus.Reason>,
  status: Schema.Number,
  command: Schema.String,
  path: Schema.optionalKey(Schema.String),
  symbolicLink: Schema.optionalKey(SymbolicLink),
  /** The server has said so before, and was not asked again: a logon with a credential that it had refused. */
  notTriedAgain: Schema.optionalKey(Schema.Boolean),
  /** What the client knows of it beside the status. */
  detail: Schema.optionalKey(Schema.String),
  /** The reason that the client has found for the status, in a sentence or two. */
  because: Schema.optionalKey(Schema.String)
}) {
  /** The NTSTATUS as the documents spell it: `STATUS_OBJECT_NAME_NOT_FOUND`. */
  get statusName(): string {
    return NtStatus.name(this.status)
  }
  override get message(): string {
    const again = this.notTriedAgain === true ? "not tried again with the same password: " : ""
    const where = `${this.path === undefined ? "" : `${this.path}: `}${again}`
    const what = this.symbolicLink === undefined
      ? this.because ?? Explanation.of(this.status, this.command, this.path)
      : `The path leads through a symbolic link to ${this.symbolicLink.target}, which could not be followed.`
    const detail = this.detail === undefined ? "" : `: ${this.detail}`
    return `${where}${what} (${this.statusName} to ${this.command})${detail}`
  }
}

/** An `SmbError` from a status. */
export const fromStatus = (status: number, command: string, path?: string, symbolicLink?: SymbolicLink): SmbError =>
  new SmbError({
    reason: NtStatus.reason(status),
    status,
    command,
    ...(path === undefined ? {} : { path }),
    ...(symbolicLink === undefined ? {} : { symbolicLink })
  })

/** The same error with what the client knows of it beside the status, and with the reason that it has found. */
export const withDetail = (error: SmbError, detail: string | undefined, because?: string): SmbError =>
  detail === undefined && because === undefined ? error : new SmbError({
    ...error,
    ...(detail === undefined ? {} : { detail }),
    ...(because === undefined ? {} : { because })
  })

/**
 * The connection could not be made, or ended.
 *
 * @example
 * ```ts
 * Effect.retry({
 *   while: (error) => error._tag === "TransportError" && error.sent !== true,
 *   schedule: Schedule.exponential("200 millis"),
 *   times: 5
 * })
 * ```
 *
 * @category errors
 */
export class TransportError extends Schema.TaggedError<TransportError>()("TransportError", {
  reason: Schema.Literals(["Refused", "Unreachable", "NameNotFound", "TimedOut", "Closed", "Failed"]),
  server: Schema.String,
  port: Schema.Number,
  /**
   * True where the operation that failed so had changed something by then, by an earlier one of its requests, or may have:
   * a request that changes something had been sent, and was not answered.
   */
  sent: Schema.optionalKey(Schema.Boolean),
  /** True where the server was at the request (STATUS_PENDING), and did not finish it within `pendingTimeout`. */
  pending: Schema.optionalKey(Schema.Boolean),
  detail: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const where = `${this.server.includes(":") ? `[${this.server}]` : this.server}:${this.port}`
    const unknown = this.sent === true
      ? "; a request that changes something had been sent, and may have had its effect"
      : ""
    const detail = `${this.detail === undefined ? "" : ` (${this.detail})`}${unknown}`
    switch (this.reason) {
      case "Refused":
        return `${where} refused the connection: is an SMB server listening there?${detail}`
      case "Unreachable":
        return `${where} cannot be reached: check the network and the address${detail}`
      case "NameNotFound":
        return `no address is known for ${this.server}: check the name and the DNS${detail}`
      case "TimedOut":
        return this.pending === true
          ? `${where} did not finish in time${detail}: look at its disks and its load, or wait longer (\`pendingTimeout\`)`
          : `${where} did not answer in time${detail}: check the address, and the firewalls on the way`
      case "Closed":
        return this.detail === undefined || this.sent === true
          ? `${where} closed the connection${detail}: try again, and look into its log`
          : `${where} closed the connection${detail}`
      case "Failed":
        return `the connection to ${where} failed${detail}`
    }
  }
}

/** The statuses that say of a name that there is none. What that means where a path was not asked for, those below say. */
const missing: ReadonlySet<string> = new Set<NtStatus.Reason>([
  "ObjectNameNotFound",
  "ObjectPathNotFound",
  "NoSuchFile"
])

/**
 * Commands that name a path. All others are about an open, and what a server says to those tells nothing of the path: it
 * was there to be opened. SMB 1 deletes by name as well where a server knows no better (`src/Smb1/Names.ts`).
 */
const namesPath: ReadonlySet<string> = new Set(["CREATE", "DELETE", "DELETE_DIRECTORY"])

/** Whether a failure says that there is nothing at a path: neither the name, nor the way to it. */
export const isMissing = (error: SmbError): boolean => missing.has(error.reason) && namesPath.has(error.command)

/** Whether a name was not found, whatever it was the name of: a path, the new name of a rename, a share. */
export const isNotFound = (error: Pick<SmbError, "reason">): boolean => missing.has(error.reason)

/** Whether it says that there is nothing at a path, or only until it is closed by those that have it open. */
export const isGone = (error: SmbError): boolean =>
  isMissing(error) || (error.reason === "DeletePending" && namesPath.has(error.command))

/**
 * Whether a server says of an open that what it is of has gone: perhaps it has since then, and perhaps the server says so
 * of a link that it follows, and it is still there. Asking for the path again tells.
 */
export const perhapsGone = (error: SmbError): boolean =>
  !namesPath.has(error.command) && (missing.has(error.reason) || error.reason === "DeletePending")

/** The same failure, of a request that may change something and had been sent. */
export const afterSending = <E extends { readonly _tag: string }>(error: E | TransportError): E | TransportError => {
  if (!(error instanceof TransportError) || error.sent === true) return error
  const { detail, pending, port, reason, server } = error
  return new TransportError({
    reason,
    server,
    port,
    sent: true,
    ...(pending === undefined ? {} : { pending }),
    ...(detail === undefined ? {} : { detail })
  })
}

/**
 * The peer broke the protocol, or a promise that security rests on.
 *
 * - `NotSmb`: what answers there does not speak SMB.
 * - `Smb1Only`: the server answered with SMB 1, which was not asked for.
 * - `DialectRefused`: server and client have no dialect in common, or the server chose one that was not offered.
 * - `SigningUnavailable`, `EncryptionUnavailable`: required here, but not to be had from that server or logon.
 * - `NotSigned`, `BadSignature`, `NotEncrypted`, `DecryptionFailed`: a response that cannot be trusted.
 * - `Downgrade`: the negotiation was tampered with on the way.
 * - `TooLarge`: a packet beyond the limit. `Unexpected`: an answer that fits no question.
 *
 * @category errors
 */
export class ProtocolError extends Schema.TaggedError<ProtocolError>()("ProtocolError", {
  reason: Schema.Literals([
    "NotSmb",
    "Smb1Only",
    "DialectRefused",
    "SigningUnavailable",
    "EncryptionUnavailable",
    "NotSigned",
    "BadSignature",
    "NotEncrypted",
    "DecryptionFailed",
    "Downgrade",
    "TooLarge",
    "Unexpected"
  ]),
  server: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.server}: ${this.detail}`
  }
}

/** Everything that a request on an established connection can fail with. */
export type RequestError = SmbError | TransportError | ProtocolError | Malformed
