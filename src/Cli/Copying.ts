/** `get`, `put`, `cp`, `sync` and `check`: copies and comparisons, with what the user sees of them. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { basename, join } from "node:path"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { fold } from "../Codec/UpCase.ts"
import type { Difference } from "../Transfer/Difference.ts"
import { LocalError, notFound } from "../Transfer/LocalError.ts"
import * as LocalNames from "../Transfer/LocalNames.ts"
import * as PlannedFolders from "../Transfer/PlannedFolders.ts"
import * as Transfer from "../Transfer/Transfer.ts"
import { destination } from "./Actions.ts"
import { Differs, oneLine, UsageError } from "./Failure.ts"
import * as HomeFolder from "./HomeFolder.ts"
import * as Output from "./Output.ts"
import * as Patterns from "./Patterns.ts"
import * as Reading from "./Reading.ts"
import * as Remote from "./Remote.ts"
import * as SeveralPaths from "./SeveralPaths.ts"
import * as CurrentDirectory from "./Shell/CurrentDirectory.ts"
import * as TransferOutput from "./TransferOutput.ts"

interface Format {
  readonly json: boolean
  readonly quiet: boolean
}

/** The options that all copies share. */
export interface Common extends Format {
  readonly recursive: boolean
  /** What the flags for all transfers say. */
  readonly transfer?: Transfer.TransferOptions
}

/** The options for several copies: a dry run of one knows which folders those before it would have made. */
const withPlanned = <A extends Common>(options: A) => ({
  ...options,
  transfer: { ...options.transfer, planned: PlannedFolders.make() }
})

/** A path of either kind, as the user wrote it. */
export type Place =
  | { readonly _tag: "Local"; readonly path: string }
  | { readonly _tag: "Remote"; readonly path: Remote.Remote }

const remotePlace = (found: Result.Result<Remote.Remote, string>): Result.Result<Place, UsageError> =>
  Result.mapBoth(found, {
    onFailure: (detail) => new UsageError({ detail }),
    onSuccess: (path): Place => ({ _tag: "Remote", path })
  })

/** A local path of a line of our shell: no other shell has replaced its ~. */
export const localPath = (text: string): string =>
  /^~(?:[\\/]|$)/.test(text) ? `${HomeFolder.known() ?? "~"}${text.slice(1)}` : text

/** Which side a word of a shell's line is on; `either`: on the server, unless `file:` is written before it. */
export type Side = "local" | "remote" | "either"

/**
 * Reads a path of either kind. Outside a shell, only the form of the path says which kind it has. In a shell, most
 * paths are relative, and `side` says it.
 */
export const place = (
  text: string,
  here?: CurrentDirectory.Here,
  side: Side = "either"
): Result.Result<Place, UsageError> => {
  if (here === undefined) {
    // A path that begins in this way is one on a server, also if it is written wrongly.
    return Transfer.isRemote(text) || /^smb:/i.test(text)
      ? remotePlace(Remote.parse(text, { share: true }))
      : Result.succeed({ _tag: "Local", path: text })
  }
  if (side === "either" && text.startsWith("file:")) {
    return localPlace(text.replace(/^file:(?:\/\/(?=\/))?/, ""))
  }
  return side === "local" && !Transfer.isRemote(text)
    ? localPlace(text)
    : remotePlace(CurrentDirectory.resolve(here, text, { share: true }))
}

/**
 * Fails if a path that has to be on this machine is written as one on a server: with a slash too few, such a path would
 * be the name of a local file, and messages would show its password. `./smb:x` is a local file.
 */
export const checkLocal = (path: string): Result.Result<string, UsageError> =>
  !/^smb:/i.test(path) ? Result.succeed(path) : Result.fail(
    new UsageError({
      detail: Remote.mayHoldPassword(path)
        ? "a path on this machine is wanted. The given one begins with smb:, and is not shown because it may hold a " +
          "password: use SMB_PASSWORD or --password-file"
        : `${path}: a path on this machine is wanted, and one that begins with smb: is on a server (./smb: is not)`
    })
  )

const localPlace = (text: string): Result.Result<Place, UsageError> =>
  Result.map(checkLocal(localPath(text)), (path): Place => ({ _tag: "Local", path }))

/** The type of a local file, links followed; `undefined` if nothing is there. */
const typeOf = Effect.fnUntraced(function*(path: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.stat(path).pipe(
    Effect.map(({ type }) => type),
    Effect.catchIf((error) => error.reason._tag === "NotFound", () => Effect.succeed(undefined))
  )
})

/** Whether a local path is written as a folder. */
const isFolderText = (path: string): boolean =>
  /[\\/]$/.test(path) && (process.platform === "win32" || path.endsWith("/"))

/** The target of a download: inside `path` if that is a directory or is written as one; otherwise `path` itself. */
export const localDestination = Effect.fnUntraced(function*(path: Option.Option<string>, source: UncPath.UncPath) {
  const name = yield* LocalNames.checked(UncPath.name(source))
  if (Option.isNone(path)) return name
  if (isFolderText(path.value)) return join(path.value, name)
  return (yield* typeOf(path.value)) === "Directory" ? join(path.value, name) : path.value
})

/** Fails if two sources would be copied to one name: the second would replace the first. */
const refuseTwins = (sources: ReadonlyArray<Remote.Remote | string>): Effect.Effect<void, UsageError> => {
  const taken = new Map<string, string>()
  for (const source of sources) {
    const [name, path] = typeof source === "string"
      ? [basename(source), source]
      : [UncPath.name(source), UncPath.format(source)]
    const other = taken.get(fold(name))
    if (other !== undefined) {
      const detail = `${other} and ${path} would both become ${name}: nothing was copied`
      return Effect.fail(new UsageError({ detail }))
    }
    taken.set(fold(name), path)
  }
  return Effect.void
}

const addRecursive = (path: string): UsageError =>
  new UsageError({ detail: `${path} is a directory: add -r to copy it with all` })

export const get = Effect.fnUntraced(function*(
  source: Remote.Remote,
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
          ? addRecursive(UncPath.format(source))
          : error
      )),
    TransferOutput.show(options, "get")
  )
})

/** `get` of several files and trees: each goes into the folder `local` under its own name. */
export const getAll = Effect.fnUntraced(function*(
  sources: ReadonlyArray<Remote.Remote>,
  local: Option.Option<string>,
  options: Common & { readonly resume: boolean }
) {
  const several = SeveralPaths.make({ json: options.json, what: "copied" })
  const found = (yield* several.prepare(sources, SeveralPaths.serverOf, Patterns.expand)).flat()
  const isOne = sources.length === 1 && found[0] === sources[0]
  if (isOne) return yield* get(found[0]!, local, options)
  const folder = Option.getOrElse(local, () => ".")
  if (folder === "-") {
    return yield* several.each(found, SeveralPaths.serverOf, (path) => Reading.toOutput(path, options))
  }
  yield* refuseTwins(found)
  const type = yield* typeOf(folder)
  if (type !== "Directory" && !(type === undefined && isFolderText(folder))) {
    return yield* new UsageError({ detail: `${folder} is no folder, and several files are copied to it` })
  }
  const sharing = withPlanned(options)
  const { dryRun, planned } = sharing.transfer
  if (dryRun === true) planned.add(folder)
  else yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeDirectory(folder, { recursive: true }))
  yield* several.each(found, SeveralPaths.serverOf, (path) =>
    Effect.flatMap(
      LocalNames.checked(UncPath.name(path)),
      (name) => get(path, Option.some(join(folder, name)), sharing)
    ))
})

type PutOptions = Common & { readonly inPlace: boolean; readonly mapped?: boolean; readonly resume?: boolean }

export const put = Effect.fnUntraced(function*(source: string, target: Remote.Remote, options: PutOptions) {
  const { inPlace, mapped = false, resume = false } = options
  if (resume && inPlace) return yield* new UsageError({ detail: "either --resume or --in-place, not both" })
  if (source === "-") {
    if (resume) return yield* new UsageError({ detail: "--resume needs a file, not -" })
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
  const there = type === "Directory" ? target : yield* destination(target, basename(source))
  if (type !== "Directory" && there !== target) yield* LocalNames.checkedThere(source, mapped)
  yield* Transfer.upload(source, there, { ...options.transfer, inPlace, mapped, resume }).pipe(
    TransferOutput.show(options, "put")
  )
})

/** Fails unless several sources go into a directory that exists, or that is written as one. */
const needDirectory = Effect.fnUntraced(function*(target: Remote.Remote) {
  if (target.directory || target.path === "") return
  const smb = yield* SmbClient
  const { type } = yield* smb.stat(target)
  if (type === "directory") return
  return yield* new UsageError({
    detail: `${UncPath.format(target)} is no directory, and several files are copied to it`
  })
})

/** `put` of several files and trees: each goes into the directory `target` under its own name. */
export const putAll = Effect.fnUntraced(function*(
  sources: ReadonlyArray<string>,
  target: Remote.Remote,
  options: PutOptions
) {
  for (const source of sources) yield* Effect.fromResult(checkLocal(source))
  const found = (yield* Effect.forEach(sources, Patterns.expandLocal)).flat()
  if (sources.length === 1 && found[0] === sources[0]) return yield* put(found[0]!, target, options)
  if (sources.includes("-")) return yield* new UsageError({ detail: "- goes alone: name the file to write" })
  yield* refuseTwins(found)
  yield* needDirectory(target)
  const sharing = withPlanned(options)
  const several = SeveralPaths.make({ json: options.json, what: "copied" })
  yield* several.each(found, () => [target], (source) => {
    const name = basename(source)
    const there = Patterns.within(target, name)
    return Effect.andThen(
      LocalNames.checkedThere(source, options.mapped ?? false),
      put(source, there, sharing)
    )
  })
})

/** Copies from server to server. */
const relay = Effect.fnUntraced(function*(source: Remote.Remote, target: Remote.Remote, options: Common) {
  const smb = yield* SmbClient
  const { type } = yield* smb.stat(source)
  if (type === "directory" && !options.recursive) return yield* addRecursive(UncPath.format(source))
  const there = type === "directory" ? target : yield* destination(target, UncPath.name(source))
  yield* Transfer.copyTree(source, there, options.transfer).pipe(TransferOutput.show(options, "copy"))
})

/** `cp`: either side can be local or on a server. */
export const copy = Effect.fnUntraced(function*(
  sources: ReadonlyArray<Place>,
  target: Place,
  options: Common & { readonly mapped: boolean }
) {
  const local = sources.flatMap((source) => source._tag === "Local" ? [source.path] : [])
  const remote = sources.flatMap((source) => source._tag === "Remote" ? [source.path] : [])
  if (target._tag === "Local") {
    if (local.length > 0) {
      return yield* new UsageError({ detail: "both paths are on this machine: one must be on a server" })
    }
    return yield* getAll(remote, Option.some(target.path), { ...options, resume: false })
  }
  const { path } = target
  if (remote.length === 0) return yield* putAll(local, path, { ...options, inPlace: false })
  const several = SeveralPaths.make({ json: options.json, what: "copied" })
  const found = (yield* several.prepare(remote, SeveralPaths.serverOf, Patterns.expand)).flat()
  if (local.length === 0 && sources.length === 1 && found[0] === remote[0]) {
    return yield* relay(found[0]!, path, options)
  }
  const here = (yield* Effect.forEach(local, Patterns.expandLocal)).flat()
  yield* refuseTwins([...here, ...found])
  if (!several.isLost(path)) yield* needDirectory(path)
  const sharing = withPlanned(options)
  const serversOf = (source: Remote.Remote | string) => typeof source === "string" ? [path] : [source, path]
  yield* several.each([...here, ...found], serversOf, (source) =>
    Effect.gen(function*() {
      if (typeof source !== "string") return yield* relay(source, Patterns.within(path, UncPath.name(source)), sharing)
      yield* LocalNames.checkedThere(source, options.mapped)
      yield* put(source, Patterns.within(path, basename(source)), { ...sharing, inPlace: false })
    }))
})

const pathOf = (place: Place): UncPath.PathInput => place.path

/** Which side of a copy is local. */
const direction = (source: Place, target: Place): TransferOutput.Direction =>
  source._tag === "Local" ? "put" : target._tag === "Local" ? "get" : "copy"

/** `sync` */
export const sync = (source: Place, target: Place, options: Format & { readonly sync: Transfer.SyncOptions }) =>
  Transfer.sync(pathOf(source), pathOf(target), options.sync).pipe(
    TransferOutput.show(options, direction(source, target))
  )

const words: { readonly [K in Difference["_tag"]]: (difference: Difference) => string } = {
  OnlySource: ({ source, target }) => `only ${source}: ${target} is missing`,
  OnlyTarget: ({ target }) => `only ${target}`,
  ContentDiffers: ({ source, target }) => `different ${source} and ${target}`,
  TypeDiffers: ({ source, target }) =>
    `different type ${source} and ${target}: one is a folder, a link or a device, and the other is not`
}

/** `check`: fails if the two folders are not the same, after it has printed each difference. */
export const check = Effect.fnUntraced(function*(
  source: Place,
  target: Place,
  options: Format & { readonly check: Transfer.CheckOptions }
) {
  let count = 0
  yield* Stream.runForEach(Transfer.check(pathOf(source), pathOf(target), options.check), (difference) => {
    count++
    const { _tag, ...paths } = difference
    return Output.write(
      options.json
        ? Output.jsonLine({ difference: _tag, ...paths })
        : `${oneLine(words[_tag](difference))}\n`
    )
  })
  if (count > 0) return yield* new Differs({ count })
})
