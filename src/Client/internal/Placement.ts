/**
 * The place of a path for comparison, and the places that a path must not name: helpers that the path operations share.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { fold } from "../../Codec/UpCase.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import type * as Locator from "../Locator.ts"
import * as OpenMode from "../OpenMode.ts"
import * as PreviousVersion from "../PreviousVersion.ts"
import { RemovalError, RootOrLink } from "../RemovalError.ts"
import * as UncPath from "../UncPath.ts"

/** A path as a text. */
export const text = (path: UncPath.PathInput): string => typeof path === "string" ? path : UncPath.format(path)

/** A path for a span: without the user of an `smb://` path, and empty if it is not a path. */
const forSpan = (path: UncPath.PathInput): string =>
  Result.match(UncPath.parse(path), { onSuccess: UncPath.format, onFailure: () => "" })

/** The attributes of an operation's span. */
export const spanOf = (path: UncPath.PathInput) => ({ attributes: { path: forSpan(path) } })

/** Gives the span of an operation its attributes. `to` is the second path of an operation that has two. */
export const named = (path: UncPath.PathInput, to?: UncPath.PathInput): Effect.Effect<void> =>
  Effect.annotateCurrentSpan(
    to === undefined ? { path: forSpan(path) } : { path: forSpan(path), to: forSpan(to) }
  )

/** Refuses a change of a previous version. */
export const readOnlyVersion = (path: string) =>
  Effect.fail(UncPath.invalid(path, "a previous version can be read and copied, not changed"))

/**
 * Opens with a previous version's time in the options, and without its token in the path. A server without snapshots
 * ignores the time, so a change would then change the current file.
 */
export const versioned = <A, E, R>(
  share: Share.Share,
  path: string,
  options: Share.OpenOptions,
  open: (path: string, options: Share.OpenOptions) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | UncPath.PathError, R> => {
  const { path: plain, time } = PreviousVersion.split(path)
  if (time === undefined) return open(path, options)
  return OpenMode.changes(options)
    ? readOnlyVersion(UncName.format(share, share.name, path))
    : open(plain, { timewarp: time, ...options })
}

/** The result of the first operation of a batch. */
export const first = <A, E>(results: readonly [Result.Result<A, E>, ...ReadonlyArray<unknown>]): Effect.Effect<A, E> =>
  Effect.fromResult(results[0])

/** The tag of a reparse point; a server without the information class has no reparse points. */
export const tagOf = (result: Result.Result<{ readonly reparseTag: number }, unknown>): number =>
  Result.isSuccess(result) ? result.success.reparseTag : 0

/** The error if the entry at a target cannot be removed or renamed by this path. */
export const rootOrLink = (path: UncPath.UncPath, target: Locator.Target): RemovalError | undefined => {
  const { path: below } = PreviousVersion.split(target.path)
  if (target.isLink !== true && below !== "") return undefined
  const leadsTo = UncName.format(target, target.share, target.path)
  const reason = target.isLink === true || PreviousVersion.split(path.path).path !== ""
    ? new RootOrLink({ path: UncPath.format(path), kind: "link", target: leadsTo })
    : new RootOrLink({ path: UncPath.format(path), kind: "share" })
  return new RemovalError({ reason })
}

/** The place of a file, for comparison: names that differ only by case count as the same. */
export const placeOf = (share: Share.Share, path: string): string =>
  fold(`${share.server}:${share.port}\\${share.name}\\${path}`)

export const isSameShare = (share: Share.Share, target: Locator.Target): boolean =>
  fold(share.server) === fold(target.server) && share.port === target.port &&
  fold(share.name) === fold(target.share)
