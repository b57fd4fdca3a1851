/**
 * Directories: their entries as a stream, and whole trees.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { isNameSurrogate } from "../Codec/Reparse.ts"
import { fold } from "../Codec/UpCase.ts"
import type { RequestError, SmbError } from "../Protocol/Errors.ts"
import type * as Operation from "../Protocol/Operation.ts"
import type * as Share from "../Protocol/Share.ts"
import { FileAttributes } from "../Smb2/Message/Constants.ts"
import type { ClientError } from "./ClientError.ts"
import * as Entry from "./Entry.ts"
import * as Information from "./Information.ts"
import * as OpenMode from "./OpenMode.ts"
import * as UncPath from "./UncPath.ts"

/** The size of one response with entries, in bytes: some hundreds of entries. */
const pageSize = 256 * 1024

/** The size of a response that is to find the end of a listing, in bytes. */
const smallPageSize = 64 * 1024

/**
 * An entry of a listing; `.` is the directory itself and `..` is its parent.
 *
 * @since 0.1.0
 */
export interface Listed {
  readonly name: string
  readonly entry: Entry.Entry
  /** The file's number on its volume (MS-FSCC 2.1.9); 0, or all bits set, if the server does not number its files. */
  readonly fileId: bigint
  /** The listed share, for comparison: the numbers of two shares are unrelated. */
  readonly place: string
}

const isDot = (name: string): boolean => name === "." || name === ".."

const isDirectory = (fileAttributes: number): boolean =>
  (fileAttributes & FileAttributes.FILE_ATTRIBUTE_DIRECTORY) !== 0

/**
 * Whether an entry is the directory itself or its parent.
 *
 * @since 0.1.0
 */
export const isDots = ({ name }: Listed): boolean => isDot(name)

/** A server that lists names with separators in them wants to mislead the client: such an entry is skipped. */
const isComponent = (name: string): boolean => name !== "" && !/[\\/\0]/.test(name)

/** The next page of a listing. The class has no 8.3 names, which cost a server time for each entry. */
const page = ({ limits }: Share.Share, pattern: string, restart: boolean, size: number) =>
  Information.queryDirectory("FileIdFullDirectoryInformation", {
    pattern,
    restart,
    maximum: Math.min(size, limits.transact)
  })

type Page = Operation.Output<ReturnType<typeof page>>

/**
 * The pages of a listing. The request for the next page is under way while a page is in use. It is sent only after the
 * response with the page before: the server would carry out two at once in any order.
 */
const pages = (share: Share.Share, file: Share.OpenFile, pattern: string): Stream.Stream<Page, RequestError> =>
  Stream.unwrap(Effect.gen(function*() {
    const scope = yield* Effect.scope
    const request = (restart: boolean) =>
      Effect.forkIn(file.run(page(share, pattern, restart, pageSize)), scope, { startImmediately: true })
    let ahead = yield* request(true)
    return Stream.unfold(
      undefined,
      () =>
        Effect.flatMap(
          Fiber.join(ahead),
          (page) =>
            page.length === 0 ? Effect.succeed(undefined) : Effect.map(request(false), (next) => {
              ahead = next
              return [page, undefined] as const
            })
        )
    )
  }))

/** The entries of pages. If the server lists `.` and `..`, they are first. */
const entriesOf = (share: Share.Share, directory: UncPath.UncPath, from: string) => {
  const place = fold(UncPath.format({ server: share.server, port: share.port, share: share.name, path: "" }))
  const toEntry = Entry.fromDirectory(directory, from)
  return (page: Page): ReadonlyArray<Listed> => {
    const self = page.find(({ fileName }) => fileName === ".")?.fileId
    // A file cannot be its own directory: the numbers of a server that says so are not used.
    const numbered = page.every(({ fileAttributes, fileId }) => fileId !== self || isDirectory(fileAttributes))
    const found = page.filter(({ fileName }) => isComponent(fileName)).map((one): Listed => ({
      name: one.fileName,
      entry: toEntry(one),
      fileId: numbered ? one.fileId : 0n,
      place
    }))
    return [...found.filter(isDots), ...found.filter((one) => !isDots(one))]
  }
}

/**
 * The entries of an open directory that match `pattern`, a page at a time. If the server lists `.` and `..`, they are
 * first. `from` is the directory's own relative path.
 *
 * @since 0.1.0
 */
export const listed = (
  share: Share.Share,
  file: Share.OpenFile,
  directory: UncPath.UncPath,
  pattern: string,
  from = ""
): Stream.Stream<Listed, RequestError> => {
  const entries = entriesOf(share, directory, from)
  return Stream.flatMap(pages(share, file, pattern), (page) => Stream.fromArray(entries(page)))
}

/**
 * The queries of a listing that fits in one compound: a page, and a small one, which finds the end.
 *
 * @since 0.2.0
 */
export const firstQueries = (share: Share.Share, pattern: string) =>
  [page(share, pattern, true, pageSize), page(share, pattern, false, smallPageSize)] as const

/**
 * The responses to `firstQueries`.
 *
 * @since 0.2.0
 */
export type FirstResults = Share.Results<ReturnType<typeof firstQueries>>

/** The errors of a server that does not carry out the second query of a compound. Other errors are the directory's. */
const ofCompounds: ReadonlySet<SmbError["reason"]["_tag"]> = new Set(["InvalidParameter", "NotSupported"])

/**
 * The entries of a directory from the responses to `firstQueries`. `open` opens the directory if these are not all: its
 * listing begins again then, and each name is given once.
 *
 * @since 0.2.0
 */
export const listedFrom = <E>(
  share: Share.Share,
  [first, second]: FirstResults,
  open: Effect.Effect<Share.OpenFile, E, Scope.Scope>,
  directory: UncPath.UncPath,
  pattern: string,
  from = ""
): Stream.Stream<Listed, E | RequestError> => {
  if (Result.isFailure(first)) return Stream.fail(first.failure)
  const pages = [first.success, ...(Result.isSuccess(second) ? [second.success] : [])]
  const given = pages.flatMap(entriesOf(share, directory, from))
  if (pages.some((page) => page.length === 0)) return Stream.fromArray(given)
  if (Result.isFailure(second) && !ofCompounds.has(second.failure.reason._tag)) {
    return Stream.concat(Stream.fromArray(given), Stream.fail(second.failure))
  }
  const names = new Set(given.map(({ name }) => name))
  const all = Stream.unwrap(Effect.map(open, (file) => listed(share, file, directory, pattern, from)))
  return Stream.concat(Stream.fromArray(given), Stream.filter(all, ({ name }) => !names.has(name)))
}

/**
 * The entries themselves, without `.` and `..`.
 *
 * @since 0.1.0
 */
export const entries = <E, R>(all: Stream.Stream<Listed, E, R>): Stream.Stream<Entry.Entry, E, R> =>
  Stream.map(Stream.filter(all, (one) => !isDots(one)), ({ entry }) => entry)

/** The size of a page that needs one credit, in bytes. */
const onePageSize = 64 * 1024

/**
 * The first entries of a directory that match a pattern, in one round trip and for one credit: about 300 of them. For a
 * search that need not find all.
 *
 * @since 0.2.0
 */
export const firstEntries = (
  share: Share.Share,
  below: string,
  directory: UncPath.UncPath,
  pattern: string
): Effect.Effect<ReadonlyArray<Entry.Entry>, RequestError> =>
  Effect.map(
    share.batch(below, OpenMode.directory, [page(share, pattern, true, onePageSize)]),
    ({ results: [first] }) =>
      Result.isFailure(first)
        ? []
        : entriesOf(share, directory, "")(first.success).filter((one) => !isDots(one)).map(({ entry }) => entry)
  )

const allBits = 0xffff_ffff_ffff_ffffn

/**
 * Identifies a file among all files of its share; `undefined` if the server does not number its files.
 *
 * @since 0.1.0
 */
export const identity = ({ fileId, place }: Listed): string | undefined =>
  fileId === 0n || BigInt.asUintN(64, fileId) === allBits ? undefined : `${place}\0${fileId}`

/**
 * The share of an identity.
 *
 * @since 0.1.0
 */
export const placeOf = (identity: string): string => identity.slice(0, identity.indexOf("\0"))

/**
 * Identifies a file if the share has several volumes. Volumes that are mounted in a share number their files
 * independently, so two folders can have the same number; they hardly ever have the same creation time.
 *
 * @since 0.1.0
 */
export const onVolume = (one: Listed): string => `${identity(one)}\0${one.entry.creationTime}`

/** The folders that a walk is in, by their numbers: on this volume and on all volumes. */
interface Ancestors {
  readonly here: ReadonlySet<string>
  readonly everywhere: ReadonlySet<string>
}

/** Whether a folder may be on another volume. */
const isMount = (entry: Entry.Entry | undefined): boolean => entry !== undefined && isNameSurrogate(entry.reparseTag)

const nothing: ReadonlySet<string> = new Set()

/**
 * Options of a walk.
 *
 * @since 0.1.0
 */
export interface WalkOptions {
  /** How many directories are listed at once. Default: 8. */
  readonly concurrency?: number | undefined
  /** How many levels below the start. Default: 128. */
  readonly maximumDepth?: number | undefined
  /**
   * Called when a directory below the start cannot be listed, or not to its end. If this succeeds, the walk goes on
   * without the directory. Default: the walk fails.
   */
  readonly onError?: ((error: ClientError, directory: Entry.Entry) => Effect.Effect<void, ClientError>) | undefined
  /**
   * Called with a directory that is one of its own ancestors: a link that the server follows, or a DFS link, leads
   * back. The directory is among the results, and is not entered again.
   */
  readonly onLoop?: ((directory: Entry.Entry) => Effect.Effect<void, ClientError>) | undefined
  /**
   * Whether a directory below the start is wanted. If this returns false, the directory and everything in it are left
   * out.
   */
  readonly enter?: ((directory: Entry.Entry) => Effect.Effect<boolean, ClientError>) | undefined
}

/**
 * Everything below a directory, in the order of arrival: a directory before its entries, siblings in no order. Symbolic
 * links are not followed. A directory whose number is that of one of its ancestors is not entered again. If the server
 * gives no numbers, `maximumDepth` ends a loop.
 *
 * @since 0.1.0
 */
export const walk = (
  list: (path: string, from: string) => Stream.Stream<Listed, ClientError>,
  path: string,
  options: WalkOptions = {}
): Stream.Stream<Entry.Entry, ClientError> => {
  const { onError, onLoop } = options
  const below = (directory: Entry.Entry): Stream.Stream<Listed, ClientError> =>
    onError === undefined
      ? list(directory.path, directory.relativePath)
      : Stream.catch(list(directory.path, directory.relativePath), (error) =>
        Stream.fromEffectDrain(onError(error, directory)))
  const leadsBack = (directory: Entry.Entry | undefined): Stream.Stream<never, ClientError> =>
    directory === undefined || onLoop === undefined ? Stream.empty : Stream.fromEffectDrain(onLoop(directory))
  const wanted = (directory: Entry.Entry, all: Stream.Stream<Entry.Entry, ClientError>) =>
    options.enter === undefined
      ? all
      : Stream.unwrap(Effect.map(options.enter(directory), (enters) => enters ? all : Stream.empty))
  const level = (
    entries: () => Stream.Stream<Listed, ClientError>,
    ancestors: Ancestors,
    directory: Entry.Entry | undefined,
    depth: number
  ): Stream.Stream<Entry.Entry, ClientError> =>
    depth <= 0 ? Stream.empty : Stream.suspend(() => {
      const isMounted = isMount(directory)
      let known = ancestors
      let isLoop = false
      const look = (one: Listed): boolean => {
        const id = one.name === "." ? identity(one) : undefined
        if (id !== undefined) {
          const key = onVolume(one)
          isLoop = ancestors.here.has(id) || (isMounted && ancestors.everywhere.has(key))
          known = {
            here: new Set([...ancestors.here, id]),
            everywhere: new Set([...ancestors.everywhere, key])
          }
        }
        return !isDots(one)
      }
      return entries().pipe(
        Stream.filter(look),
        Stream.takeWhile(() => !isLoop),
        Stream.flatMap(
          (one) => {
            const { entry } = one
            if (entry.type !== "directory") return Stream.succeed(entry)
            const id = isMount(entry) ? undefined : identity(one)
            const next = isMount(entry) ? { ...known, here: nothing } : known
            const all = Stream.concat(
              Stream.succeed(entry),
              id !== undefined && known.here.has(id)
                ? leadsBack(entry)
                : level(() => below(entry), next, entry, depth - 1)
            )
            return wanted(entry, all)
          },
          { concurrency: options.concurrency ?? 8 }
        ),
        (all) => Stream.concat(all, Stream.suspend(() => isLoop ? leadsBack(directory) : Stream.empty))
      )
    })
  return level(() => list(path, ""), { here: nothing, everywhere: nothing }, undefined, options.maximumDepth ?? 128)
}
