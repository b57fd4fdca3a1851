/** `stat`, `streams`, `versions`: what a server knows of one file beyond the entry of a listing. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Entry from "../Client/Entry.ts"
import * as Information from "../Client/Information.ts"
import * as OpenMode from "../Client/OpenMode.ts"
import type { NamedStream } from "../Client/Operations.ts"
import * as PreviousVersion from "../Client/PreviousVersion.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import * as FileTime from "../Codec/FileTime.ts"
import { isMissing, refusesShare } from "../Protocol/Errors.ts"
import type * as Share from "../Protocol/Share.ts"
import * as AccessWords from "./AccessWords.ts"
import * as Attributes from "./Attributes.ts"
import { printable, UsageError } from "./Failure.ts"
import { slashed } from "./Find.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"
import * as SeveralPaths from "./SeveralPaths.ts"
import * as Table from "./Table.ts"

interface Format {
  readonly json: boolean
}

/** What a server adds to an entry. A server need not know all of it. */
export interface Details {
  readonly links?: number | undefined
  readonly deletePending?: boolean | undefined
  /** The number of the file on its volume. */
  readonly fileId?: bigint | undefined
  readonly shortName?: string | undefined
  readonly streams?: ReadonlyArray<NamedStream> | undefined
  readonly maximalAccess?: number | undefined
  /** The target of a symbolic link. */
  readonly target?: string | undefined
}

/** `:name:$DATA`, with an empty name for the file's own data. */
const streamName = /^:([^:]+):\$DATA$/iu

/** What a batch asks for, in addition to the open. */
const queries = [
  Information.queryFile("FileStandardInformation"),
  Information.queryFile("FileInternalInformation"),
  Information.queryFile("FileAlternateNameInformation"),
  Information.queryFile("FileStreamInformation"),
  Information.queryFile("FileAttributeTagInformation")
] as const

const detailsFrom = (
  opened: Share.Opened,
  [standard, internal, alternate, streams]: Share.Results<typeof queries>
): Details => {
  const value = <A, B>(result: Result.Result<A, unknown>, of: (value: A) => B): B | undefined =>
    Result.isSuccess(result) ? of(result.success) : undefined
  return {
    links: value(standard, ({ numberOfLinks }) => numberOfLinks),
    deletePending: value(standard, ({ deletePending }) => deletePending),
    fileId: value(internal, ({ indexNumber }) => indexNumber),
    shortName: value(alternate, ({ fileName }) => fileName),
    streams: value(streams, (all) =>
      all.flatMap((one) => {
        const name = streamName.exec(one.streamName)?.[1]
        return name === undefined ? [] : [{ name, size: one.streamSize }]
      })),
    maximalAccess: opened.maximalAccess
  }
}

/** The entry from the response to its open; of a link itself if its tag is given. */
const entryOf = (
  path: Remote,
  opened: Share.Opened,
  tag: Result.Result<{ readonly reparseTag: number }, unknown> | undefined
): Entry.Entry =>
  Entry.fromAttributes(path, opened, tag !== undefined && Result.isSuccess(tag) ? tag.success.reparseTag : 0)

/**
 * The entry at a path and its details, in one batch. A server that refuses all of it has no details, but perhaps the
 * entry.
 */
const lookAt = Effect.fnUntraced(function*(path: Remote, follow: boolean) {
  const smb = yield* SmbClient
  const found = yield* Effect.result(Effect.scoped(smb.withShare(path, (share, below) => {
    const version = PreviousVersion.split(below)
    const mode = follow ? OpenMode.attributes : OpenMode.readReparsePoint
    return share.batch(version.path, { ...mode, queryMaximalAccess: true, timewarp: version.time }, queries)
  })))
  if (Result.isFailure(found)) {
    const { failure } = found
    // No other request helps if the server refuses the account, the share or the path itself.
    return failure._tag === "SmbError" && !isMissing(failure) && !refusesShare(failure) &&
        failure.reason._tag !== "AccessDenied"
      ? { entry: yield* smb.stat(path, { follow }), details: {} satisfies Details }
      : yield* Effect.fail(failure)
  }
  const { opened, results } = found.success
  return { entry: entryOf(path, opened, follow ? undefined : results[4]), details: detailsFrom(opened, results) }
})

/** The same, and the target of a symbolic link. */
const lookAtLink = Effect.fnUntraced(function*(path: Remote, follow: boolean) {
  const found = yield* lookAt(path, follow)
  if (found.entry.type !== "symlink") return found
  const smb = yield* SmbClient
  const target = yield* Effect.orElseSucceed(smb.readLink(path), () => undefined)
  return { ...found, details: { ...found.details, target } satisfies Details }
})

/** Details as the fields of an object. */
const detailsObject = (details: Details, isDirectory: boolean): Readonly<Record<string, unknown>> => ({
  links: details.links ?? null,
  deletePending: details.deletePending ?? null,
  // A number of JSON is exact to 2^53 only.
  fileId: details.fileId === undefined ? null : String(details.fileId),
  shortName: details.shortName ?? null,
  streams: details.streams?.map(({ name, size }) => ({ name, size: Number(size) })) ?? null,
  maximalAccess: details.maximalAccess ?? null,
  rights: details.maximalAccess === undefined ? null : AccessWords.of(details.maximalAccess, isDirectory),
  ...(details.target === undefined ? {} : { target: details.target })
})

const time = (ticks: bigint): string => FileTime.isTime(ticks) ? FileTime.toISO(ticks) ?? "-" : "-"

const facts = (entry: Entry.Entry, details: Details): ReadonlyArray<Table.Fact> => {
  const { fileAttributes } = entry
  const hex = `0x${fileAttributes.toString(16).padStart(8, "0")}`
  const names = Attributes.names(fileAttributes)
  return [
    ["path", entry.path],
    ["type", entry.type],
    ["target", details.target],
    ["size", String(entry.size)],
    ["allocated", String(entry.allocationSize)],
    ["attributes", `${names.length === 0 ? "none" : names.join(", ")} (${hex})`],
    ["created", time(entry.creationTime)],
    ["accessed", time(entry.lastAccessTime)],
    ["written", time(entry.lastWriteTime)],
    ["changed", time(entry.changeTime)],
    ["links", details.links === undefined ? undefined : String(details.links)],
    ["id", details.fileId === undefined ? undefined : String(details.fileId)],
    ["short name", details.shortName],
    [
      "streams",
      details.streams?.map(({ name, size }) => `${name} (${size} ${size === 1n ? "byte" : "bytes"})`).join(", ")
    ],
    [
      "rights",
      details.maximalAccess === undefined
        ? undefined
        : AccessWords.of(details.maximalAccess, entry.type === "directory").join(", ")
    ],
    ["pending", details.deletePending === true ? "it is deleted when the last program closes it" : undefined]
  ]
}

/** Prints all that is known of each path. */
export const stat = Effect.fnUntraced(function*(
  paths: ReadonlyArray<Remote>,
  options: Format & { readonly follow: boolean }
) {
  let count = 0
  yield* SeveralPaths.each(paths, { json: options.json, what: "read" }, (path) =>
    Effect.gen(function*() {
      const { details, entry } = yield* lookAtLink(path, options.follow)
      yield* Output.write(
        options.json
          ? Output.jsonLine({
            ...Output.entryObject(entry),
            allocationSize: Number(entry.allocationSize),
            ...detailsObject(details, entry.type === "directory")
          })
          : `${count++ === 0 ? "" : "\n"}${Table.lines(facts(entry, details))}`
      )
    }))
})

/** Prints the named streams of a file, or removes some of them. */
export const streams = Effect.fnUntraced(function*(
  path: Remote,
  options: Format & { readonly remove: ReadonlyArray<string> }
) {
  const smb = yield* SmbClient
  if (options.remove.length === 0) {
    const found = yield* smb.namedStreams(path)
    return yield* Output.write(
      found.map(({ name, size }) =>
        options.json
          ? Output.jsonLine({ name, size: Number(size), path: `${UncPath.format(path)}:${name}` })
          : `${String(size).padStart(14)} ${printable(name)}\n`
      ).join("")
    )
  }
  for (const name of options.remove) {
    if (/[\\/:\0]/.test(name) || name === "") {
      return yield* new UsageError({ detail: `${JSON.stringify(name)} cannot be the name of a stream` })
    }
  }
  const named = options.remove.map((name) => ({ ...path, path: `${path.path}:${name}` }))
  yield* SeveralPaths.each(named, { json: options.json, what: "removed" }, (stream) => smb.remove(stream))
})

/** A path at the time of a token: the token is the first component below the share. */
export const atVersion = (path: UncPath.UncPath, token: string): string =>
  UncPath.format({ ...path, path: path.path === "" ? token : `${token}\\${path.path}` })

/** Prints the previous versions of a file or folder, each as a path that the other subcommands take. */
export const versions = Effect.fnUntraced(function*(path: Remote, options: Format) {
  const smb = yield* SmbClient
  const tokens = yield* smb.previousVersions(path)
  yield* Output.write(
    tokens.map((token) => {
      const ticks = PreviousVersion.parse(token)
      return options.json
        ? Output.jsonLine({
          version: token,
          time: ticks === undefined ? null : FileTime.toISO(ticks),
          path: atVersion(path, token)
        })
        : `${printable(slashed(atVersion(path, token)))}\n`
    }).join("")
  )
})
