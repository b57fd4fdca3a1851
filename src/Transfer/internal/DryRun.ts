/**
 * The checks of a dry run: it fails for an entry as the real run would, as far as that is known without a change. What
 * only the attempt tells is not known: a full disk, a quota, a name that the server does not take, the entries below a
 * directory that is removed, and what other programs do until then.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { dirname, resolve } from "node:path"
import * as FileReplacement from "../../Client/FileReplacement.ts"
import * as OpenMode from "../../Client/OpenMode.ts"
import { SmbClient } from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import { fold } from "../../Codec/UpCase.ts"
import { isMissing, refusesShare, SmbError } from "../../Protocol/Errors.ts"
import { fromPlatform, LocalError } from "../LocalError.ts"
import type { EntryError } from "../TransferEvent.ts"
import * as LocalFile from "./LocalFile.ts"

type Services = SmbClient | FileSystem.FileSystem

/** The most folders whose answers are kept. */
const mostFolders = 1000

/** The checks of one run. Each folder is asked once. */
export interface Checks {
  /**
   * Fails if a file of a server may not be written. `inPlace`: an existing file is not replaced, but written into.
   * `mapped`: a colon is part of a name, and names no stream.
   */
  readonly there: (
    target: UncPath.UncPath,
    options: { readonly inPlace: boolean; readonly mapped: boolean }
  ) => Effect.Effect<void, EntryError, Services>
  /** Fails if a local file may not be written. */
  readonly here: (target: string) => Effect.Effect<void, EntryError, Services>
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

export const make = (): Checks => {
  const known = new Map<string, Effect.Effect<void, EntryError, Services>>()
  const once = (key: string, asked: Effect.Effect<void, EntryError, Services>) =>
    Effect.suspend(() =>
      known.get(key) ?? Effect.flatMap(Effect.cached(asked), (cached) => {
        if (known.size >= mostFolders) known.delete(known.keys().next().value!)
        known.set(key, cached)
        return cached
      })
    )
  return {
    there: Effect.fnUntraced(function*(target, { inPlace, mapped }) {
      // A named stream is always written in place, and its file is made if it is missing.
      if (!mapped && UncPath.name(target).includes(":")) return
      const smb = yield* SmbClient
      const found = yield* FileReplacement.look(smb, target)
      if (inPlace && found !== undefined) {
        yield* Effect.scoped(smb.withShare(target, (share, below) => share.batch(below, OpenMode.write, [])))
        return
      }
      const folder = UncPath.parent(target)
      yield* once(fold(UncPath.format(folder)), writableThere(folder, OpenMode.addFile)).pipe(
        Effect.mapError((error) =>
          error._tag === "SmbError" && !refusesShare(error)
            ? new SmbError({ ...error, path: UncPath.format(target) })
            : error
        )
      )
    }),
    here: Effect.fnUntraced(function*(target) {
      const type = yield* LocalFile.typeOf(target)
      if (type === "Directory") return yield* new LocalError({ path: target, detail: "is a directory" })
      const folder = dirname(target)
      yield* once(folder, writableHere(folder))
    })
  }
}
