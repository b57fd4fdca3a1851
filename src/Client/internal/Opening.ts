/** Opens by path: a file that stays open, and batches that open, work and close in one compound. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as Spans from "../../Protocol/Spans.ts"
import type { ClientError } from "../ClientError.ts"
import * as Locator from "../Locator.ts"
import * as OpenMode from "../OpenMode.ts"
import * as UncPath from "../UncPath.ts"
import * as OpenResponse from "./OpenResponse.ts"
import { about } from "./OperationSpans.ts"
import * as OverwriteAttributes from "./OverwriteAttributes.ts"
import type * as ReadFailover from "./ReadFailover.ts"
import { atTarget, onShare, type PathContext, type RefuseTarget, toRead, withShare } from "./TargetAttempt.ts"
import { openVersion } from "./VersionedOpen.ts"

/** An open file, and its share. */
export interface OpenedFile {
  readonly share: Share.Share
  readonly file: Share.OpenFile
}

/** Opens a file on a share; for writing with the attributes that an existing hidden or system file needs. */
export const openOn = (
  share: Share.Share,
  below: string,
  options: Share.OpenOptions
): Effect.Effect<OpenedFile, ClientError, Scope.Scope> =>
  Effect.map(
    openVersion(share, below, options, OverwriteAttributes.retrying(share, share.open)),
    (file) => ({ share, file })
  )

/**
 * Opens the file at a path until the scope closes. If the open can change something, an interruption waits for its
 * response: a caller that tries again would meet the open of its first try.
 */
export const openFile = (
  context: PathContext,
  path: UncPath.PathInput,
  options: Share.OpenOptions
): Effect.Effect<OpenedFile, ClientError, Scope.Scope> =>
  withShare(context, path, (share, below) => {
    const open = openOn(share, below, options)
    return OpenMode.changes(options) ? OpenResponse.awaited(open, () => Effect.void, () => Effect.void) : open
  })

/**
 * Begins a read that can go on at another target: targets that have failed are not tried again, and fail with the same
 * error. Each attempt has a span.
 */
export const beginForFailover = <A>(
  context: PathContext,
  path: UncPath.PathInput,
  begin: (share: Share.Share, below: string) => Effect.Effect<A, ClientError, Scope.Scope>,
  refuse?: RefuseTarget
): ReadFailover.Begin<A & { readonly place: string }> => {
  const reading = toRead(context)
  return (failed) =>
    Effect.flatMap(Effect.fromResult(UncPath.parseInShare(path)), (unc) =>
      reading.locator.use(unc, (target) => {
        const error = refuse?.(unc, target)
        if (error !== undefined) return Effect.fail(error)
        const place = Locator.placeOf(target)
        if (failed?.places.has(place) === true) return Effect.fail(failed.error)
        return atTarget(reading, unc, target, (share, below) =>
          Effect.map(begin(share, below), (begun) => ({ ...begun, place })))
      })).pipe((open) => Effect.suspend(() => Spans.effect(open, "SmbClient.open", about(path))))
}

/** Opens for a read that can go on at another target. */
export const openForFailover = (
  context: PathContext,
  path: UncPath.PathInput,
  options: Share.OpenOptions
): ReadFailover.Open =>
  beginForFailover(
    context,
    path,
    (share, below) => Effect.map(openVersion(share, below, options, share.open), (file) => ({ share, file }))
  )

/** Opens, runs the operations and closes in one compound. `operations` can depend on the limits of the share. */
export const batch = <const Ops extends ReadonlyArray<Operation.Any>>(
  context: PathContext,
  path: UncPath.PathInput,
  options: Share.OpenOptions,
  operations: Ops | ((limits: Share.Share["limits"]) => Ops)
) =>
  onShare(
    context,
    path,
    (share, below) =>
      openVersion(
        share,
        below,
        options,
        OverwriteAttributes.retrying(
          share,
          (below, options) =>
            share.batch(below, options, typeof operations === "function" ? operations(share.limits) : operations)
        )
      )
  )

/** The result of the first operation of a batch. */
export const firstResult = <A, E>(
  results: readonly [Result.Result<A, E>, ...ReadonlyArray<unknown>]
): Effect.Effect<A, E> => Effect.fromResult(results[0])

/** The tag of a reparse point; a server without the information class has no reparse points. */
export const reparseTag = (result: Result.Result<{ readonly reparseTag: number }, unknown>): number =>
  Result.isSuccess(result) ? result.success.reparseTag : 0
