/** `get`: copies files and trees from a server to this machine. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import { basename, join } from "node:path"
import type { ClientError } from "../Client/ClientError.ts"
import type { Entry } from "../Client/Entry.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import * as FileTime from "../Codec/FileTime.ts"
import * as UpCase from "../Codec/UpCase.ts"
import { leadsBack } from "./Actions.ts"
import * as CaseClash from "./CaseClash.ts"
import { concernsOne, Incomplete, LocalError, printable, type Report, report, UsageError } from "./Failure.ts"
import * as LocalFile from "./LocalFile.ts"
import * as LocalName from "./LocalName.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import * as Reading from "./Reading.ts"
import type { Remote } from "./Remote.ts"

export interface Options {
  readonly json: boolean
  readonly quiet: boolean
  readonly recursive: boolean
  readonly resume: boolean
}

/** The options, and the state that all files of a run share. */
interface Run extends Options {
  readonly outdated: ReturnType<typeof LocalFile.outdatedParts>
}

const text = (path: UncPath.PathInput): string => typeof path === "string" ? path : UncPath.format(path)

/** How many files of a tree are read at once. */
const concurrency = 16

/** Checks that a name from a server can be a local name. */
const checked = (name: string): Effect.Effect<string, LocalError> => {
  const objection = LocalName.objection(name, process.platform)
  return objection === undefined
    ? Effect.succeed(name)
    : Effect.fail(
      new LocalError({ path: JSON.stringify(name), detail: `no local file can have this name: ${objection}` })
    )
}

const nameOf = (path: UncPath.UncPath) => checked(UncPath.name(path))

const tagFor = (options: Options, path: string, size: bigint, lastWriteTime: bigint) =>
  options.resume ? LocalName.resumeTag(path, size, lastWriteTime) : randomBytes(6).toString("hex")

/**
 * Copies a file of any size, with a window of reads; returns its size, and whether the local file was complete already.
 */
const large = (source: UncPath.PathInput, target: string, options: Run, progress: Progress.Progress) =>
  Effect.scoped(Effect.gen(function*() {
    const remote = yield* Reading.open(source, options, progress)
    const { endOfFile, lastWriteTime } = remote.opened
    // The tag is of the requested path: any target with the same file can give the rest of it.
    const tag = tagFor(options, text(source), endOfFile, lastWriteTime)
    const name = LocalName.partial(basename(target), tag)
    // Size and time tell whether the local file is complete. So a resumed file gets the time that it has on the server.
    const lastWrite = options.resume && FileTime.isTime(lastWriteTime)
      ? Math.trunc(FileTime.toMillis(lastWriteTime))
      : undefined
    if (lastWrite !== undefined && (yield* LocalFile.isSame(target, endOfFile, lastWrite))) {
      yield* options.outdated(target, name)
      return { size: endOfFile, skipped: true }
    }
    const part = { name, keep: options.resume, size: endOfFile, lastWrite }
    const size = yield* LocalFile.replace(target, part, (writer) =>
      Effect.gen(function*() {
        const { advance } = yield* progress.file(basename(target), Number(endOfFile), Number(writer.offset))
        const read = yield* remote.readTo(
          (data) => Effect.andThen(writer.write(data), advance(data.length)),
          { offset: writer.offset }
        )
        return writer.offset + read
      }))
    if (options.resume) yield* options.outdated(target, name)
    return { size, skipped: false }
  }))

/** Copies a file that is small by its listing, in one round trip. */
const small = Effect.fnUntraced(function*(
  source: UncPath.PathInput,
  target: string,
  options: Options,
  progress: Progress.Progress
) {
  const smb = yield* SmbClient
  const data = yield* smb.readFile(source)
  const tag = tagFor(options, "", 0n, 0n)
  const part = { name: LocalName.partial(basename(target), tag), keep: false, size: BigInt(data.length) }
  const { advance } = yield* progress.file(basename(target), data.length)
  yield* LocalFile.replace(target, part, (writer) => writer.write(data))
  yield* advance(data.length)
  return { size: BigInt(data.length), skipped: false }
}, Effect.scoped)

/** The largest size that one round trip reads, in bytes. */
const smallSize = 60_000n

/** Copies one file; `known` is its size if a listing has told it. */
const file = Effect.fnUntraced(function*(
  source: UncPath.PathInput,
  target: string,
  options: Run,
  progress: Progress.Progress,
  known?: bigint
) {
  const { size, skipped } = yield* known !== undefined && known <= smallSize && !options.resume
    ? small(source, target, options, progress)
    : large(source, target, options, progress)
  if (options.json) {
    yield* Output.write(Output.jsonLine({
      path: text(source),
      local: target,
      size: Number(size),
      ...(skipped ? { skipped } : {})
    }))
  }
})

/** The report on a skipped symbolic link: it could lead anywhere, and its target has no meaning on this machine. */
const passedOver = (path: string): Report => {
  const message = `${printable(path)}: this is a symbolic link, and was not copied`
  return { code: 0, message, json: { warning: "SymbolicLink", path, message } }
}

/** The report on the folder that the copy is written to: it is not read. */
export const intoItself = (path: string): Report => {
  const message = `${printable(path)}: the copy is written to this folder, so the folder was not copied`
  return { code: 0, message, json: { warning: "IntoItself", path, message } }
}

const clash = (path: string, other: string): LocalError =>
  new LocalError({
    path,
    detail: `not written: on this disk it is the same file as ${other}, which was written before`
  })

/** Copies everything in a directory into a local folder. If one file fails, the others are still copied. */
const tree = Effect.fnUntraced(function*(
  source: UncPath.UncPath,
  target: string,
  options: Run,
  progress: Progress.Progress
) {
  const smb = yield* SmbClient
  const fs = yield* FileSystem.FileSystem
  const base = UncPath.format(source)
  let failures = 0
  const tell = (what: Report) => Effect.andThen(progress.wipe, Output.tell(what, options.json))
  const places = new CaseClash.Places()
  const folders = new Map<string, Effect.Effect<string | undefined, PlatformError>>()
  // A file can be copied before the entry of its directory arrives.
  const makeDirectory = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
    for (let depth = 0; depth <= names.length; depth++) {
      const path = join(target, ...names.slice(0, depth))
      let made = folders.get(path)
      if (made === undefined) {
        made = yield* Effect.cached(places.make(path, fs.makeDirectory(path, { recursive: true })))
        folders.set(path, made)
      }
      const other = yield* made
      if (other !== undefined) return yield* clash(path, other)
    }
  })
  yield* makeDirectory([])
  // The target folder can be inside the source directory, if this machine serves the share.
  const mark = `.effect-smb-${randomBytes(6).toString("hex")}`
  yield* LocalFile.mark(target, mark)
  const own = UpCase.fold(basename(yield* fs.realPath(target)))
  const enter = (entry: Entry) =>
    UpCase.fold(entry.name) !== own
      ? Effect.succeed(true)
      : Effect.gen(function*() {
        const isTarget = yield* smb.exists(`${entry.path}\\${mark}`).pipe(
          Effect.catchIf(concernsOne, () => Effect.succeed(false))
        )
        if (isTarget) yield* tell(intoItself(entry.path))
        return !isTarget
      })
  const fail = (error: { readonly _tag: string }) =>
    Effect.suspend(() => {
      failures++
      return tell(report(error))
    })
  const onError = (error: ClientError) => concernsOne(error) ? fail(error) : Effect.fail(error)
  const onLoop = (entry: Entry) => tell(leadsBack(entry))
  yield* smb.walk(source, { onError, onLoop, enter }).pipe(
    Stream.mapEffect((entry) =>
      Effect.gen(function*() {
        if (entry.type === "symlink") return yield* tell(passedOver(entry.path))
        if (!entry.path.startsWith(`${base}\\`)) return
        const names = yield* Effect.forEach(entry.path.slice(base.length + 1).split("\\"), checked)
        const here = join(target, ...names)
        if (entry.type === "directory") return yield* makeDirectory(names)
        yield* makeDirectory(names.slice(0, -1))
        const other = yield* places.make(here, file(entry.path, here, options, progress, entry.size))
        if (other !== undefined) return yield* clash(here, other)
      }).pipe(
        Effect.catchIf(concernsOne, fail)
      ), { concurrency, unordered: true }),
    Stream.runDrain
  )
  if (failures > 0) return yield* new Incomplete({ failures, what: "copied" })
}, Effect.scoped)

export const get = Effect.fnUntraced(function*(source: Remote, local: Option.Option<string>, given: Options) {
  const options: Run = { ...given, outdated: LocalFile.outdatedParts() }
  const progress = yield* Progress.auto(options.quiet)
  const run = Effect.gen(function*() {
    if (Option.isSome(local) && local.value === "-") {
      if (options.recursive || options.resume) {
        return yield* new UsageError({ detail: "-r and --resume need a place to write to, not -" })
      }
      return yield* Reading.toOutput(source, options)
    }
    if (options.recursive) {
      const smb = yield* SmbClient
      const target = Option.isSome(local) ? local.value : yield* nameOf(source)
      const { type } = yield* smb.stat(source)
      return yield* type === "directory"
        ? tree(source, target, options, progress)
        : Effect.flatMap(
          LocalFile.destination(local, yield* nameOf(source)),
          (place) => file(source, place, options, progress)
        )
    }
    const target = yield* LocalFile.destination(local, yield* nameOf(source))
    yield* file(source, target, options, progress).pipe(
      Effect.catchTag("SmbError", (error) =>
        Effect.fail(
          error.reason._tag === "FileIsADirectory"
            ? new UsageError({ detail: `${UncPath.format(source)} is a directory: add -r to copy it with all` })
            : error
        ))
    )
  })
  yield* Effect.ensuring(run, progress.wipe)
})
