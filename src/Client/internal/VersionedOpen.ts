/** Opens of previous versions, whose paths have a component `@GMT-...`. A previous version cannot be changed. */
import * as Effect from "effect/Effect"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import * as OpenMode from "../OpenMode.ts"
import * as PreviousVersion from "../PreviousVersion.ts"
import * as UncPath from "../UncPath.ts"

/** Refuses a change of a previous version. */
export const refuseChange = (path: string): Effect.Effect<never, UncPath.PathError> =>
  Effect.fail(UncPath.invalid(path, "a previous version can be read and copied, not changed"))

/**
 * Opens with a previous version's time in the options, and without its token in the path. A server without snapshots
 * ignores the time, so a change would then change the current file.
 */
export const openVersion = <A, E, R>(
  share: Share.Share,
  path: string,
  options: Share.OpenOptions,
  open: (path: string, options: Share.OpenOptions) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | UncPath.PathError, R> => {
  const { path: plain, time } = PreviousVersion.split(path)
  if (time === undefined) return open(path, options)
  return OpenMode.changes(options)
    ? refuseChange(UncName.format(share, share.name, path))
    : open(plain, { timewarp: time, ...options })
}
