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
import * as LocalError from "../Transfer/LocalError.ts"
import { withoutSecrets } from "./Secrets.ts"

/** The arguments of the command are wrong. Exit code 2. */
export class UsageError extends Schema.TaggedError<UsageError>()("UsageError", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}

/** `check` has found differences, and printed each. */
export class Differs extends Schema.TaggedError<Differs>()("Differs", { count: Schema.Number }) {
  override get message(): string {
    return this.count === 1 ? "1 entry differs" : `${this.count} entries differ`
  }
}

/** The directory that `watch` has watched was removed. */
export class WatchEnded extends Schema.TaggedError<WatchEnded>()("WatchEnded", { path: Schema.String }) {
  override get message(): string {
    return `${this.path}: the directory was removed, and is not watched any more`
  }
}

/** A command of the shell's input has failed, and was reported. `code`: its exit code. */
export class LinesFailed extends Schema.TaggedError<LinesFailed>()("LinesFailed", { code: Schema.Number }) {}

/** The user ends the shell. No failure that is reported. */
export class ShellEnded extends Schema.TaggedError<ShellEnded>()("ShellEnded", {}) {}

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

const platformMessage = (error: PlatformError): string =>
  "pathOrDescriptor" in error.reason && typeof error.reason.pathOrDescriptor === "string"
    ? `${error.reason.pathOrDescriptor}: ${LocalError.describe(error, error.reason.pathOrDescriptor)}`
    : LocalError.describe(error, "")

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

/** A message about a word that is not known, with the words that it may stand for on the same line. */
const withSuggestions = (message: string): string =>
  message.replace(/\s*\n\s*Did you mean this\?\s*\n([\s\S]*)$/, (_, words: string) => {
    const found = words.split("\n").map((word) => word.trim()).filter((word) => word !== "")
    const last = found.pop() ?? ""
    return `: did you mean ${found.length === 0 ? last : `${found.join(", ")} or ${last}`}?`
  })

/** One failure as a line and as an object. */
export const report = (error: unknown): Report => {
  if (Predicate.isTagged(error, "OutputClosed")) return { code: outputClosedCode }
  if (error instanceof LinesFailed) return { code: error.code }
  if (Predicate.isTagged(error, "ShowHelp")) {
    const { commandPath, errors } = error as unknown as {
      readonly commandPath: ReadonlyArray<string>
      readonly errors: ReadonlyArray<Error>
    }
    if (errors.length === 0) return { code: 2 }
    const detail = errors.map((each) => withoutSecrets(oneLine(withSuggestions(each.message)), { usage: true })).join(
      "; "
    )
    const message = `${detail} (see ${commandPath.join(" ")} --help)`
    return { code: 2, message, json: { error: "UsageError", message: detail } }
  }
  const message = withoutSecrets(oneLine(messageOf(error)), { usage: error instanceof UsageError })
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
