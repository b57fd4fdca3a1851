/**
 * The command's own errors, and how any failure appears on a terminal: one line, and an exit code.
 *
 * Names come from servers and from the user, so characters that could move the cursor or start a second line are
 * replaced.
 */
import * as Cause from "effect/Cause"
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { RemovalError } from "../Client/RemovalError.ts"
import type { SmbError } from "../Protocol/Errors.ts"

/** The arguments of the command are wrong. Exit code 2. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** This machine's side failed: a local file, or a name from the server that must not be written here. */
export class LocalError extends Schema.TaggedError<LocalError>()("LocalError", {
  path: Schema.String,
  detail: Schema.String,
  /** The disk is full, so all other files fail too. */
  full: Schema.optionalKey(Schema.Boolean)
}) {
  override get message(): string {
    return `${this.path}: ${this.detail}`
  }
}

/** Part of the work failed, and each failure has been reported. */
export class Incomplete extends Schema.TaggedError<Incomplete>()("Incomplete", {
  failures: Schema.Number,
  what: Schema.Literals(["changed", "copied", "listed", "read", "removed"])
}) {
  override get message(): string {
    return `${this.failures} ${this.failures === 1 ? "entry" : "entries"} could not be ${this.what}`
  }
}

const failuresOfOne: ReadonlySet<string> = new Set([
  "SmbError",
  "LocalError",
  "PlatformError",
  "FileShortened",
  "FileTooLarge",
  "PathError",
  "RemovalError",
  "AuthenticationError",
  "Malformed",
  "DfsError",
  "NotDfsCapable",
  "Overflow",
  "Unsupported"
])

const isFull = ({ reason: { cause } }: PlatformError): boolean =>
  Predicate.hasProperty(cause, "code") && (cause.code === "ENOSPC" || cause.code === "EDQUOT")

const isFullThere = ({ reason }: SmbError): boolean => reason._tag === "DiskFull" || reason._tag === "QuotaExceeded"

/**
 * Whether a failure in a tree concerns one file or folder, so that the others can go on: a server's error about it, a
 * local file, the target of a DFS link. A failure of the connection, or a full disk on either side,
 * concerns all files.
 */
export const concernsOne = (error: { readonly _tag: string; readonly reason?: unknown }): boolean => {
  if (!failuresOfOne.has(error._tag)) return false
  if (error instanceof LocalError) return error.full !== true
  if (error instanceof RemovalError) return error.reason._tag === "RootOrLink" || !error.reason.ended
  if (Predicate.isTagged(error, "PlatformError")) return !isFull(error as unknown as PlatformError)
  return !Predicate.isTagged(error, "SmbError") || !isFullThere(error as unknown as SmbError)
}

/** The reader of the output has closed it, as `head` does. This failure is not reported. */
export class OutputClosed extends Schema.TaggedError<OutputClosed>()("OutputClosed", {}) {}

/** The exit code that a shell shows for a program that ended by SIGPIPE. */
const outputClosedCode = 141

/** Control characters, also those of 8 bits, and characters that reverse the direction of text. */
// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** Text of unknown origin, made safe for a terminal. */
export const printable = (text: string): string => text.replace(unprintable, "?")

/** The text on one line, safe for a terminal. */
export const oneLine = (text: string): string => printable(text.replace(/\s*\n\s*/g, " ").trim())

/** How a failure is reported. */
export interface Report {
  readonly code: number
  /** The message without the program's name; absent if nothing is to be reported. */
  readonly message?: string
  /** For `--json`. */
  readonly json?: Readonly<Record<string, unknown>>
}

/**
 * Why a local path does not exist. Node reads names as UTF-8, and has U+FFFD for each byte that is not valid: a file is
 * not found by such a name, though a listing has it.
 */
export const notFound = (path: string): string =>
  path.includes("\ufffd")
    ? "the name is not in UTF-8, and cannot be opened by it: rename it (convmv can, from ISO 8859-1 for example)"
    : "there is no such file or directory"

const platformReasons: Readonly<Record<string, string>> = {
  AlreadyExists: "already exists",
  PermissionDenied: "permission denied"
}

/** The text of a file system's error, without the path, in the words of the operating system's own tools. */
const platformDetail = ({ reason }: PlatformError, path: string): string => {
  if (reason._tag === "NotFound") return notFound(path)
  const cause = Predicate.hasProperty(reason.cause, "message") ? String(reason.cause.message) : ""
  // "ENOSPC: no space left on device, write"
  return platformReasons[reason._tag] ?? /^[A-Z0-9]+: ([^,]*)/.exec(cause)?.[1] ?? reason.message
}

/** A file system's error as an error about a path that the user knows. */
export const localError = (path: string, error: PlatformError): LocalError =>
  new LocalError({ path, detail: platformDetail(error, path), ...(isFull(error) ? { full: true } : {}) })

const platformMessage = (error: PlatformError): string =>
  "pathOrDescriptor" in error.reason && typeof error.reason.pathOrDescriptor === "string"
    ? `${error.reason.pathOrDescriptor}: ${platformDetail(error, error.reason.pathOrDescriptor)}`
    : platformDetail(error, "")

/** The client's options as its messages name them, in backquotes, and the command's flags for them. */
const flags: ReadonlyArray<readonly [option: RegExp, flag: string]> = [
  [/`(signing|encryption): "([a-z-]+)"`/g, "--$1 $2"],
  [/`mode: "([a-z]+)"`/g, "--dfs $1"],
  [/`dialects: \["NT1"\]`/g, "--dialect nt1"],
  [/`dialects`/g, "--dialect"],
  [/`Credentials\.guest`/g, "--guest"],
  [/`(?:connectTimeout|requestTimeout)`/g, "--timeout"],
  [/`pendingTimeout`/g, "--pending-timeout"]
]

/** Replaces the client's options in a message by the command's flags. */
export const inFlags = (message: string): string =>
  flags.reduce((text, [option, flag]) => text.replace(option, flag), message)

const messageOf = (error: unknown): string => {
  if (Predicate.isTagged(error, "PlatformError")) return platformMessage(error as unknown as PlatformError)
  if (!Predicate.hasProperty(error, "_tag")) return `this should not happen: ${String(error)}`
  if (reasonOf(error) === "PathNotCovered") {
    return `${(error as unknown as Error).message}: a DFS link lies on the way, which "--dfs off" does not follow`
  }
  return inFlags(
    Predicate.hasProperty(error, "message") && typeof error.message === "string" ? error.message : String(error)
  )
}

const reasonOf = (error: unknown): string | undefined =>
  Predicate.hasProperty(error, "reason") && Predicate.hasProperty(error.reason, "_tag")
    ? String(error.reason._tag)
    : undefined

/** The counts of a removal that was not complete. */
const counts = (error: unknown): Readonly<Record<string, number>> =>
  error instanceof RemovalError && error.reason._tag === "RemovalIncomplete"
    ? { removed: error.reason.removed, failed: error.reason.failed }
    : {}

/** One failure as a line and as an object. */
export const report = (error: unknown): Report => {
  if (Predicate.isTagged(error, "OutputClosed")) return { code: outputClosedCode }
  if (Predicate.isTagged(error, "ShowHelp")) {
    const { commandPath, errors } = error as unknown as {
      readonly commandPath: ReadonlyArray<string>
      readonly errors: ReadonlyArray<Error>
    }
    if (errors.length === 0) return { code: 2 }
    const detail = errors.map((each) => oneLine(each.message)).join("; ")
    const message = `${detail} (see ${commandPath.join(" ")} --help)`
    return { code: 2, message, json: { error: "UsageError", message: detail } }
  }
  const message = oneLine(messageOf(error))
  const tag = Predicate.hasProperty(error, "_tag") ? String(error._tag) : "Defect"
  const reason = reasonOf(error)
  return {
    code: tag === "UsageError" || reason === "RootOrLink" ? 2 : 1,
    message,
    json: {
      error: tag,
      ...(reason === undefined ? {} : { reason }),
      message,
      ...counts(error),
      ...(Predicate.hasProperty(error, "statusName") ? { status: error.statusName } : {})
    }
  }
}

/** The report on why a run ended. An interruption has none: the user that pressed the keys knows. */
export const reportCause = (cause: Cause.Cause<unknown>): Report | undefined =>
  Cause.hasInterruptsOnly(cause) ? undefined : report(Cause.squash(cause))
