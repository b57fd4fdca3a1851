/**
 * What can go wrong with a DFS path, each failure with the path, the server and the way out.
 *
 * The codec fails with `Malformed`, `Unsupported` and `Unencodable`; a server's answer becomes `Overflow`,
 * `NotDfsCapable`, `NamespaceNotFound` or `ReferralRefused`; the algorithm adds `NoTargetLeft`, `NoDomainController` and
 * `DfsLoop`; a client that reads on at another target adds `TargetDiffers`. Where a server's IPC$ cannot be used, that is
 * `ReferralUnavailable`. No credential is ever part of one.
 */
import * as Schema from "effect/Schema"
import * as FileTime from "../Codec/FileTime.ts"
import { Malformed } from "../Codec/Malformed.ts"
import * as NtStatus from "../Codec/NtStatus.ts"

export { Malformed }

/** The step of MS-DFSC 3.1.4.1 in which a path failed, where it was in one. */
const Step = Schema.optionalKey(Schema.Number)

const from = (server: string | undefined): string => (server === undefined ? "" : ` from ${server}`)
const of = (path: string | undefined): string => (path === undefined ? "" : ` for ${path}`)

/** Targets that a message names. A referral may have hundreds. */
const mostNamed = 8

/** What each target said, as far as a message goes. */
const each = (
  targets: ReadonlyArray<{ readonly target: string; readonly reason: string }>,
  none: string
): string => {
  const named = targets.slice(0, mostNamed).map(({ reason, target }) => `${target}: ${reason}`)
  const more = targets.length > mostNamed ? [`and ${targets.length - mostNamed} more`] : []
  return targets.length === 0 ? none : [...named, ...more].join("; ")
}

/**
 * A referral did not fit into the buffer that was offered, `size` bytes (STATUS_BUFFER_OVERFLOW, 0x80000005). Nothing
 * of it can be used. Ask again with a larger buffer: `DfsPolicy.retryOverflow`.
 *
 * @category errors
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
 * server does not have. `offset` counts bytes from the start of the message, where there is one.
 *
 * @category errors
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
 * A value that has no encoding: text with a NUL inside, or more of it than 16-bit offsets reach. The caller's mistake,
 * never a peer's.
 *
 * @category errors
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
 * The server does not do DFS at all (STATUS_FS_DRIVER_REQUIRED over SMB 2, STATUS_NO_SUCH_DEVICE over SMB 1).
 * `mode: "fallback"` goes on without DFS, `mode: "strict"` ends with this.
 *
 * @category errors
 */
export class NotDfsCapable extends Schema.TaggedError<NotDfsCapable>()("NotDfsCapable", {
  server: Schema.String,
  path: Schema.String,
  step: Step
}) {
  override get message(): string {
    return `${this.server} does not do DFS, which ${this.path} asks for: ` +
      "`mode: \"fallback\"` reaches it as an ordinary share"
  }
}

/**
 * The server does DFS, and has no namespace of that name: the path is an ordinary share, or does not exist
 * (STATUS_NOT_FOUND, STATUS_DFS_UNAVAILABLE, STATUS_NO_SUCH_FILE). `status` is the NTSTATUS.
 *
 * @category errors
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
 * The server answered a referral request with another NTSTATUS, or with no target at all
 * (STATUS_OBJECT_PATH_NOT_FOUND then).
 *
 * @category errors
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
 * The server has let the user in, and could not be asked for a referral: its IPC$ refuses, ends the connection or does not
 * answer. `reason` says which, and `cause` is that failure. Whether the path is in a namespace is not known.
 *
 * @category errors
 */
export class ReferralUnavailable extends Schema.TaggedError<ReferralUnavailable>()("ReferralUnavailable", {
  server: Schema.String,
  path: Schema.optionalKey(Schema.String),
  reason: Schema.String,
  cause: Schema.optionalKey(Schema.Defect()),
  step: Step
}) {
  override get message(): string {
    return `${this.server} could not be asked for a referral${of(this.path)}: ${this.reason}`
  }
}

/**
 * Every target of the path has failed. `targets` has each as it was tried, with what it said, in order.
 *
 * @category errors
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
 * paths in the order in which they were walked. Whoever keeps the namespace has to repair it.
 *
 * @category errors
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
 * each as it was asked, with what it said, in order. Name controllers in `DfsOptions.domainControllers`, or check the
 * DNS of this machine.
 *
 * @category errors
 */
export class NoDomainController extends Schema.TaggedError<NoDomainController>()("NoDomainController", {
  path: Schema.String,
  domain: Schema.String,
  /** The one that was asked last. */
  server: Schema.optionalKey(Schema.String),
  targets: Schema.Array(Schema.Struct({ target: Schema.String, reason: Schema.String })),
  cause: Schema.optionalKey(Schema.Defect()),
  step: Step
}) {
  override get message(): string {
    return `No domain controller of ${this.domain} answers for ${this.path} (${each(this.targets, "none is known")})`
  }
}

/** What tells one state of a file from another: bytes, and 100 ns ticks since 1601. */
const FileState = Schema.Struct({ size: Schema.BigInt, lastWriteTime: Schema.BigInt })

/**
 * A file was being read when its target died, and the file at the next target is another one: its size or the time of
 * its last write differ. `offset` is the next byte that was to be read. What has been read is of `from`; begin anew to
 * read the file at `to`. `cause` is what the target died of.
 *
 * @category errors
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
      `(${of(this.found)}, not ${of(this.expected)}): read ${this.path} anew`
  }
}

/** What a referral request can fail with, connection and logon aside. */
export type ReferralError =
  | Malformed
  | Overflow
  | Unsupported
  | NotDfsCapable
  | NamespaceNotFound
  | ReferralRefused

/** Why there is no referral: the server says so, or could not be asked. */
export type NoReferral = ReferralError | ReferralUnavailable

/** All that DFS adds to the failures of a path. */
export type DfsError = NoReferral | NoTargetLeft | NoDomainController | DfsLoop | TargetDiffers

/** The same error, with the path that it ended and the step in which it did, as far as it does not say so itself. */
export const at = <E extends DfsError>(error: E, place: { readonly path: string; readonly step: number }): E => {
  if (error.step !== undefined) return error
  const { step } = place
  const known = error as DfsError
  switch (known._tag) {
    case "Malformed":
      return new Malformed({ ...fields(known), path: place.path, step }) as DfsError as E
    case "Unsupported":
      return new Unsupported({ ...fields(known), path: place.path, step }) as DfsError as E
    case "Overflow":
      return new Overflow({ ...fields(known), step }) as DfsError as E
    case "NotDfsCapable":
      return new NotDfsCapable({ ...fields(known), step }) as DfsError as E
    case "NamespaceNotFound":
      return new NamespaceNotFound({ ...fields(known), step }) as DfsError as E
    case "ReferralRefused":
      return new ReferralRefused({ ...fields(known), step }) as DfsError as E
    case "ReferralUnavailable":
      return new ReferralUnavailable({
        ...fields(known),
        path: known.path ?? place.path,
        step,
        ...(known.cause === undefined ? {} : { cause: known.cause })
      }) as DfsError as E
    default:
      return error
  }
}

/** An error's own values, without its tag and stack. */
const fields = <E extends DfsError>(error: E): Omit<E, "_tag" | keyof Error> =>
  Object.fromEntries(Object.entries(error).filter(([key]) => !notFields.has(key))) as Omit<E, "_tag" | keyof Error>

const notFields: ReadonlySet<string> = new Set(["_tag", "cause", "message", "name", "stack"])
