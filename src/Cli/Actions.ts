/** The work of the subcommands, except transfers. Each function takes its arguments and prints. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ClientError } from "../Client/ClientError.ts"
import type { Entry } from "../Client/Entry.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import * as DfsResolver from "../Dfs/DfsResolver.ts"
import { isMissing } from "../Protocol/Errors.ts"
import { printable } from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Patterns from "./Patterns.ts"
import * as Reading from "./Reading.ts"
import type { Remote } from "./Remote.ts"
import * as SeveralPaths from "./SeveralPaths.ts"
import * as Sorting from "./Sorting.ts"
import * as Walking from "./Walking.ts"

export { leadsBack } from "./Walking.ts"

interface Format {
  readonly json: boolean
}

/** The path of an entry relative to `directory`, as a shell writes it. */
const relative = (directory: string, entry: Entry): string =>
  entry.path.startsWith(`${directory}\\`)
    ? entry.path.slice(directory.length + 1).replaceAll("\\", "/")
    : entry.name

/** The entries at a path: the matches of a pattern, the entries of a directory, or a file by itself. */
const entries = (
  smb: SmbClient["Service"],
  path: UncPath.UncPath,
  recursive: boolean,
  told: Walking.Told
): { readonly base: UncPath.UncPath; readonly stream: Stream.Stream<Entry, ClientError> } => {
  const pattern = Patterns.of(path)
  if (pattern !== undefined) {
    const found = Patterns.list(smb, path, pattern)
    const below = (entry: Entry) =>
      entry.type === "directory"
        ? smb.walk(entry.path, told).pipe(
          Stream.catch((error) => Stream.fromEffectDrain(told.onError(error, entry))),
          (all) => Stream.concat(Stream.succeed(entry), all)
        )
        : Stream.succeed(entry)
    return { base: UncPath.parent(path), stream: recursive ? Stream.flatMap(found, below) : found }
  }
  const itself = Stream.fromEffect(smb.stat(path, { follow: false }))
  return {
    base: path,
    stream: (recursive ? smb.walk(path, told) : smb.list(path)).pipe(
      Stream.catchTag(
        "SmbError",
        (error) => error.reason._tag === "NotADirectory" ? itself : Stream.fail(error)
      )
    )
  }
}

interface Listing extends Format {
  readonly long: boolean
  readonly recursive: boolean
  /** Sizes with K, M, G. */
  readonly human: boolean
  readonly sort: Sorting.Order
  /** The opposite of the order. */
  readonly reverse: boolean
}

/** The stream in an order; for that, all entries are in memory. The server's order needs none of them. */
const sorted = <E, R>(
  stream: Stream.Stream<Entry, E, R>,
  { reverse, sort }: Pick<Listing, "reverse" | "sort">
): Stream.Stream<Entry, E, R> => {
  if (sort === "none" && !reverse) return stream
  return Stream.unwrap(Effect.map(Stream.runCollect(stream), (all) => {
    const ordered = sort === "none" ? all : all.toSorted((a, b) => Sorting.compare(a, b, sort))
    return Stream.fromIterable(reverse ? ordered.toReversed() : ordered)
  }))
}

export const list = Effect.fnUntraced(function*(path: Remote, options: Listing) {
  const smb = yield* SmbClient
  const walking = Walking.make(options.json)
  const { base, stream } = entries(smb, path, options.recursive, walking.told)
  const directory = UncPath.format(base)
  yield* Stream.runForEachArray(sorted(stream, options), (found) =>
    Output.write(
      found.map((entry) =>
        options.json
          ? Output.jsonLine(Output.entryObject(entry))
          : Output.entryLine(entry, relative(directory, entry), options.long, options.human)
      ).join("")
    ))
  yield* walking.end
})

export const cat = (paths: ReadonlyArray<Remote>, options: Format) =>
  SeveralPaths.each(paths, { json: options.json, what: "read" }, (path) => Reading.toOutput(path, options))

export const makeDirectory = Effect.fnUntraced(function*(
  paths: ReadonlyArray<Remote>,
  options: Format & { readonly parents: boolean }
) {
  const smb = yield* SmbClient
  yield* SeveralPaths.each(
    paths,
    { json: options.json, what: "made" },
    (path) => smb.makeDirectory(path, { recursive: options.parents })
  )
})

/** The target of `name`: inside `path` if that is a directory, or is written as one; otherwise `path` itself. */
export const destination = Effect.fnUntraced(function*(path: Remote, name: string) {
  if (path.directory || path.path === "") return UncPath.join(path, name)
  const smb = yield* SmbClient
  const isDirectory = yield* smb.stat(path).pipe(
    Effect.map((entry) => entry.type === "directory"),
    Effect.catchTag("SmbError", (error) => isMissing(error) ? Effect.succeed(false) : Effect.fail(error))
  )
  return isDirectory ? UncPath.join(path, name) : path
})

export const shares = Effect.fnUntraced(function*(server: Remote, options: Format) {
  const smb = yield* SmbClient
  const found = yield* smb.shares(server)
  yield* Output.write(
    options.json
      ? found.map(({ comment, name, special, type }) => Output.jsonLine({ name, type, comment, special })).join("")
      : Output.shareLines(found)
  )
})

const toUnc = (text: string): string => text.replace(/^\\*/, "\\\\")

/** The path to ask the resolver for. Referrals name no port. */
export const question = (path: Remote) => UncPath.format({ ...path, port: UncPath.defaultPort })

/** Prints where a path leads. */
export const tellResolution = (path: Remote, options: Format, resolution: DfsResolver.Resolution) => {
  const found = {
    path: UncPath.format(path),
    resolvedPath: toUnc(resolution.resolvedPath),
    status: resolution.status,
    targets: resolution.targets.map((target) =>
      toUnc([target.server, target.share, target.path].filter((part) => part !== "").join("\\"))
    )
  }
  const lines = [
    ["path", found.path],
    ["status", found.status],
    ["resolved", found.resolvedPath],
    ...found.targets.map((target, index) => [`target ${index + 1}`, target] as const)
  ] as const
  return Output.write(
    options.json
      ? Output.jsonLine(found)
      : lines.map(([key, value]) => `${`${key}:`.padEnd(11)}${printable(value)}\n`).join("")
  )
}

/** Prints where a path leads, according to the resolver. */
export const resolve = Effect.fnUntraced(function*(path: Remote, options: Format) {
  const resolver = yield* DfsResolver.DfsResolver
  yield* tellResolution(path, options, yield* resolver.resolve(question(path)))
})

/** With DFS off a path leads to itself, and no server is asked. */
export const resolvePlain = Effect.fnUntraced(function*(path: Remote, options: Format) {
  yield* tellResolution(path, options, yield* DfsResolver.asPlain(question(path)))
})
