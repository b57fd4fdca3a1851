/**
 * `put`: files and trees from here to a server.
 *
 * A file is written under another name and renamed when it is whole, so that a reader, or an interruption, never meets
 * half of it. With `inPlace` it is written where it belongs, which keeps the permissions of a file that is there.
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

/** What ended before it should have. */
const shorter = (path: string, count: bigint, size: bigint): LocalError =>
  new LocalError({
    path,
    detail: `ended after ${count} bytes, and had ${size} when it was opened: it became shorter while it was read`
  })

export interface Options {
  readonly json: boolean
  readonly quiet: boolean
  readonly recursive: boolean
  readonly inPlace: boolean
}

/** Files of a tree that are written at once. */
const concurrency = 8

/** With what a run has in common for all its files. */
interface Run extends Options {
  readonly replace: RemoteFile.Replace
}

/** Writes `target`: by way of a part beside it, unless in place, as streams are. */
const send = <E, R>(
  target: UncPath.UncPath,
  run: Run,
  content: RemoteFile.Content<E, R>,
  isNew?: boolean
) =>
  Effect.flatMap(SmbClient, (smb): Effect.Effect<bigint, E | ClientError, R | SmbClient> => {
    if (!run.inPlace && !UncPath.name(target).includes(":")) return run.replace(target, content, isNew)
    return content._tag === "Bytes"
      ? Effect.as(smb.writeFile(target, content.bytes), BigInt(content.bytes.length))
      : content.run({ writeFrom: (fill) => smb.writeFrom(target, fill), sink: () => smb.sink(target) })
  })

/** What one round trip takes, in bytes. */
const smallSize = 60_000

/** Up to one byte more than is small: files like those of /proc have no size, and devices no end. */
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
    // What it has had when it was opened has to come. Files like those of /proc have no size, and more than that.
    const whole = (count: bigint) => count < size ? Effect.fail(shorter(source, count, size)) : Effect.succeed(count)
    // In one round trip, where the file is as small as it says.
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

/** What can only be read from its beginning to its end: a pipe, a device. */
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

/** A pipe has no positions, which the file system's own streams read at. */
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

/** A name here as one on a server. */
const checked = (path: string): Effect.Effect<void, LocalError> => {
  const objection = LocalName.objectionThere(basename(path))
  return objection === undefined ? Effect.void : Effect.fail(new LocalError({ path, detail: objection }))
}

/** What is in the tree here, by the names that lead to it. */
interface Found {
  readonly names: ReadonlyArray<string>
  readonly isFile: boolean
}

/** Everything in a folder here, into a directory. What one entry fails with does not stop the others. */
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
  /** Directories that were made for this copy: nothing is in them but what it brings. */
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

  /** A folder's entries, once there is a directory for them. Links are not followed. */
  const enter = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
    const here = join(source, ...names)
    if (names.length > 0) {
      yield* checked(here)
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
          detail: `not copied: names on a server do not differ from ${JSON.stringify(other)} in case alone`
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
  // The directory that is written to may lie in the folder that is read, as a share of this very machine has it. The mark
  // goes with its open, also where nothing can be deleted.
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
        const message = `${printable(here)}: neither file nor folder, passed over`
        return tell({ code: 0, message, json: { warning: "NoFile", path: here, message } })
      }
      const there = UncPath.join(target, names.join("\\"))
      const isNew = made.has(UncPath.format(UncPath.parent(there)))
      return alone(Effect.andThen(checked(here), file(here, there, options, progress, isNew)), undefined)
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
    if (place !== target) yield* checked(source)
    yield* type === "File"
      ? file(source, place, options, progress)
      : flow(fromPipe(source), source, place, options, progress)
  })
  yield* Effect.ensuring(run, progress.wipe)
})
