/** Local files that are being written: they have another name next to the final one until they are complete. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import { basename, dirname, join } from "node:path"
import { fromPlatform, LocalError } from "../LocalError.ts"
import * as UnfinishedFiles from "../UnfinishedFiles.ts"

/** The type of the file at a path, links followed; `undefined` if nothing is there. */
export const typeOf = (path: string): Effect.Effect<
  FileSystem.File.Type | undefined,
  PlatformError,
  FileSystem.FileSystem
> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.stat(path)).pipe(
    Effect.map(({ type }) => type),
    Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed(undefined))
  )

/** The failure of a folder that cannot be made. */
export const noFolder = (path: string): LocalError =>
  new LocalError({ path, detail: "already exists, and is no folder: remove it, or name another folder" })

/** Makes a folder, and those above it. */
export const makeFolder = (path: string): Effect.Effect<void, PlatformError | LocalError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    Effect.catchIf(
      fs.makeDirectory(path, { recursive: true }),
      (error) => error.reason._tag === "AlreadyExists",
      () => Effect.fail(noFolder(path))
    ))

/**
 * Creates a file with a unique name in a folder that a tree is written to. If the source tree has this file too, that
 * source folder is the target folder itself. The file is removed with the scope. Does nothing if it cannot be created.
 */
export const mark = (folder: string, name: string) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => {
    const path = join(folder, name)
    return Effect.acquireRelease(
      Effect.sync(() => UnfinishedFiles.add(path)).pipe(
        Effect.andThen(fs.writeFile(path, new Uint8Array(0))),
        Effect.isSuccess
      ),
      () =>
        Effect.andThen(Effect.ignore(fs.remove(path, { force: true })), Effect.sync(() => UnfinishedFiles.forget(path)))
    )
  })

/** Whether a local file has this size, and this last write time in milliseconds. */
export const isSame = (path: string, size: bigint, lastWrite: number) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.stat(path)).pipe(
    Effect.map((found) =>
      found.type === "File" && found.size === size &&
      // A time that was set in fractional seconds can come back a millisecond earlier.
      Option.exists(found.mtime, (time) => Math.abs(time.getTime() - lastWrite) <= 1)
    ),
    Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed(false))
  )

/** The bits of a mode that let users write. */
const anyWrite = 0o222

/** Whether no user can write a local file, as `replace` makes one. */
export const isReadOnly = ({ mode }: FileSystem.File.Info): boolean => (mode & anyWrite) === 0

/** Whether a name is that of a kept part, as `LocalName.partial` names it. */
const isPart = (name: string): boolean => /^\..+\.[0-9a-f]{12}\.part$/.test(name)

/**
 * Removes kept parts of earlier versions of a file: they are never resumed. `kept` is the name of the current part.
 * Each folder is listed once. A name that was cut can be that of another file, so it stays. If a part cannot be
 * removed, the copy does not fail.
 */
export const outdatedParts = () => {
  const folders = new Map<string, Effect.Effect<ReadonlyArray<string>, PlatformError, FileSystem.FileSystem>>()
  return Effect.fnUntraced(function*(target: string, kept: string) {
    const start = `.${basename(target)}.`
    if (kept.length !== start.length + 12 + ".part".length || !kept.startsWith(start)) return
    const fs = yield* FileSystem.FileSystem
    const folder = dirname((yield* typeOf(target)) === undefined ? target : yield* fs.realPath(target))
    let parts = folders.get(folder)
    if (parts === undefined) {
      parts = yield* Effect.cached(Effect.map(fs.readDirectory(folder), (names) => names.filter(isPart)))
      folders.set(folder, parts)
    }
    for (const name of yield* parts) {
      const path = join(folder, name)
      if (name === kept || name.length !== kept.length || !name.startsWith(start) || UnfinishedFiles.has(path)) continue
      yield* Effect.ignore(fs.remove(path, { force: true }))
    }
  }, (effect) => Effect.ignore(effect))
}

/** An open file that is written from start to end. */
export interface Writer {
  /** How many bytes the file had already. */
  readonly offset: bigint
  readonly write: (data: Uint8Array) => Effect.Effect<void, LocalError>
}

/** How a file is written next to its final name. */
interface Part {
  readonly name: string
  readonly keep: boolean
  readonly size: bigint
  /** The last write time of the file, in milliseconds since 1970. Default: now. */
  readonly lastWrite?: number | undefined
  /** Whether no user can write the file (POSIX), or it has the attribute of that name (Windows). Default: as a new file. */
  readonly isReadOnly?: boolean | undefined
}

/** The user knows the final name, and not the name of the part; errors of an open file have no name. */
const namedAs = (target: string) => Effect.mapError((error: PlatformError) => fromPlatform(target, error))

/** Where the complete file goes. A link stays, and its target is replaced. A pipe or a device is written to. */
type Final = { readonly _tag: "Path"; readonly path: string } | { readonly _tag: "Device" }

const finalOf = Effect.fnUntraced(function*(fs: FileSystem.FileSystem, target: string) {
  const type = yield* typeOf(target)
  if (type === "Directory") return yield* new LocalError({ path: target, detail: "is a directory" })
  if (type === undefined) return { _tag: "Path", path: target } as Final
  return (type === "File" ? { _tag: "Path", path: yield* fs.realPath(target) } : { _tag: "Device" }) as Final
})

/** Gives the bytes to a pipe or a device, which cannot be replaced by a file. It takes them in order, and has no positions. */
const toDevice = <A, E, R>(
  fs: FileSystem.FileSystem,
  target: string,
  use: (writer: Writer) => Effect.Effect<A, E, R>
) =>
  Effect.scoped(Effect.flatMap(
    fs.open(target, { flag: "a" }),
    (file) => use({ offset: 0n, write: (data) => namedAs(target)(file.writeAll(data)) })
  ))

/**
 * Fills the file next to the final name by `write`, and renames it. The file is removed after a failure, unless it is kept.
 */
const through = <A, E, R>(
  fs: FileSystem.FileSystem,
  target: string,
  final: string,
  part: Part,
  write: (path: string) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | PlatformError | LocalError, R> => {
  const named = namedAs(target)
  const path = join(dirname(final), part.name)
  const finish = Effect.gen(function*() {
    if (part.lastWrite !== undefined) {
      const time = new Date(part.lastWrite)
      yield* named(fs.utimes(path, time, time))
    }
    if (part.isReadOnly === true) {
      const { mode } = yield* named(fs.stat(path))
      yield* named(fs.chmod(path, mode & ~anyWrite & 0o7777))
    }
    yield* named(fs.rename(path, final))
  })
  return Effect.acquireUseRelease(
    Effect.sync(() => {
      if (!part.keep) UnfinishedFiles.add(path)
    }),
    () => Effect.flatMap(write(path), (result) => Effect.as(finish, result)),
    (_, exit) => {
      UnfinishedFiles.forget(path)
      return Exit.isSuccess(exit) || part.keep ? Effect.void : Effect.ignore(fs.remove(path, { force: true }))
    }
  )
}

/**
 * Writes `target` through a file next to it. After success the complete file is at `target`; after a failure `target`
 * is unchanged. With `keep` the part is kept after a failure, and continued the next time; `name` must then be the same
 * for the same content.
 */
export const replace = <A, E, R>(
  target: string,
  part: Part,
  use: (writer: Writer) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | PlatformError | LocalError, R | FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const named = namedAs(target)
    const final = yield* finalOf(fs, target)
    if (final._tag === "Device") return yield* toDevice(fs, target, use)
    return yield* through(fs, target, final.path, part, (path) =>
      Effect.scoped(Effect.gen(function*() {
        // "wx": a link or file that another program has put there is not written to.
        const file = yield* named(fs.open(path, { flag: part.keep ? "a" : "wx" }))
        let offset = part.keep ? (yield* file.stat).size : 0n
        if (offset > part.size) {
          yield* file.truncate(0)
          offset = 0n
        }
        return yield* use({ offset, write: (data) => named(file.writeAll(data)) })
      })))
  })

/**
 * As `replace`, for a small file whose bytes are in memory. `isNew`: its folder was empty before this run, so nothing can be
 * at `target` that would have to stay.
 */
export const replaceBy = (
  target: string,
  part: Omit<Part, "keep" | "size">,
  data: Uint8Array,
  isNew: boolean
): Effect.Effect<void, PlatformError | LocalError, FileSystem.FileSystem> =>
  Effect.flatMap(FileSystem.FileSystem, (fs) => {
    const whole = { ...part, keep: false, size: BigInt(data.length) }
    // The file exists when an interruption comes, or it does not: otherwise it could appear after its removal.
    const write = (path: string) => namedAs(target)(Effect.uninterruptible(fs.writeFile(path, data, { flag: "wx" })))
    return isNew
      ? through(fs, target, target, whole, write)
      : Effect.flatMap(finalOf(fs, target), (final) =>
        final._tag === "Device"
          ? toDevice(fs, target, (writer) => writer.write(data))
          : through(fs, target, final.path, whole, write))
  })
