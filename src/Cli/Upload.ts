/**
 * `put`: copies files and trees from this machine to a server.
 *
 * A file is written under another name and renamed when it is complete, so that a reader never sees an incomplete file,
 * not even after an interruption. With `inPlace` it is written at its final name, which keeps the permissions of an
 * existing file.
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import { createReadStream } from "node:fs"
import { basename, join } from "node:path"
import type { ClientError } from "../Client/ClientError.ts"
import * as OpenMode from "../Client/OpenMode.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { CreateOptions } from "../Smb2/Message/Constants.ts"
import { destination } from "./Actions.ts"
import * as CaseClash from "./CaseClash.ts"
import { intoItself } from "./Download.ts"
import {
  concernsOne,
  Incomplete,
  LocalError,
  notFound,
  type OutputClosed,
  printable,
  type Report,
  report,
  UsageError
} from "./Failure.ts"
import * as LocalFile from "./LocalFile.ts"
import * as LocalName from "./LocalName.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import type { Remote } from "./Remote.ts"
import * as RemoteFile from "./RemoteFile.ts"

/** The error for a file that ended too early. */
const shorter = (path: string, count: bigint, size: bigint): LocalError =>
  new LocalError({
    path,
    detail:
      `the file became shorter while it was read: it had ${size} bytes when it was opened, and ended after ${count}`
  })

export interface Options {
  readonly json: boolean
  readonly quiet: boolean
  readonly recursive: boolean
  readonly inPlace: boolean
  /** Whether the client maps names, so that a colon in a path is a part of a name. */
  readonly mapped?: boolean
}

/** How many files of a tree are written at once. */
const concurrency = 8

/** The options, and the state that all files of a run share. */
interface Run extends Options {
  readonly replace: RemoteFile.Replace
}

/** Writes `target`: through a part next to it, unless it is written in place, as streams are. */
const send = <E, R>(
  target: UncPath.UncPath,
  run: Run,
  content: RemoteFile.Content<E, R>,
  isNew?: boolean
) =>
  Effect.flatMap(SmbClient, (smb): Effect.Effect<bigint, E | ClientError, R | SmbClient> => {
    const isStream = run.mapped !== true && UncPath.name(target).includes(":")
    if (!run.inPlace && !isStream) return run.replace(target, content, isNew)
    return content._tag === "Bytes"
      ? Effect.as(smb.writeFile(target, content.bytes), BigInt(content.bytes.length))
      : content.run({ writeFrom: (fill) => smb.writeFrom(target, fill), sink: () => smb.sink(target) })
  })

/** The largest size that one round trip writes, in bytes. */
const smallSize = 60_000

/** Reads up to one byte more than the small size: files like those of /proc report no size, and devices have no end. */
const readSmall = Effect.fnUntraced(function*(local: FileSystem.File) {
  const buffer = new Uint8Array(smallSize + 1)
  let length = 0
  while (length < buffer.length) {
    const count = yield* local.read(buffer.subarray(length))
    if (count === 0) break
    length += count
  }
  return buffer.subarray(0, length)
})

const file = Effect.fnUntraced(function*(
  source: string,
  target: UncPath.UncPath,
  options: Run,
  progress: Progress.Progress,
  isNew?: boolean
) {
  const fs = yield* FileSystem.FileSystem
  const count = yield* Effect.scoped(Effect.gen(function*() {
    const local = yield* fs.open(source)
    const size = (yield* local.stat).size
    const { advance } = yield* progress.file(basename(source), Number(size))
    // All bytes that the file had when it was opened must arrive. Files like those of /proc report the size 0, and have
    // more.
    const whole = (count: bigint) => count < size ? Effect.fail(shorter(source, count, size)) : Effect.succeed(count)
    // In one round trip, if the file really is as small as its size.
    const begin = size <= smallSize ? yield* readSmall(local) : undefined
    if (begin !== undefined && begin.length <= smallSize) {
      yield* whole(BigInt(begin.length))
      const count = yield* send<never, never>(target, options, { _tag: "Bytes", bytes: begin }, isNew)
      yield* advance(begin.length)
      return count
    }
    let first = begin
    const fill = (buffer: Uint8Array) => {
      if (first === undefined) return Effect.tap(local.read(buffer), advance)
      const count = Math.min(first.length, buffer.length)
      buffer.set(first.subarray(0, count))
      first = count < first.length ? first.subarray(count) : undefined
      return Effect.as(advance(count), count)
    }
    return yield* send(target, options, {
      _tag: "Flow",
      run: (to) => Effect.flatMap(to.writeFrom(fill), whole)
    }, isNew)
  }))
  if (options.json) yield* Output.write(written(target, source, count))
})

const written = (target: UncPath.UncPath, local: string, count: bigint) =>
  Output.jsonLine({ path: UncPath.format(target), local, size: Number(count) })

/** Writes from a source that can only be read from start to end: a pipe, a device. */
const flow = Effect.fnUntraced(function*<E, R>(
  data: Stream.Stream<Uint8Array, E, R>,
  name: string,
  target: UncPath.UncPath,
  options: Run,
  progress: Progress.Progress
) {
  const count = yield* Effect.scoped(Effect.gen(function*() {
    const { advance } = yield* progress.file(name, undefined)
    const watched = Stream.tap(data, (chunk) => advance(chunk.length))
    return yield* send(target, options, { _tag: "Flow", run: (to) => Stream.run(watched, to.sink()) })
  }))
  if (options.json) yield* Output.write(written(target, name, count))
})

/** A stream of a pipe. The file system's own streams read at positions, and a pipe has none. */
const fromPipe = (source: string) =>
  NodeStream.fromReadable<Uint8Array, LocalError>({
    evaluate: () => createReadStream(source),
    onError: (error) => new LocalError({ path: source, detail: error instanceof Error ? error.message : String(error) })
  })

const fromInput = Effect.fnUntraced(function*(target: Remote, options: Run, progress: Progress.Progress) {
  if (options.recursive) return yield* new UsageError({ detail: "-r needs a folder, not -" })
  if (target.directory || target.path === "") {
    return yield* new UsageError({ detail: `${UncPath.format(target)} is a directory: name the file to write` })
  }
  const { stdin } = yield* Stdio.Stdio
  yield* flow(stdin, "-", target, options, progress)
})

/** Checks that a local name can be a name on a server. */
const checked = (path: string, { mapped }: Options): Effect.Effect<void, LocalError> => {
  const objection = LocalName.objectionThere(basename(path), mapped)
  return objection === undefined ? Effect.void : Effect.fail(new LocalError({ path, detail: objection }))
}

/** An entry of the local tree, by the names that lead to it. */
interface Found {
  readonly names: ReadonlyArray<string>
  readonly isFile: boolean
}

/** Copies everything in a local folder into a directory. If one entry fails, the others are still copied. */
const tree = Effect.fnUntraced(function*(
  source: string,
  target: UncPath.UncPath,
  options: Run,
  progress: Progress.Progress
) {
  const smb = yield* SmbClient
  const fs = yield* FileSystem.FileSystem
  let failures = 0
  const mark = `effect-smb-${randomBytes(6).toString("hex")}`
  /** Directories that were created for this copy: they only contain its entries. */
  const made = new Set<string>()
  const tell = (what: Report) => Effect.andThen(progress.wipe, Output.tell(what, options.json))
  const alone = <A, E extends { readonly _tag: string; readonly reason?: unknown }, R>(
    effect: Effect.Effect<A, E, R>,
    otherwise: A
  ): Effect.Effect<A, E, R> =>
    Effect.catchIf(effect, concernsOne, (error) => {
      failures++
      return Effect.as(tell(report(error)), otherwise)
    })

  /** The entries of a local folder, after its directory on the server exists. Links are not followed. */
  const enter = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
    const here = join(source, ...names)
    if (names.length > 0) {
      yield* checked(here, options)
      if (yield* fs.exists(join(here, mark))) {
        yield* tell(intoItself(here))
        return []
      }
    }
    const found = yield* fs.readDirectoryEntries(here)
    const clashes = CaseClash.within(found.map(({ name }) => name).toSorted())
    const entries = found.filter(({ name }) => name !== mark && !clashes.has(name))
    for (const [name, other] of clashes) {
      failures++
      yield* tell(report(
        new LocalError({
          path: join(here, name),
          detail: `not copied: to a server this is the same name as ${
            JSON.stringify(other)
          }, which differs only in case`
        })
      ))
    }
    const there = UncPath.join(target, names.join("\\"))
    yield* smb.makeDirectory(there).pipe(
      Effect.andThen(Effect.sync(() => void made.add(UncPath.format(there)))),
      Effect.catchTag("SmbError", () => smb.makeDirectory(there, { recursive: true }))
    )
    return entries
  })
  const below = (
    names: ReadonlyArray<string>,
    entries: ReadonlyArray<FileSystem.DirectoryEntry>
  ): Stream.Stream<Found, ClientError | OutputClosed | LocalError | PlatformError> =>
    Stream.fromIterable(entries).pipe(
      Stream.flatMap(({ name, type }) => {
        const found = [...names, name]
        return type === "Directory"
          ? Stream.unwrap(Effect.map(alone(enter(found), []), (entries) => below(found, entries)))
          : Stream.succeed({ names: found, isFile: type === "File" })
      })
    )

  const first = yield* enter([])
  // The target directory can be inside the source folder, if this machine serves the share. The mark is removed when
  // its open closes, also where nothing can be deleted.
  const marking = {
    ...OpenMode.remove,
    createDisposition: OpenMode.create.createDisposition,
    createOptions: CreateOptions.FILE_DELETE_ON_CLOSE
  }
  const marked = yield* Effect.result(smb.open(UncPath.join(target, mark), marking))
  if (Result.isSuccess(marked)) {
    yield* Effect.addFinalizer(() => marked.success.close.pipe(Effect.timeoutOption("1 second"), Effect.ignore))
  }
  yield* below([], first).pipe(
    Stream.mapEffect(({ isFile, names }) => {
      const here = join(source, ...names)
      if (!isFile) {
        const message = `${printable(here)}: this is neither a file nor a folder, and was not copied`
        return tell({ code: 0, message, json: { warning: "NoFile", path: here, message } })
      }
      const there = UncPath.join(target, names.join("\\"))
      const isNew = made.has(UncPath.format(UncPath.parent(there)))
      return alone(Effect.andThen(checked(here, options), file(here, there, options, progress, isNew)), undefined)
    }, { concurrency, unordered: true }),
    Stream.runDrain
  )
  if (failures > 0) return yield* new Incomplete({ failures, what: "copied" })
}, Effect.scoped)

export const put = Effect.fnUntraced(function*(source: string, target: Remote, given: Options) {
  const progress = yield* Progress.auto(given.quiet)
  const replace = RemoteFile.make((report) => Effect.andThen(progress.wipe, Output.tell(report, given.json)))
  const options: Run = { ...given, replace }
  const run = Effect.gen(function*() {
    if (source === "-") return yield* fromInput(target, options, progress)
    const type = yield* LocalFile.typeOf(source)
    if (type === undefined) {
      return yield* new LocalError({ path: source, detail: notFound(source) })
    }
    if (type === "Directory") {
      if (!options.recursive) {
        return yield* new UsageError({ detail: `${source} is a directory: add -r to send it with all` })
      }
      return yield* tree(source, target, options, progress)
    }
    const place = yield* destination(target, basename(source))
    if (place !== target) yield* checked(source, options)
    yield* type === "File"
      ? file(source, place, options, progress)
      : flow(fromPipe(source), source, place, options, progress)
  })
  yield* Effect.ensuring(run, progress.wipe)
})
