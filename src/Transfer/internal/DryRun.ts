/**
 * The checks of a dry run: it fails for an entry as the real run would, as far as that is known without a change. What
 * only the attempt tells is not known: a full disk, a quota, a name that the server does not take, the entries below a
 * directory that is removed, and what other programs do until then.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { dirname, resolve } from "node:path"
import * as OpenMode from "../../Client/OpenMode.ts"
import * as ReplacedFile from "../../Client/ReplacedFile.ts"
import { SmbClient } from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import { NtStatus } from "../../Codec/NtStatus.ts"
import { fold } from "../../Codec/UpCase.ts"
import { fromStatus, isMissing, refusesShare, SmbError } from "../../Protocol/Errors.ts"
import * as UncName from "../../Protocol/UncName.ts"
import { FileAttributes } from "../../Smb2/Message/Constants.ts"
import { fromPlatform, LocalError, notFound } from "../LocalError.ts"
import * as PlannedFolders from "../PlannedFolders.ts"
import type { EntryError } from "../TransferEvent.ts"
import * as LocalFile from "./LocalFile.ts"

/** The most folders whose answers are kept. */
const mostFolders = 1000

/** The checks of one run. Each folder is asked once. */
export interface Checks {
  /**
   * Fails if a file of a server may not be written. `inPlace`: an existing file is not replaced, but written into.
   * `mapped`: a colon is part of a name, and names no stream. `isAlone`: the real run copies this file alone, and makes
   * no folder for it.
   */
  readonly there: (
    target: UncPath.UncPath,
    options: { readonly inPlace: boolean; readonly mapped: boolean; readonly isAlone: boolean }
  ) => Effect.Effect<void, EntryError, SmbClient>
  /** Fails if a local file may not be written. `isAlone`: as for `there`. */
  readonly here: (
    target: string,
    options: { readonly isAlone: boolean }
  ) => Effect.Effect<void, EntryError, FileSystem.FileSystem>
  /** Fails if a directory of a server does not exist, and may not be made with those above it. */
  readonly directoryThere: (directory: UncPath.UncPath) => Effect.Effect<void, EntryError, SmbClient>
  /** Fails if a local folder does not exist, and may not be made with those above it. */
  readonly folderHere: (folder: string) => Effect.Effect<void, LocalError | PlatformError, FileSystem.FileSystem>
  /** The real run makes a folder, and those above it: a server's, or a local one. */
  readonly willMake: (folder: UncPath.UncPath | string) => void
}

/** Whether this user may write in a local folder, or in the next folder above it that exists. */
export const writableHere = (folder: string): Effect.Effect<void, LocalError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.catch(fs.access(folder, { writable: true }), (error) => {
      const above = dirname(resolve(folder))
      return error.reason._tag === "NotFound" && above !== resolve(folder)
        ? writableHere(above)
        : Effect.fail(fromPlatform(folder, error))
    }))

/**
 * Fails if a local folder may not be made: something else is there, or on the way to it, or this user has no right to. A
 * link to nothing is no place for a folder either.
 */
const makeableHere = (folder: string): Effect.Effect<void, LocalError | PlatformError, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const type = yield* LocalFile.typeOf(folder)
    if (type === "Directory") return
    if (type !== undefined) return yield* LocalFile.noFolder(folder)
    if (yield* Effect.isSuccess(fs.readLink(folder))) {
      return yield* new LocalError({ path: folder, detail: notFound(folder) })
    }
    yield* writableHere(dirname(resolve(folder)))
  })

/** Whether a directory of a server exists. Fails if the name is that of something else. */
const existsThere = (directory: UncPath.UncPath): Effect.Effect<boolean, EntryError, SmbClient> =>
  Effect.flatMap(
    SmbClient,
    (smb) =>
      Effect.scoped(smb.withShare(directory, (share, below) =>
        Effect.flatMap(share.batch(below, OpenMode.attributes, []), ({ opened: { fileAttributes } }) =>
          (fileAttributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY) !== 0
            ? Effect.succeed(true)
            : Effect.fail(fromStatus(
              NtStatus.STATUS_OBJECT_NAME_COLLISION,
              "CREATE",
              UncName.format(share, share.name, below)
            ))))).pipe(
          Effect.catchIf(
            (error) =>
              error._tag === "SmbError" && isMissing(error) && directory.path !== "",
            () => Effect.succeed(false)
          )
        )
  )

/** Whether this user may make an entry in a directory, or the next one above it that exists. */
const writableThere = (
  folder: UncPath.UncPath,
  mode: typeof OpenMode.addFile
): Effect.Effect<void, EntryError, SmbClient> =>
  Effect.flatMap(
    SmbClient,
    (smb) =>
      Effect.scoped(smb.withShare(folder, (share, below) => Effect.asVoid(share.batch(below, mode, [])))).pipe(
        Effect.catchTag("SmbError", (error): Effect.Effect<void, EntryError, SmbClient> =>
          isMissing(error) && folder.path !== ""
            ? writableThere(UncPath.parent(folder), OpenMode.addDirectory)
            : Effect.fail(error))
      )
  )

/** Fails if a folder, in which a file is written, is none. */
const folderThere = (folder: UncPath.UncPath): Effect.Effect<void, EntryError, SmbClient> =>
  Effect.flatMap(
    SmbClient,
    (smb) =>
      Effect.scoped(smb.withShare(folder, (share, below) => Effect.asVoid(share.batch(below, OpenMode.addFile, []))))
  ).pipe(
    Effect.catchIf(
      (error) => error._tag === "SmbError" && (isMissing(error) || error.reason._tag === "NotADirectory"),
      // A server says this of the path of a file whose folder does not exist.
      () => Effect.fail(fromStatus(NtStatus.STATUS_OBJECT_PATH_NOT_FOUND, "CREATE", UncPath.format(folder)))
    )
  )

/** Fails if a local folder, in which a file is written, is none. */
const folderHere = (folder: string): Effect.Effect<void, LocalError, FileSystem.FileSystem> =>
  Effect.flatMap(
    FileSystem.FileSystem,
    (fs) => Effect.mapError(fs.access(folder, { writable: true }), (error) => fromPlatform(folder, error))
  )

/** The user knows the file, and not which folder was asked about. */
const named = (target: UncPath.UncPath, asked: Effect.Effect<void, EntryError, SmbClient>) =>
  Effect.mapError(asked, (error) =>
    error._tag === "SmbError" && !refusesShare(error)
      ? new SmbError({ ...error, path: UncPath.format(target) })
      : error)

/** Asks each folder once. */
const once = <A, R>() => {
  const known = new Map<string, Effect.Effect<A, EntryError, R>>()
  return (key: string, asked: Effect.Effect<A, EntryError, R>): Effect.Effect<A, EntryError, R> =>
    Effect.suspend(() =>
      known.get(key) ?? Effect.flatMap(Effect.cached(asked), (cached) => {
        if (known.size >= mostFolders) known.delete(known.keys().next().value!)
        known.set(key, cached)
        return cached
      })
    )
}

/** `planned`: folders that earlier runs of the same caller would have made. */
export const make = (planned: PlannedFolders.PlannedFolders = PlannedFolders.make()): Checks => {
  const onThere = once<void, SmbClient>()
  const onDirectory = once<boolean, SmbClient>()
  const onHere = once<void, FileSystem.FileSystem>()
  /** Whether a directory exists; if not, it may be made. */
  const isThere = (directory: UncPath.UncPath): Effect.Effect<boolean, EntryError, SmbClient> =>
    onDirectory(
      fold(UncPath.format(directory)),
      Effect.flatMap(existsThere(directory), (exists): Effect.Effect<boolean, EntryError, SmbClient> => {
        if (exists) return Effect.succeed(true)
        const above = UncPath.parent(directory)
        return Effect.flatMap(isThere(above), (isMade) =>
          isMade
            ? Effect.as(named(directory, writableThere(above, OpenMode.addDirectory)), false)
            : Effect.succeed(false))
      })
    )
  return {
    willMake: planned.add,
    directoryThere: (directory) => Effect.asVoid(isThere(directory)),
    folderHere: makeableHere,
    there: Effect.fnUntraced(function*(target, { inPlace, isAlone, mapped }) {
      // A named stream is always written in place, and its file is made if it is missing.
      const smb = yield* SmbClient
      if (!mapped && UncPath.name(target).includes(":")) {
        const file = { ...target, path: target.path.replace(/:[^\\]*$/, "") }
        if (!isAlone || planned.has(UncPath.parent(target)) || (yield* smb.exists(file))) return
        return yield* named(target, folderThere(UncPath.parent(target)))
      }
      if (inPlace) {
        const isWritten = yield* Effect.scoped(smb.open(target, OpenMode.write)).pipe(
          Effect.as(true),
          Effect.catchIf(
            (error) => error._tag === "SmbError" && isMissing(error),
            () => Effect.succeed(false)
          )
        )
        if (isWritten) return
      } else yield* ReplacedFile.look(smb, target)
      const folder = UncPath.parent(target)
      const asked = isAlone && !planned.has(folder) ? folderThere(folder) : writableThere(folder, OpenMode.addFile)
      yield* onThere(fold(UncPath.format(folder)), asked).pipe((answer) => named(target, answer))
    }),
    here: Effect.fnUntraced(function*(target, { isAlone }) {
      const type = yield* LocalFile.typeOf(target)
      if (type === "Directory") return yield* new LocalError({ path: target, detail: "is a directory" })
      const folder = dirname(target)
      if (isAlone && !planned.has(folder)) {
        return yield* Effect.mapError(folderHere(folder), ({ detail }) => new LocalError({ path: target, detail }))
      }
      yield* onHere(folder, writableHere(folder))
    })
  }
}
