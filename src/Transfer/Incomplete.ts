/** The end of a transfer of which some entries failed, and which failures concern one entry alone. */
import type { PlatformError } from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { RemovalError } from "../Client/RemovalError.ts"
import type { SmbError } from "../Protocol/Errors.ts"
import { isFull, LocalError } from "./LocalError.ts"

/**
 * Part of the work failed, and a `Failed` event has told each failure.
 *
 * @category errors
 * @since 0.2.0
 */
export class Incomplete extends Schema.TaggedError<Incomplete>()("Incomplete", {
  failures: Schema.Number,
  what: Schema.Literals(["changed", "copied", "listed", "made", "moved", "read", "removed", "resolved"])
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

const isFullThere = ({ reason }: SmbError): boolean => reason._tag === "DiskFull" || reason._tag === "QuotaExceeded"

/**
 * Whether a failure in a tree concerns one file or folder, so that the others can go on: a server's error about it, a
 * local file, the target of a DFS link. A failure of the connection, or a full disk on either side, concerns all files.
 *
 * @since 0.2.0
 */
export const concernsOne = (error: { readonly _tag: string; readonly reason?: unknown | undefined }): boolean => {
  if (!failuresOfOne.has(error._tag)) return false
  if (error instanceof LocalError) return error.full !== true
  if (error instanceof RemovalError) return error.reason._tag === "RootOrLink" || !error.reason.ended
  if (Predicate.isTagged(error, "PlatformError")) return !isFull(error as unknown as PlatformError)
  return !Predicate.isTagged(error, "SmbError") || !isFullThere(error as unknown as SmbError)
}
