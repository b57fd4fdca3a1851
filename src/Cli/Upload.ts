/**
 * `put`: files and trees from here to a server.
 *
 * A file is written under another name and renamed when it is whole, so that a reader, or an interruption, never meets
 * half of it. With `inPlace` it is written where it belongs, which keeps the permissions of a file that is there.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { destination } from "./Actions.ts"
import { LocalError, printable, UsageError } from "./Failure.ts"
import * as LocalFile from "./LocalFile.ts"
import * as LocalName from "./LocalName.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import type { Remote } from "./Remote.ts"

export interface Options {
  readonly json: boolean
  readonly quiet: boolean
  readonly recursive: boolean
  readonly inPlace: boolean
}

/** Bytes that are read from a file here at once. */
const chunkSize = 1024 * 1024

/** Files of a tree that are written at once. */
const concurrency = 8

const send = Effect.fnUntraced(function*<E, R>(
  data: Stream.Stream<Uint8Array, E, R>,
  target: UncPath.UncPath,
  options: Options,
  progress: Progress.Progress
) {
  const smb = yield* SmbClient
  const watched = Stream.tap(data, (chunk) => progress.advance(chunk.length))
  if (options.inPlace) return yield* Stream.run(watched, smb.sink(target))
  const part = UncPath.join(
    UncPath.parent(target),
    LocalName.partial(UncPath.name(target), randomBytes(6).toString("hex"))
  )
  return yield* Effect.acquireUseRelease(
    Effect.void,
    () =>
      Stream.run(watched, smb.sink(part, { create: true })).pipe(
        Effect.tap(smb.rename(part, target, { replace: true }))
      ),
    (_, exit) =>
      Exit.isSuccess(exit)
        ? Effect.void
        // A server that has gone does not take its part away either; nobody waits for it.
        : smb.remove(part, { force: true }).pipe(Effect.timeoutOption("2 seconds"), Effect.ignore)
  )
})

const file = Effect.fnUntraced(function*(
  source: string,
  target: UncPath.UncPath,
  options: Options,
  progress: Progress.Progress
) {
  const fs = yield* FileSystem.FileSystem
  const { size } = yield* fs.stat(source)
  yield* progress.file(LocalFile.nameOf(source), Number(size))
  const count = yield* send(fs.stream(source, { chunkSize }), target, options, progress)
  if (options.json) yield* Output.write(written(target, source, count))
})

const written = (target: UncPath.UncPath, local: string, count: bigint) =>
  Output.jsonLine({ path: UncPath.format(target), local, size: Number(count) })

const fromInput = Effect.fnUntraced(function*(target: Remote, options: Options, progress: Progress.Progress) {
  if (options.recursive) return yield* new UsageError({ detail: "-r needs a folder, not -" })
  if (target.directory || target.path === "") {
    return yield* new UsageError({ detail: `${UncPath.format(target)} is a directory: name the file to write` })
  }
  const { stdin } = yield* Stdio.Stdio
  yield* progress.file("standard input", undefined)
  const count = yield* send(stdin, target, options, progress)
  if (options.json) yield* Output.write(written(target, "-", count))
})

/** A file of the tree here, and the directories that lead to it. */
interface Found {
  readonly names: ReadonlyArray<string>
  readonly type: "directory" | "file" | "other"
}

const types: Readonly<Record<string, Found["type"]>> = { Directory: "directory", File: "file" }

/** Everything below a folder here, each folder before what is in it. Links are not followed. */
const find = (
  fs: FileSystem.FileSystem,
  root: string,
  names: ReadonlyArray<string>
): Stream.Stream<Found, PlatformError> =>
  Stream.unwrap(Effect.map(fs.readDirectoryEntries(join(root, ...names)), (found) =>
    Stream.fromIterable(found).pipe(
      Stream.flatMap(({ name, type }) => {
        const here: Found = { names: [...names, name], type: types[type] ?? "other" }
        return here.type === "directory"
          ? Stream.concat(Stream.succeed(here), find(fs, root, here.names))
          : Stream.succeed(here)
      })
    )))

const tree = Effect.fnUntraced(function*(
  source: string,
  target: UncPath.UncPath,
  options: Options,
  progress: Progress.Progress
) {
  const smb = yield* SmbClient
  const fs = yield* FileSystem.FileSystem
  yield* smb.makeDirectory(target, { recursive: true })
  const made = new Set([""])
  const makeAll = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
    const below = names.join("\\")
    if (made.has(below)) return
    made.add(below)
    yield* smb.makeDirectory(UncPath.join(target, below), { recursive: true })
  })
  yield* find(fs, source, []).pipe(
    // In order, and ahead of the files: a directory is there before anything is written into it.
    Stream.mapEffect((found) => Effect.as(found.type === "directory" ? makeAll(found.names) : Effect.void, found)),
    Stream.mapEffect((found) => {
      const here = join(source, ...found.names)
      if (found.type === "directory") return Effect.void
      if (found.type === "other") {
        return Effect.andThen(
          progress.wipe,
          Output.writeError(`effect-smb: ${printable(here)}: neither file nor folder, passed over\n`)
        )
      }
      const bad = found.names.find((name) => /[\\/]/.test(name))
      return bad === undefined
        ? file(here, UncPath.join(target, found.names.join("\\")), options, progress)
        : Effect.fail(new LocalError({ path: here, detail: "a name on a server has no backslash" }))
    }, { concurrency, unordered: true }),
    Stream.runDrain
  )
})

export const put = Effect.fnUntraced(function*(source: string, target: Remote, options: Options) {
  const progress = yield* Progress.auto(options.quiet)
  const run = Effect.gen(function*() {
    if (source === "-") return yield* fromInput(target, options, progress)
    const type = yield* LocalFile.typeOf(source)
    if (type === undefined) {
      return yield* new LocalError({ path: source, detail: "there is no such file or directory" })
    }
    if (type === "Directory") {
      if (!options.recursive) {
        return yield* new UsageError({ detail: `${source} is a directory: add -r to send it with all` })
      }
      return yield* tree(source, target, options, progress)
    }
    yield* file(source, yield* destination(target, LocalFile.nameOf(source)), options, progress)
  })
  yield* Effect.ensuring(run, progress.wipe)
})
