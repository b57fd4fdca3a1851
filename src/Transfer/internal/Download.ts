/** Copies files and trees from a server to this machine. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import { basename, join } from "node:path"
import type { ClientError } from "../../Client/ClientError.ts"
import type { Entry } from "../../Client/Entry.ts"
import { SmbClient } from "../../Client/SmbClient.ts"
import * as UncPath from "../../Client/UncPath.ts"
import * as FileTime from "../../Codec/FileTime.ts"
import { NtStatus } from "../../Codec/NtStatus.ts"
import * as UpCase from "../../Codec/UpCase.ts"
import { fromStatus } from "../../Protocol/Errors.ts"
import { FileAttributes } from "../../Smb2/Message/Constants.ts"
import { concernsOne } from "../Incomplete.ts"
import { LocalError } from "../LocalError.ts"
import { checked } from "../LocalNames.ts"
import * as CaseClash from "./CaseClash.ts"
import * as LocalFile from "./LocalFile.ts"
import * as LocalName from "./LocalName.ts"
import * as Mark from "./Mark.ts"
import * as Options from "./Options.ts"
import type { Run } from "./Run.ts"
import * as Same from "./Same.ts"
import * as Warnings from "./Warnings.ts"
import * as Workers from "./Workers.ts"

/** The options, and the state that all files of a run share. */
export interface Download extends Options.Options {
  readonly run: Run
  /** Continues the part of an earlier run, and does not fetch a file that is complete. */
  readonly resume: boolean
  readonly outdated: ReturnType<typeof LocalFile.outdatedParts>
}

export const make = (run: Run, options: Options.Options, resume: boolean): Download => ({
  ...options,
  run,
  resume,
  outdated: LocalFile.outdatedParts()
})

/** Whether a copy becomes read-only: the one attribute that all local file systems have. */
const isReadOnly = ({ attributes }: Download, { fileAttributes }: { readonly fileAttributes: number }): boolean =>
  attributes && (fileAttributes & FileAttributes.FILE_ATTRIBUTE_READONLY) !== 0

const text = (path: UncPath.PathInput): string => typeof path === "string" ? path : UncPath.format(path)

/** A tag that no other part has. */
const newTag = () => randomBytes(6).toString("hex")

const tagFor = (options: Download, path: string, size: bigint, lastWriteTime: bigint) =>
  options.resume ? LocalName.resumeTag(path, size, lastWriteTime) : newTag()

const millisecondsOf = (time: bigint): number | undefined =>
  FileTime.isTime(time) ? Math.trunc(FileTime.toMillis(time)) : undefined

/** Copies a file of any size, with a window of reads. */
const large = (source: UncPath.PathInput, target: string, options: Download, isAlone = false) =>
  Effect.scoped(Effect.gen(function*() {
    const { run } = options
    const smb = yield* SmbClient
    const remote = yield* smb.openToRead(source, {
      // A file in a tree is known to be large. An earlier run has left most of a file that is resumed.
      atOnce: isAlone && !options.resume,
      onMove: (move) => run.warn(Warnings.targetChanged(move))
    })
    const { endOfFile, lastWriteTime } = remote.opened
    if (isAlone) run.only(endOfFile)
    // The tag is of the requested path: any target with the same file can give the rest of it.
    const tag = tagFor(options, text(source), endOfFile, lastWriteTime)
    const name = LocalName.partial(basename(target), tag)
    // Size and time tell whether the local file is complete. So a resumed file always gets the time that it has on the
    // server.
    const written = millisecondsOf(lastWriteTime)
    const lastWrite = options.times || options.resume ? written : undefined
    if (options.resume && written !== undefined && (yield* LocalFile.isSame(target, endOfFile, written))) {
      yield* options.outdated(target, name)
      run.skipped(endOfFile)
      return yield* run.tell({ _tag: "Skipped", from: text(source), to: target, size: endOfFile, because: "Same" })
    }
    const part = {
      name,
      keep: options.resume,
      size: endOfFile,
      lastWrite,
      isReadOnly: isReadOnly(options, remote.opened)
    }
    const size = yield* LocalFile.replace(target, part, (writer) =>
      Effect.gen(function*() {
        const { advance } = yield* run.file(text(source), target, Number(endOfFile), Number(writer.offset))
        const read = yield* remote.readTo(
          (data) => options.throttle(data.length, Effect.andThen(writer.write(data), advance(data.length))),
          { offset: writer.offset }
        )
        return writer.offset + read
      }))
    if (options.resume) yield* options.outdated(target, name)
    yield* run.copied(text(source), target, size)
  }))

/** Copies a file that is small by its listing, in one round trip. */
const small = (source: UncPath.PathInput, target: string, options: Download, known: Known, isNew: boolean) =>
  Effect.flatMap(Effect.flatMap(SmbClient, (smb) => smb.readFile(source)), (data) => {
    const part = {
      name: LocalName.partial(basename(target), newTag()),
      lastWrite: options.times ? millisecondsOf(known.lastWriteTime) : undefined,
      isReadOnly: isReadOnly(options, known)
    }
    return options.run.whole(
      text(source),
      target,
      data.length,
      options.throttle(data.length, LocalFile.replaceBy(target, part, data, isNew))
    )
  })

/** What a listing has told of a file. */
type Known = Pick<Entry, "size" | "lastWriteTime" | "fileAttributes">

/** The largest size that one round trip reads, in bytes. */
const smallSize = 60_000n

/** Copies one file, again after failures that may pass. `isNew`: its folder was empty before this run. */
export const file = (source: UncPath.PathInput, target: string, options: Download, known: Known, isNew = false) =>
  options.retry(
    text(source),
    known.size <= smallSize && !options.resume
      ? small(source, target, options, known, isNew)
      : large(source, target, options)
  )

/** Copies one file by itself, if the rules say so. */
export const single = Effect.fnUntraced(function*(source: UncPath.UncPath, target: string, options: Download) {
  const { dryRun, rules, run } = options
  if (rules.existing === "replace" && !dryRun) {
    return yield* options.retry(text(source), large(source, target, options, true))
  }
  const smb = yield* SmbClient
  const entry = yield* smb.stat(source)
  if (entry.type === "directory") {
    return yield* fromStatus(NtStatus.STATUS_FILE_IS_A_DIRECTORY, "CREATE", text(source))
  }
  run.only(entry.size)
  yield* take(entry, target, options, { isAlone: true })
})

/** Copies a found file, or says why not. */
const take = (
  entry: Entry,
  here: string,
  options: Download,
  { isAlone = false, isNew = false }: { readonly isAlone?: boolean; readonly isNew?: boolean }
) => {
  const { dryRun, rules, run } = options
  // All files are copied, so the local one does not matter.
  if (rules.existing === "replace" && !dryRun) return file(entry.path, here, options, entry, isNew)
  return Effect.gen(function*() {
    const choice = yield* Same.local(entry, here, options)
    if (choice !== "copy") {
      run.skipped(entry.size)
      yield* run.tell({ _tag: "Skipped", from: entry.path, to: here, size: entry.size, because: choice })
    } else if (dryRun) {
      yield* options.checks.here(here, { isAlone })
      yield* run.tell({ _tag: "Planned", action: "Copy", path: entry.path, to: here, size: entry.size })
    } else yield* file(entry.path, here, options, entry, isNew)
  })
}

const isEmpty = (names: ReadonlyArray<string>): boolean => names.length === 0

const clash = (path: string, other: string): LocalError =>
  new LocalError({
    path,
    detail: `not written: on this disk it is the same file as ${other}, which was written before`
  })

/** Copies everything in a directory into a local folder. If one file fails, the others are still copied. */
export const tree = Effect.fnUntraced(function*(source: UncPath.UncPath, target: string, options: Download) {
  const smb = yield* SmbClient
  const fs = yield* FileSystem.FileSystem
  const { dryRun, filter, run } = options
  const base = UncPath.format(source)
  const places = new CaseClash.Places(CaseClash.identityOf, dryRun)
  const folders = new Map<string, Effect.Effect<string | undefined, LocalError | PlatformError>>()
  /** Folders that exist, by whether they were empty before. */
  const made = new Map<string, boolean>()
  const makeFolder = (path: string): Effect.Effect<void, LocalError | PlatformError> =>
    Effect.provideService(
      dryRun ? options.checks.folderHere(path) : LocalFile.makeFolder(path),
      FileSystem.FileSystem,
      fs
    ).pipe(
      // A folder can allow new files, and not be listed.
      Effect.andThen(Effect.match(fs.readDirectory(path), { onFailure: () => false, onSuccess: isEmpty })),
      Effect.map((isNew) => void made.set(path, isNew))
    )
  const makeEach = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
    for (let depth = 0; depth <= names.length; depth++) {
      const path = join(target, ...names.slice(0, depth))
      let making = folders.get(path)
      if (making === undefined) {
        making = yield* Effect.cached(places.make(path, makeFolder(path)))
        folders.set(path, making)
      }
      const other = yield* making
      if (other !== undefined) return yield* clash(path, other)
    }
  })
  // A file can be copied before the entry of its directory arrives.
  const makeDirectory = (names: ReadonlyArray<string>) =>
    made.has(join(target, ...names)) ? Effect.void : makeEach(names)
  yield* makeDirectory([])
  if (dryRun) options.checks.willMake(target)
  // The target folder can be inside the source directory, if this machine serves the share.
  const mark = `.effect-smb-${newTag()}`
  if (!dryRun) {
    yield* LocalFile.mark(target, mark)
    if (yield* Mark.isAt(source, mark)) return yield* Mark.sameFolder(base, target)
  }
  const own = UpCase.fold(basename(dryRun ? target : yield* fs.realPath(target)))
  const namesOf = (entry: Entry): ReadonlyArray<string> | undefined =>
    entry.path.startsWith(`${base}\\`) ? entry.path.slice(base.length + 1).split("\\") : undefined
  const enter = (entry: Entry) =>
    !filter.enters(namesOf(entry) ?? [])
      ? Effect.succeed(false)
      : UpCase.fold(entry.name) !== own
      ? Effect.succeed(true)
      : Effect.gen(function*() {
        const isTarget = yield* smb.exists(`${entry.path}\\${mark}`).pipe(
          Effect.catchIf(concernsOne, () => Effect.succeed(false))
        )
        if (isTarget) yield* run.warn(Warnings.intoItself(entry.path))
        return !isTarget
      })
  const onError = (error: ClientError, directory?: Entry) =>
    concernsOne(error) ? run.fail(directory?.path ?? base, error) : Effect.fail(error)
  const onLoop = (entry: Entry) => run.warn(Warnings.loop(entry))
  const copy = (entry: Entry) => {
    const found = namesOf(entry)
    if (found === undefined || (entry.type !== "file" && !filter.enters(found))) return Effect.void
    if (entry.type === "symlink") return run.warn(Warnings.symbolicLink(entry.path))
    return Effect.flatMap(Effect.forEach(found, checked), (names) => {
      if (entry.type === "directory") return makeDirectory(names)
      const here = join(target, ...names)
      const above = names.slice(0, -1)
      const taken = Effect.suspend(() =>
        places.make(here, take(entry, here, options, { isNew: made.get(join(target, ...above)) === true }))
      )
      return Effect.flatMap(
        Effect.andThen(makeDirectory(above), taken),
        (other) => other === undefined ? Effect.void : clash(here, other)
      )
    })
  }
  const found = smb.walk(source, { onError, onLoop, enter }).pipe(
    Stream.filter((entry) => {
      if (entry.type !== "file") return true
      const names = namesOf(entry)
      if (names === undefined || !filter.takes(names, entry.size)) return false
      run.found(entry.size)
      return true
    }),
    Stream.onEnd(Effect.sync(() => run.scanned()))
  )
  yield* Workers.forEach(
    found,
    { ...Options.ahead, concurrency: options.concurrency },
    (entry) => run.alone(entry.path, copy(entry), undefined)
  )
}, Effect.scoped)
