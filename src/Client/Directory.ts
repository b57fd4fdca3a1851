/**
 * Directories: their entries as a stream, whole trees, and the removal of trees.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { ReparseTag } from "../Codec/Reparse.ts"
import type { RequestError } from "../Protocol/Errors.ts"
import type * as Share from "../Protocol/Share.ts"
import type { ClientError } from "./ClientError.ts"
import * as Entry from "./Entry.ts"
import * as Information from "./Information.ts"
import * as UncPath from "./UncPath.ts"

/** Bytes of one answer with entries: some hundreds of them. */
const pageSize = 256 * 1024

/** The entries of an open directory that match `pattern`, a page at a time, without `.` and `..`. */
export const entries = (
  share: Share.Share,
  file: Share.OpenFile,
  directory: UncPath.UncPath,
  pattern: string
): Stream.Stream<Entry.Entry, RequestError> =>
  Stream.unfold(true, (restart) =>
    Effect.map(
      file.run(Information.queryDirectory("FileIdBothDirectoryInformation", {
        pattern,
        restart,
        maximum: Math.min(pageSize, share.limits.transact)
      })),
      (page) => page.length === 0 ? undefined : ([page, false] as const)
    )).pipe(
      Stream.flatMap((page) =>
        Stream.fromArray(
          page.filter(({ fileName }) => fileName !== "." && fileName !== ".." && isComponent(fileName)).map((found) =>
            Entry.fromDirectory(directory, found)
          )
        )
      )
    )

/** A server that lists names with separators in them wants to lead us astray: such an entry is passed over. */
const isComponent = (name: string): boolean => name !== "" && !/[\\/\0]/.test(name)

/** How a walk goes. */
export interface WalkOptions {
  /** Directories that are listed at once; 8 where left out. */
  readonly concurrency?: number
  /** How many levels below the start; 128 where left out. */
  readonly maximumDepth?: number
  /**
   * Asked when a directory below the start cannot be listed, or not to its end: the walk goes on without it where this
   * succeeds. Where it is left out, the walk fails.
   */
  readonly onError?: (error: ClientError, directory: Entry.Entry) => Effect.Effect<void, ClientError>
}

/**
 * Everything below a directory, as it comes: a directory before what is in it, siblings in no order. Symbolic links are
 * not followed.
 */
export const walk = (
  list: (path: string) => Stream.Stream<Entry.Entry, ClientError>,
  path: string,
  options: WalkOptions = {}
): Stream.Stream<Entry.Entry, ClientError> => {
  const { onError } = options
  const below = (directory: Entry.Entry): Stream.Stream<Entry.Entry, ClientError> =>
    onError === undefined
      ? list(directory.path)
      : Stream.catch(list(directory.path), (error) => Stream.fromEffectDrain(onError(error, directory)))
  const level = (
    entries: () => Stream.Stream<Entry.Entry, ClientError>,
    depth: number
  ): Stream.Stream<Entry.Entry, ClientError> =>
    depth <= 0 ? Stream.empty : Stream.suspend(() =>
      entries().pipe(
        Stream.flatMap(
          (entry) =>
            entry.type === "directory"
              ? Stream.concat(Stream.succeed(entry), level(() => below(entry), depth - 1))
              : Stream.succeed(entry),
          { concurrency: options.concurrency ?? 8 }
        )
      )
    )
  return level(() => list(path), options.maximumDepth ?? 128)
}

/** What a DFS link leads to is on another server, and somebody else's: it does not go with the tree that has the link. */
const leadsAway = (entry: Entry.Entry): Effect.Effect<never, UncPath.AcrossShares> =>
  Effect.fail(
    new UncPath.AcrossShares({
      path: entry.path,
      detail: "is a DFS link, and what it leads to is not removed with the tree: remove that by itself, and take " +
        "the link out of the namespace"
    })
  )

/**
 * Removes everything below a directory and the directory itself, several entries at once. Links of any kind are removed
 * themselves, and not what they lead to; a DFS link cannot be, and ends it.
 */
export const removeTree = (
  list: (path: string) => Stream.Stream<Entry.Entry, ClientError>,
  remove: (path: string) => Effect.Effect<void, ClientError>,
  path: string,
  depth = 128
): Effect.Effect<void, ClientError> =>
  list(path).pipe(
    Stream.mapEffect(
      (entry) =>
        entry.reparseTag === ReparseTag.IO_REPARSE_TAG_DFS
          ? leadsAway(entry)
          : entry.type === "directory" && entry.reparseTag !== ReparseTag.IO_REPARSE_TAG_MOUNT_POINT && depth > 0
          ? removeTree(list, remove, entry.path, depth - 1)
          : remove(entry.path),
      { concurrency: 8, unordered: true }
    ),
    Stream.runDrain,
    Effect.andThen(remove(path))
  )
