/**
 * `get`: files and trees from a server to here.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import { basename, dirname, join } from "node:path"
import * as OpenMode from "../Client/OpenMode.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { Incomplete, LocalError, printable, report, UsageError } from "./Failure.ts"
import * as LocalFile from "./LocalFile.ts"
import * as LocalName from "./LocalName.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"
import type { Remote } from "./Remote.ts"

export interface Options {
  readonly json: boolean
  readonly quiet: boolean
  readonly recursive: boolean
  readonly resume: boolean
}

/** Files that are read at once from a tree. */
const concurrency = 8

/** A name from a server as a name here. */
const checked = (name: string): Effect.Effect<string, LocalError> => {
  const objection = LocalName.objection(name, process.platform)
  return objection === undefined
    ? Effect.succeed(name)
    : Effect.fail(new LocalError({ path: JSON.stringify(name), detail: `not used as a name here: ${objection}` }))
}

const nameOf = (path: UncPath.UncPath) => checked(UncPath.name(path))

const toOutput = Effect.fnUntraced(function*(source: UncPath.UncPath) {
  const smb = yield* SmbClient
  yield* Stream.runForEach(smb.stream(source), Output.write)
})

/** One file. */
const file = Effect.fnUntraced(function*(
  source: UncPath.PathInput,
  target: string,
  options: Options,
  progress: Progress.Progress
) {
  const smb = yield* SmbClient
  const size = yield* Effect.scoped(Effect.gen(function*() {
    const remote = yield* smb.open(source, OpenMode.readSequentially)
    const { endOfFile, lastWriteTime } = remote.opened
    const tag = options.resume
      ? LocalName.resumeTag(remote.path, endOfFile, lastWriteTime)
      : randomBytes(6).toString("hex")
    const part = { name: LocalName.partial(basename(target), tag), keep: options.resume, size: endOfFile }
    return yield* LocalFile.replace(target, part, (writer) =>
      Effect.gen(function*() {
        yield* progress.file(basename(target), Number(endOfFile))
        yield* progress.advance(Number(writer.offset))
        let count = writer.offset
        yield* Stream.runForEach(remote.stream({ offset: writer.offset }), (data) => {
          count += BigInt(data.length)
          return Effect.andThen(writer.write(data), progress.advance(data.length))
        })
        if (count < endOfFile) {
          return yield* new LocalError({
            path: target,
            detail: `${remote.path} became shorter while it was read (${count} of ${endOfFile} bytes)`
          })
        }
        return count
      }))
  }))
  if (options.json) {
    yield* Output.write(Output.jsonLine({
      path: typeof source === "string" ? source : UncPath.format(source),
      local: target,
      size: Number(size)
    }))
  }
})

/** Everything in a directory, into a folder here. What one file fails with does not stop the others. */
const tree = Effect.fnUntraced(function*(
  source: UncPath.UncPath,
  target: string,
  options: Options,
  progress: Progress.Progress
) {
  const smb = yield* SmbClient
  const fs = yield* FileSystem.FileSystem
  const base = UncPath.format(source)
  let failures = 0
  const tell = (message: string) => Effect.andThen(progress.wipe, Output.writeError(`effect-smb: ${message}\n`))
  yield* fs.makeDirectory(target, { recursive: true })
  yield* smb.walk(source).pipe(
    Stream.mapEffect((entry) =>
      Effect.gen(function*() {
        if (entry.type === "symlink") return yield* tell(`${printable(entry.path)}: a symbolic link, passed over`)
        if (!entry.path.startsWith(`${base}\\`)) return
        const names = yield* Effect.forEach(entry.path.slice(base.length + 1).split("\\"), checked)
        const here = join(target, ...names)
        if (entry.type === "directory") return yield* fs.makeDirectory(here, { recursive: true })
        yield* fs.makeDirectory(dirname(here), { recursive: true })
        yield* file(entry.path, here, options, progress)
      }).pipe(
        // The connection and this machine's disk concern all files; the server's word on one concerns that one.
        Effect.catchTag(["SmbError", "LocalError"], (error) => {
          failures++
          return tell(report(error).message ?? "")
        })
      ), { concurrency, unordered: true }),
    Stream.runDrain
  )
  if (failures > 0) return yield* new Incomplete({ failures })
})

export const get = Effect.fnUntraced(function*(source: Remote, local: Option.Option<string>, options: Options) {
  const progress = yield* Progress.auto(options.quiet)
  const run = Effect.gen(function*() {
    if (Option.isSome(local) && local.value === "-") {
      if (options.recursive || options.resume) {
        return yield* new UsageError({ detail: "-r and --resume need a place to write to, not -" })
      }
      return yield* toOutput(source)
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
    yield* file(source, target, options, progress)
  })
  yield* Effect.ensuring(run, progress.wipe)
})
