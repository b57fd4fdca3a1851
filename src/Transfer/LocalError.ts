/** Errors of this machine's side: a local file, or a name from a server that must not be written here. */
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/**
 * A local file cannot be read or written, or no local file can have a name.
 *
 * @category errors
 * @since 0.2.0
 */
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

/**
 * Whether a file system's error means that the disk, or the user's quota, is full.
 *
 * @since 0.2.0
 */
export const isFull = ({ reason: { cause } }: PlatformError): boolean =>
  Predicate.hasProperty(cause, "code") && (cause.code === "ENOSPC" || cause.code === "EDQUOT")

/**
 * Why a local path does not exist. Node reads names as UTF-8, and has U+FFFD for each byte that is not valid: a file is
 * not found by such a name, though a listing has it.
 *
 * @since 0.2.0
 */
export const notFound = (path: string): string =>
  path.includes("\ufffd")
    ? "the name is not in UTF-8, and cannot be opened by it: rename it (convmv can, from ISO 8859-1 for example)"
    : "there is no such file or directory"

const platformReasons: Readonly<Record<string, string>> = {
  AlreadyExists: "already exists",
  PermissionDenied: "permission denied"
}

/**
 * The text of a file system's error, without the path, in the words of the operating system's own tools.
 *
 * @since 0.2.0
 */
export const describe = ({ reason }: PlatformError, path: string): string => {
  if (reason._tag === "NotFound") return notFound(path)
  const cause = Predicate.hasProperty(reason.cause, "message") ? String(reason.cause.message) : ""
  // "ENOSPC: no space left on device, write"
  return platformReasons[reason._tag] ?? /^[A-Z0-9]+: ([^,]*)/.exec(cause)?.[1] ?? reason.message
}

/**
 * A file system's error as an error about a path that the user knows.
 *
 * @since 0.2.0
 */
export const fromPlatform = (path: string, error: PlatformError): LocalError =>
  new LocalError({ path, detail: describe(error, path), ...(isFull(error) ? { full: true } : {}) })
