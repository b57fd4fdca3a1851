/** Removes the entry or tree that a path itself names, never a share's root or a link's target. */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../Codec/NtStatus.ts"
import { isNameSurrogate, ReparseTag } from "../../Codec/Reparse.ts"
import { fromStatus, isMissing, perhapsGone } from "../../Protocol/Errors.ts"
import { FileAttributes } from "../../Smb2/Message/Constants.ts"
import type { ClientError } from "../ClientError.ts"
import * as Entry from "../Entry.ts"
import * as Information from "../Information.ts"
import * as OpenMode from "../OpenMode.ts"
import type { Operations } from "../Operations.ts"
import * as PreviousVersion from "../PreviousVersion.ts"
import { RemovalError, RootOrLink } from "../RemovalError.ts"
import * as UncPath from "../UncPath.ts"
import { listed } from "./Directories.ts"
import { firstResult, reparseTag } from "./Opening.ts"
import * as ServerLinks from "./ServerLinks.ts"
import { onEntry, type PathContext, rootOrLink } from "./TargetAttempt.ts"
import * as TreeRemoval from "./TreeRemoval.ts"
import { openVersion, refuseChange } from "./VersionedOpen.ts"

/** Whether an entry is a directory that is removed with its entries. */
const isTree = (entry: Entry.Entry): boolean => entry.type === "directory" && !isNameSurrogate(entry.reparseTag)

/**
 * The operations `remove` and `removable`. `setAttributes` clears the read-only attribute of an entry.
 *
 * @category constructors
 */
export const operations = (
  context: PathContext,
  setAttributes: Operations["setAttributes"]
): Pick<Operations, "remove" | "removable"> => {
  const around = (place: string) => listed(context, place)

  const markRemoved = (path: UncPath.UncPath): Effect.Effect<void, ClientError> =>
    onEntry(
      context,
      path,
      (share, below) =>
        openVersion(share, below, OpenMode.remove, (below, options) =>
          share.batch(below, options, [Information.setFile("FileDispositionInformation", { deletePending: true })]))
    ).pipe(
      Effect.flatMap(({ results }) =>
        firstResult(results)
      )
    )

  const removeOne = (path: UncPath.UncPath, force: boolean): Effect.Effect<void, ClientError> =>
    markRemoved(path).pipe(
      Effect.catchTag("SmbError", (error) => perhapsGone(error) ? markRemoved(path) : Effect.fail(error)),
      Effect.catchTag("SmbError", (error): Effect.Effect<void, ClientError> => {
        // smbd responds so for a link to a directory that it follows: it opened the path as a directory, and the name
        // itself is not one.
        if (error.reason._tag === "NotADirectory" && error.command !== "CREATE") {
          return Effect.fail(
            new RemovalError({ reason: new RootOrLink({ path: UncPath.format(path), kind: "server-link" }) })
          )
        }
        return force && error.reason._tag === "CannotDelete"
          ? Effect.andThen(
            setAttributes(path, { fileAttributes: FileAttributes.FILE_ATTRIBUTE_NORMAL }),
            removeOne(path, false)
          )
          : Effect.fail(error)
      })
    )

  /** The entry at the path, if it can be removed. */
  const find = (path: UncPath.UncPath): Effect.Effect<Entry.Entry, ClientError> =>
    Effect.flatMap(
      onEntry(context, path, (share, below) =>
        openVersion(share, below, OpenMode.readReparsePoint, (below, options) =>
          share.batch(below, options, [Information.queryFile("FileAttributeTagInformation")]))),
      ({ opened, results }) => {
        const entry = Entry.fromAttributes(path, opened, reparseTag(results[0]))
        return entry.reparseTag === ReparseTag.IO_REPARSE_TAG_DFS
          ? Effect.fail(new RemovalError({ reason: new RootOrLink({ path: entry.path, kind: "link" }) }))
          : Effect.succeed(entry)
      }
    )

  const removeTree = Effect.fnUntraced(function*(path: UncPath.UncPath, force: boolean) {
    if (PreviousVersion.split(path.path).time !== undefined) return yield* refuseChange(UncPath.format(path))
    const entry = yield* find(path)
    if (!isTree(entry)) return yield* removeOne(path, force)
    const at = (place: string) => Effect.fromResult(UncPath.parseInShare(place))
    yield* TreeRemoval.removeTree(
      {
        list: (place) => listed(context, place, "*", rootOrLink),
        remove: (place) => Effect.flatMap(at(place), (unc) => removeOne(unc, force))
      },
      around,
      path
    )
  })

  return {
    remove: Effect.fnUntraced(function*(path, options) {
      const force = options?.force ?? false
      const unc = yield* Effect.fromResult(UncPath.parseInShare(path))
      yield* (options?.recursive === true ? removeTree(unc, force) : removeOne(unc, force)).pipe(
        Effect.catchTag("SmbError", (error) => force && isMissing(error) ? Effect.void : Effect.fail(error))
      )
    }),
    removable: Effect.fnUntraced(function*(path, options) {
      const unc = yield* Effect.fromResult(UncPath.parseInShare(path))
      const entry = yield* find(unc)
      if (options?.recursive === true && isTree(entry)) yield* ServerLinks.refuseServerLink(around, unc)
      if (options?.access !== true) return entry
      if (PreviousVersion.split(unc.path).time !== undefined) return yield* refuseChange(entry.path)
      // The open asks for the right to delete, and the close gives it back.
      yield* onEntry(context, unc, (share, below) => share.batch(below, OpenMode.remove, []))
      const isReadOnly = (entry.fileAttributes & FileAttributes.FILE_ATTRIBUTE_READONLY) !== 0
      if (isReadOnly && options.force !== true) {
        return yield* fromStatus(NtStatus.STATUS_CANNOT_DELETE, "SET_INFO", entry.path)
      }
      return entry
    })
  }
}
