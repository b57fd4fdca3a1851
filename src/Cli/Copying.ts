/** `get` and `put`: copies between this machine and a server, with what the user sees of them. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { basename, join } from "node:path"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { LocalError, notFound } from "../Transfer/LocalError.ts"
import * as LocalNames from "../Transfer/LocalNames.ts"
import * as Transfer from "../Transfer/Transfer.ts"
import { destination } from "./Actions.ts"
import { UsageError } from "./Failure.ts"
import * as Reading from "./Reading.ts"
import type { Remote } from "./Remote.ts"
import * as TransferOutput from "./TransferOutput.ts"

interface Format {
  readonly json: boolean
  readonly quiet: boolean
}

/** The options that both directions share. */
export interface Common extends Format {
  readonly recursive: boolean
  /** What the flags for all transfers say. */
  readonly transfer?: Transfer.TransferOptions
}

/** The type of a local file, links followed; `undefined` if nothing is there. */
const typeOf = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(path).pipe(
    Effect.map(({ type }) => type),
    Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed(undefined))
  )
})

/** The target of a download: inside `path` if that is a directory or is written as one; otherwise `path` itself. */
export const localDestination = Effect.fnUntraced(function*(path: Option.Option<string>, source: UncPath.UncPath) {
  const name = yield* LocalNames.checked(UncPath.name(source))
  if (Option.isNone(path)) return name
  if (/[\\/]$/.test(path.value) && (process.platform === "win32" || path.value.endsWith("/"))) {
    return join(path.value, name)
  }
  return (yield* typeOf(path.value)) === "Directory" ? join(path.value, name) : path.value
})

export const get = Effect.fnUntraced(function*(
  source: Remote,
  local: Option.Option<string>,
  options: Common & { readonly resume: boolean }
) {
  if (Option.isSome(local) && local.value === "-") {
    if (options.recursive || options.resume) {
      return yield* new UsageError({ detail: "-r and --resume need a place to write to, not -" })
    }
    return yield* Reading.toOutput(source, options)
  }
  const isTree = options.recursive &&
    (yield* Effect.flatMap(SmbClient, (smb) => smb.stat(source))).type === "directory"
  const target = isTree
    ? Option.isSome(local) ? local.value : yield* LocalNames.checked(UncPath.name(source))
    : yield* localDestination(local, source)
  yield* Transfer.download(source, target, {
    concurrency: 16,
    ...options.transfer,
    recursive: isTree,
    resume: options.resume
  }).pipe(
    Stream.catchTag("SmbError", (error) =>
      Stream.fail(
        error.reason._tag === "FileIsADirectory" && !options.recursive
          ? new UsageError({ detail: `${UncPath.format(source)} is a directory: add -r to copy it with all` })
          : error
      )),
    TransferOutput.show(options, "get")
  )
})

export const put = Effect.fnUntraced(function*(
  source: string,
  target: Remote,
  options: Common & { readonly inPlace: boolean; readonly mapped?: boolean }
) {
  const { inPlace, mapped = false } = options
  if (source === "-") {
    if (options.recursive) return yield* new UsageError({ detail: "-r needs a folder, not -" })
    if (target.directory || target.path === "") {
      return yield* new UsageError({ detail: `${UncPath.format(target)} is a directory: name the file to write` })
    }
    const { stdin } = yield* Stdio.Stdio
    return yield* Transfer.uploadStream(stdin, target, { ...options.transfer, inPlace, mapped }).pipe(
      TransferOutput.show(options, "put")
    )
  }
  const type = yield* typeOf(source)
  if (type === undefined) return yield* new LocalError({ path: source, detail: notFound(source) })
  if (type === "Directory" && !options.recursive) {
    return yield* new UsageError({ detail: `${source} is a directory: add -r to send it with all` })
  }
  const place = type === "Directory" ? target : yield* destination(target, basename(source))
  if (type !== "Directory" && place !== target) yield* LocalNames.checkedThere(source, mapped)
  yield* Transfer.upload(source, place, { ...options.transfer, inPlace, mapped }).pipe(
    TransferOutput.show(options, "put")
  )
})
