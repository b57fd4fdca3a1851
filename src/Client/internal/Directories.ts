/** Directories by path: lists, walks, creates and watches them. A listing can go on at another target. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { isMissing } from "../../Protocol/Errors.ts"
import type * as Share from "../../Protocol/Share.ts"
import type { ClientError } from "../ClientError.ts"
import * as Directory from "../Directory.ts"
import * as OpenMode from "../OpenMode.ts"
import type { Operations } from "../Operations.ts"
import * as UncPath from "../UncPath.ts"
import * as Watch from "../Watch.ts"
import { batch, beginForFailover, openFile } from "./Opening.ts"
import * as OpenResponse from "./OpenResponse.ts"
import { text } from "./PathNames.ts"
import * as ReadFailover from "./ReadFailover.ts"
import type { PathContext, RefuseTarget } from "./TargetAttempt.ts"
import { openVersion } from "./VersionedOpen.ts"

/** Begins a listing: in one compound with the open, the first queries and the close, or on an open directory. */
const begin = (
  share: Share.Share,
  below: string,
  directory: UncPath.UncPath,
  pattern: string,
  from: string | undefined
): Effect.Effect<
  { readonly entries: Stream.Stream<Directory.Listed, ClientError> },
  ClientError,
  Scope.Scope
> => {
  const open = openVersion(share, below, OpenMode.directory, share.open)
  return share.compounds()
    ? openVersion(share, below, OpenMode.directory, (path, options) =>
      Effect.map(
        share.batch(path, options, Directory.firstQueries(share, pattern)),
        ({ results }) => ({ entries: Directory.listedFrom(share, results, open, directory, pattern, from) })
      ))
    : Effect.map(open, (file) => ({ entries: Directory.listed(share, file, directory, pattern, from) }))
}

/** The entries of a directory that match `pattern`, with `.` and `..`. `from` is the directory's relative path. */
export const listed = (
  context: PathContext,
  path: UncPath.PathInput,
  pattern = "*",
  refuse?: RefuseTarget,
  from?: string
): Stream.Stream<Directory.Listed, ClientError> =>
  Stream.unwrap(Effect.map(Effect.fromResult(UncPath.parseInShare(path)), (unc) =>
    ReadFailover.list(
      beginForFailover(context, unc, (share, below) => begin(share, below, unc, pattern, from), refuse),
      context.locator.goesOn,
      ({ entries }) => entries
    )))

/** An interruption waits for the response: a caller that removes the directory then does not come before it is made. */
const makeOne = (context: PathContext, path: UncPath.UncPath): Effect.Effect<void, ClientError> =>
  Effect.asVoid(
    OpenResponse.awaited(batch(context, path, OpenMode.createDirectory, []), () => Effect.void, () => Effect.void)
  )

/** Creates a directory and its parents. `stat` tells whether an existing entry is a directory. */
const makeWithParents = (
  context: PathContext,
  stat: Operations["stat"],
  path: UncPath.UncPath
): Effect.Effect<void, ClientError> =>
  path.path === "" ? Effect.void : makeOne(context, path).pipe(
    Effect.catchTag("SmbError", (error) => {
      // An existing directory is enough; an existing file is not.
      if (error.reason._tag === "ObjectNameCollision") {
        return Effect.flatMap(stat(path), (entry) => entry.type === "directory" ? Effect.void : Effect.fail(error))
      }
      return !isMissing(error) ? Effect.fail(error) : Effect.andThen(
        makeWithParents(context, stat, UncPath.parent(path)),
        makeOne(context, path).pipe(
          Effect.catchTag(
            "SmbError",
            (again) => again.reason._tag === "ObjectNameCollision" ? Effect.void : Effect.fail(again)
          )
        )
      )
    })
  )

/**
 * The operations on directories.
 *
 * @category constructors
 */
export const operations = (
  context: PathContext,
  stat: Operations["stat"]
): Pick<Operations, "list" | "walk" | "makeDirectory" | "watch"> => ({
  list: (path, options) => Directory.entries(listed(context, path, options?.pattern)),
  walk: (path, options) =>
    Directory.walk(
      (path, from) => listed(context, path, "*", undefined, from),
      text(path),
      options
    ),
  makeDirectory: Effect.fnUntraced(function*(path, options) {
    const unc = yield* Effect.fromResult(UncPath.parseInShare(path))
    yield* options?.recursive === true ? makeWithParents(context, stat, unc) : makeOne(context, unc)
  }),
  watch: (path, options) =>
    Stream.unwrap(
      Effect.gen(function*() {
        const unc = yield* Effect.fromResult(UncPath.parseInShare(path))
        const { file } = yield* openFile(context, unc, OpenMode.directory)
        return Watch.changes(file, unc, options)
      })
    )
})
