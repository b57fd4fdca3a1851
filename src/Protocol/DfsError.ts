/**
 * The failures of a DFS path, each with the path, the server and advice.
 *
 * The codec fails with `Malformed`, `Unsupported` and `Unencodable`; a server's response becomes `Overflow`,
 * `NotDfsCapable`, `NamespaceNotFound` or `ReferralRefused`; the algorithm adds `NoTargetLeft`, `NoDomainController`
 * and `DfsLoop`; a client that continues a read at another target adds `TargetDiffers`. If a server's IPC$ cannot be
 * used, the failure is `ReferralUnavailable`. No failure ever holds a credential.
 *
 * A user can answer `Malformed`, `Overflow`, `Unsupported` and `NotDfsCapable` by a policy, so they are errors with
 * a tag at the top. All others are reasons of `DfsError`.
 */
import * as Schema from "effect/Schema"
import * as FileTime from "../Codec/FileTime.ts"
import { Malformed } from "../Codec/Malformed.ts"
import * as NtStatus from "../Codec/NtStatus.ts"

export { Malformed }

/** The step of MS-DFSC 3.1.4.1 in which a path failed, if it failed in one. */
const Step = Schema.optionalKey(Schema.Number)

const from = (server: string | undefined): string => (server === undefined ? "" : ` from ${server}`)
const of = (path: string | undefined): string => (path === undefined ? "" : ` for ${path}`)

/** The most targets that a message names. A referral can have hundreds. */
const mostNamed = 8

/** The error of each target, up to the limit of a message. */
const each = (
  targets: ReadonlyArray<{ readonly target: string; readonly reason: string }>,
  none: string
): string => {
  const named = targets.slice(0, mostNamed).map(({ reason, target }) => `${target}: ${reason}`)
  const more = targets.length > mostNamed ? [`and ${targets.length - mostNamed} more`] : []
  return targets.length === 0 ? none : [...named, ...more].join("; ")
}

/**
 * A referral did not fit into the offered buffer of `size` bytes (STATUS_BUFFER_OVERFLOW, 0x80000005). No part of it
 * can be used. Ask again with a larger buffer: `DfsPolicy.retryOverflow`.
 *
 * @category errors
 * @since 0.1.0
 */
export class Overflow extends Schema.TaggedError<Overflow>()("Overflow", {
  server: Schema.String,
  path: Schema.String,
  size: Schema.Number,
  step: Step
}) {
  override get message(): string {
    return `The referral for ${this.path} from ${this.server} does not fit into ${this.size} bytes: ask with a larger buffer`
  }
}

/**
 * Well-formed, but of a kind that this package does not know: a referral version after 4, or a control code that the
 * server does not have. `offset` counts bytes from the start of the message, if there is a message.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", {
  what: Schema.String,
  offset: Schema.optionalKey(Schema.Number),
  server: Schema.optionalKey(Schema.String),
  path: Schema.optionalKey(Schema.String),
  step: Step
}) {
  override get message(): string {
    const at = this.offset === undefined ? "" : ` at byte ${this.offset}`
    return `${this.what}${at}${from(this.server)}${of(this.path)} is not supported`
  }
}

/**
 * A value that has no encoding: text with a NUL inside, or text too long for 16-bit offsets. The caller's mistake,
 * never a peer's.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unencodable extends Schema.TaggedError<Unencodable>()("Unencodable", {
  structure: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `${this.structure} cannot be encoded: ${this.reason}`
  }
}

/**
 * The server does not support DFS (STATUS_FS_DRIVER_REQUIRED over SMB 2, STATUS_NO_SUCH_DEVICE over SMB 1). `mode:
 * "fallback"` goes on without DFS, `mode: "strict"` ends with this.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotDfsCapable extends Schema.TaggedError<NotDfsCapable>()("NotDfsCapable", {
  server: Schema.String,
  path: Schema.String,
  step: Step
}) {
  override get message(): string {
    return `${this.server} does not support DFS, which ${this.path} needs: ` +
      "`mode: \"fallback\"` reaches it as an ordinary share"
  }
}

/**
 * The server supports DFS, but has no namespace of that name: the path is an ordinary share, or does not exist
 * (STATUS_NOT_FOUND, STATUS_DFS_UNAVAILABLE, STATUS_NO_SUCH_FILE). `status` is the NTSTATUS.
 *
 * @category errors
 * @since 0.1.0
 */
export class NamespaceNotFound extends Schema.TaggedError<NamespaceNotFound>()("NamespaceNotFound", {
  server: Schema.String,
  path: Schema.String,
  status: Schema.Number,
  step: Step
}) {
  override get message(): string {
    return `${this.server} has no DFS namespace for ${this.path} (${NtStatus.name(this.status)})`
  }
}

/**
 * The server's response to a referral request has another NTSTATUS, or no target at all (then `status` is
 * STATUS_OBJECT_PATH_NOT_FOUND).
 *
 * @category errors
 * @since 0.1.0
 */
export class ReferralRefused extends Schema.TaggedError<ReferralRefused>()("ReferralRefused", {
  server: Schema.String,
  path: Schema.String,
  status: Schema.Number,
  step: Step
}) {
  override get message(): string {
    return `${this.server} refused a referral for ${this.path}: ${NtStatus.name(this.status)}`
  }
}

/**
 * The user is logged on to the server, but the server could not be asked for a referral: its IPC$ refuses, ends the
 * connection or does not answer. `detail` says which, and `cause` is that failure. It is unknown whether the path is in
 * a namespace.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReferralUnavailable extends Schema.TaggedError<ReferralUnavailable>()("ReferralUnavailable", {
  server: Schema.String,
  path: Schema.optionalKey(Schema.String),
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect()),
  step: Step
}) {
  override get message(): string {
    return `${this.server} could not be asked for a referral${of(this.path)}: ${this.detail}`
  }
}

/**
 * Every target of the path has failed. `targets` has each with its error, in the order in which they were tried.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoTargetLeft extends Schema.TaggedError<NoTargetLeft>()("NoTargetLeft", {
  path: Schema.String,
  targets: Schema.Array(Schema.Struct({ target: Schema.String, reason: Schema.String })),
  server: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect()),
  step: Step
}) {
  override get message(): string {
    return `No target of ${this.path} can be used (${each(this.targets, "it has none")})`
  }
}

/**
 * The links of a namespace lead in a circle, or through more than the allowed number of namespaces. `visited` has the
 * paths in the order in which they were followed. The administrator of the namespace has to repair it.
 *
 * @category errors
 * @since 0.1.0
 */
export class DfsLoop extends Schema.TaggedError<DfsLoop>()("DfsLoop", {
  path: Schema.String,
  server: Schema.String,
  visited: Schema.Array(Schema.String),
  step: Step
}) {
  override get message(): string {
    return `The DFS links of ${this.path} do not come to an end: ${
      this.visited.join(" -> ")
    } (last asked: ${this.server})`
  }
}

/**
 * The path's first component is a domain, and none of its controllers could be asked (or none is known). `targets` has
 * each with its error, in the order in which they were asked. Name controllers in `DfsOptions.domainControllers`, or
 * check the DNS of this machine.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoDomainController extends Schema.TaggedError<NoDomainController>()("NoDomainController", {
  path: Schema.String,
  domain: Schema.String,
  /** The controller that was asked last. */
  server: Schema.optionalKey(Schema.String),
  targets: Schema.Array(Schema.Struct({ target: Schema.String, reason: Schema.String })),
  cause: Schema.optionalKey(Schema.Defect()),
  step: Step
}) {
  override get message(): string {
    return `No domain controller of ${this.domain} answers for ${this.path} (${each(this.targets, "none is known")})`
  }
}

/** Tells one state of a file from another: bytes, and 100 ns ticks since 1601. */
const FileState = Schema.Struct({ size: Schema.BigInt, lastWriteTime: Schema.BigInt })

/**
 * A target failed while a file was being read, and the file at the next target is a different one: its size or the time
 * of its last write differ. `offset` is the next byte to read. The bytes read so far come from `from`; start again to
 * read the file at `to`. `cause` is the failure of the first target.
 *
 * @category errors
 * @since 0.1.0
 */
export class TargetDiffers extends Schema.TaggedError<TargetDiffers>()("TargetDiffers", {
  path: Schema.String,
  server: Schema.String,
  from: Schema.String,
  to: Schema.String,
  offset: Schema.BigInt,
  expected: FileState,
  found: FileState,
  cause: Schema.optionalKey(Schema.Defect()),
  step: Step
}) {
  override get message(): string {
    const of = ({ lastWriteTime, size }: typeof FileState.Type) =>
      `${size} bytes of ${FileTime.toISO(lastWriteTime) ?? "no time"}`
    return `${this.from} went away at byte ${this.offset}, and ${this.to} is another file ` +
      `(${of(this.found)}, not ${of(this.expected)}): read ${this.path} again from the start`
  }
}

/**
 * The failures of a referral request, except those of connection and logon.
 *
 * @since 0.1.0
 */
export type ReferralError =
  | Malformed
  | Overflow
  | Unsupported
  | NotDfsCapable
  | NamespaceNotFound
  | ReferralRefused

/**
 * Why there is no referral: the server's response, or that it could not be asked.
 *
 * @since 0.1.0
 */
export type NoReferral = ReferralError | ReferralUnavailable

/**
 * The reasons of `DfsError`.
 *
 * @category models
 * @since 0.2.0
 */
export const DfsReason = Schema.Union([
  NamespaceNotFound,
  ReferralRefused,
  ReferralUnavailable,
  NoTargetLeft,
  NoDomainController,
  DfsLoop,
  TargetDiffers
])
export type DfsReason = typeof DfsReason.Type

/**
 * A DFS path leads to no file. `reason` has the path, the server and the facts, and its message is the error's.
 *
 * - `NamespaceNotFound`: the server has no namespace of that name.
 * - `ReferralRefused`: the server refused the referral with another status, or gave no target.
 * - `ReferralUnavailable`: the server could not be asked for a referral.
 * - `NoTargetLeft`: every target of the path failed.
 * - `NoDomainController`: the path is in a domain, and none of its controllers could be asked.
 * - `DfsLoop`: the links of the namespace lead in a circle, or through too many namespaces.
 * - `TargetDiffers`: a target failed during a read, and the next target has another file.
 *
 * @example
 * ```ts
 * return yield* smb.readFile(path).pipe(
 *   Effect.catchReason("DfsError", "NoTargetLeft", ({ message }) => Effect.as(Effect.logError(message), empty))
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class DfsError extends Schema.TaggedError<DfsError>()("DfsError", {
  reason: DfsReason,
  /** True if the failed operation has changed something by one of its earlier requests, as with `TransportError`. */
  sent: Schema.optionalKey(Schema.Boolean)
}) {
  override get message(): string {
    return this.sent === true
      ? `${this.reason.message}; an earlier request of the operation has changed something`
      : this.reason.message
  }
  /** The failure behind the reason, if there was one. */
  override get cause(): unknown {
    return "cause" in this.reason ? this.reason.cause : undefined
  }
}

/**
 * What the algorithm ends with: an error by its own tag, or a reason of `DfsError`.
 *
 * @since 0.2.0
 */
export type Failure = ReferralError | DfsReason

/**
 * All that DFS adds to the failures of a path.
 *
 * @since 0.2.0
 */
export type ResolutionError = Malformed | Overflow | Unsupported | NotDfsCapable | DfsError

/**
 * A failure of the algorithm as the caller of a path gets it.
 *
 * @since 0.2.0
 */
export const toError = (failure: Failure): ResolutionError =>
  isReason(failure) ? new DfsError({ reason: failure }) : failure

const isReason = Schema.is(DfsReason)

const failures = [Malformed, Overflow, Unsupported, NotDfsCapable, ...DfsReason.members]

/**
 * Whether a value is a failure of the algorithm.
 *
 * @category guards
 * @since 0.2.0
 */
export const isFailure = (error: unknown): error is Failure => failures.some((one) => error instanceof one)

/**
 * The same error, with the path and the step in which it failed, unless the error has its own.
 *
 * @since 0.1.0
 */
export const at = <E extends Failure>(error: E, place: { readonly path: string; readonly step: number }): E => {
  if (error.step !== undefined) return error
  const { step } = place
  const known = error as Failure
  switch (known._tag) {
    case "Malformed":
      return new Malformed({ ...fields(known), path: place.path, step }) as Failure as E
    case "Unsupported":
      return new Unsupported({ ...fields(known), path: place.path, step }) as Failure as E
    case "Overflow":
      return new Overflow({ ...fields(known), step }) as Failure as E
    case "NotDfsCapable":
      return new NotDfsCapable({ ...fields(known), step }) as Failure as E
    case "NamespaceNotFound":
      return new NamespaceNotFound({ ...fields(known), step }) as Failure as E
    case "ReferralRefused":
      return new ReferralRefused({ ...fields(known), step }) as Failure as E
    case "ReferralUnavailable":
      return new ReferralUnavailable({
        ...fields(known),
        path: known.path ?? place.path,
        step,
        ...(known.cause === undefined ? {} : { cause: known.cause })
      }) as Failure as E
    default:
      return error
  }
}

/**
 * The same error with other names in its paths, if it is one of DFS: for a client that shows other names than it sends.
 * The paths begin with server and share.
 *
 * @since 0.2.0
 */
export const withPaths = <E>(error: E, change: (path: string) => string): E => {
  const known: unknown = error
  if (known instanceof DfsError) {
    const { reason, sent } = known
    return new DfsError({ reason: changed(reason, change), ...(sent === undefined ? {} : { sent }) }) as DfsError & E
  }
  return isFailure(known) ? changed(known, change) as Failure & E : error
}

const changed = <F extends Failure>(failure: F, change: (path: string) => string): F => {
  const known = failure as Failure
  const path = (one: string | undefined) => (one === undefined ? {} : { path: change(one) })
  const cause = "cause" in known && known.cause !== undefined ? { cause: known.cause } : {}
  switch (known._tag) {
    case "Malformed":
      return new Malformed({ ...fields(known), ...path(known.path) }) as Failure as F
    case "Unsupported":
      return new Unsupported({ ...fields(known), ...path(known.path) }) as Failure as F
    case "Overflow":
      return new Overflow({ ...fields(known), path: change(known.path) }) as Failure as F
    case "NotDfsCapable":
      return new NotDfsCapable({ ...fields(known), path: change(known.path) }) as Failure as F
    case "NamespaceNotFound":
      return new NamespaceNotFound({ ...fields(known), path: change(known.path) }) as Failure as F
    case "ReferralRefused":
      return new ReferralRefused({ ...fields(known), path: change(known.path) }) as Failure as F
    case "ReferralUnavailable":
      return new ReferralUnavailable({ ...fields(known), ...path(known.path), ...cause }) as Failure as F
    case "NoTargetLeft":
      return new NoTargetLeft({
        ...fields(known),
        path: change(known.path),
        targets: known.targets.map(({ reason, target }) => ({ reason, target: change(target) })),
        ...cause
      }) as Failure as F
    case "NoDomainController":
      return new NoDomainController({ ...fields(known), path: change(known.path), ...cause }) as Failure as F
    case "DfsLoop":
      return new DfsLoop({
        ...fields(known),
        path: change(known.path),
        visited: known.visited.map(change)
      }) as Failure as F
    case "TargetDiffers":
      return new TargetDiffers({
        ...fields(known),
        path: change(known.path),
        from: change(known.from),
        to: change(known.to),
        ...cause
      }) as Failure as F
  }
}

/** An error's own values, without its tag and stack. */
const fields = <E extends Failure>(error: E): Omit<E, "_tag" | keyof Error> =>
  Object.fromEntries(Object.entries(error).filter(([key]) => !notFields.has(key))) as Omit<E, "_tag" | keyof Error>

const notFields: ReadonlySet<string> = new Set(["_tag", "cause", "message", "name", "stack"])
