/** The names of paths, as messages and the spans of operations have them. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as UncPath from "../UncPath.ts"

/** A path as a text. */
export const text = (path: UncPath.PathInput): string => typeof path === "string" ? path : UncPath.format(path)

/** A path for a span: without the user of an `smb://` path, and empty if it is not a path. */
const forSpan = (path: UncPath.PathInput): string =>
  Result.match(UncPath.parse(path), { onSuccess: UncPath.format, onFailure: () => "" })

/** The options of `Effect.withSpan` for an operation on a path. */
export const spanOptions = (path: UncPath.PathInput) => ({ attributes: { path: forSpan(path) } })

/** Gives the current span the path of its operation. `to` is the second path of an operation that has two. */
export const annotateSpan = (path: UncPath.PathInput, to?: UncPath.PathInput): Effect.Effect<void> =>
  Effect.annotateCurrentSpan(
    to === undefined ? { path: forSpan(path) } : { path: forSpan(path), to: forSpan(to) }
  )
