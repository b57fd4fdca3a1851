/**
 * Copies between this machine and servers, as the command makes them: each file appears under its name when it is
 * complete, trees go on after a failure of one entry, and what happens comes as a stream of events.
 *
 * @example
 * ```ts
 * export const mirror = Transfer.sync("./site", "//nas/www", { delete: true, exclude: ["*.tmp"], concurrency: 8 }).pipe(
 *   Stream.runForEach(({ progress: { done, total } }) => Effect.log(`${done.bytes} of ${total.bytes} bytes`))
 * )
 * ```
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import { fold } from "../Codec/UpCase.ts"
import * as Arguments from "../Protocol/Arguments.ts"
import { fromStatus } from "../Protocol/Errors.ts"
import * as Spans from "../Protocol/Spans.ts"
import type { Difference } from "./Difference.ts"
import type { Incomplete } from "./Incomplete.ts"
import * as Choice from "./internal/Choice.ts"
import * as Comparison from "./internal/Comparison.ts"
import * as Download from "./internal/Download.ts"
import * as DryRun from "./internal/DryRun.ts"
import * as Extras from "./internal/Extras.ts"
import * as Filter from "./internal/Filter.ts"
import * as LocalFile from "./internal/LocalFile.ts"
import * as Mark from "./internal/Mark.ts"
import * as Options from "./internal/Options.ts"
import * as Overlap from "./internal/Overlap.ts"
import * as Relay from "./internal/Relay.ts"
import { Run } from "./internal/Run.ts"
import * as Side from "./internal/Side.ts"
import * as Upload from "./internal/Upload.ts"
import { LocalError, notFound } from "./LocalError.ts"
import type { PlannedFolders } from "./PlannedFolders.ts"
import type { EntryError, TransferEvent } from "./TransferEvent.ts"

/**
 * Options of all transfers. A number or a time that cannot be used is an `ArgumentError`, before anything is copied.
 *
 * @category options
 * @since 0.2.0
 */
export interface TransferOptions {
  /**
   * What happens to a file that the target has already.
   *
   * - `replace`: it is copied again. Default of `download`, `upload` and `copyTree`.
   * - `skip`: it stays.
   * - `update`: it is copied unless the target's is newer, or is as old and as large.
   * - `different`: it is copied if `compare` finds a difference. Default of `sync`.
   */
  readonly existing?: "replace" | "skip" | "update" | "different" | undefined
  /**
   * How `existing: "different"` compares files of the same size. `time`: by the last write. `size`: not further.
   * `checksum`: by SHA-256 of both, which are read for it. Default: `time`.
   */
  readonly compare?: "time" | "size" | "checksum" | undefined
  /** The largest difference of two times that count as equal. FAT needs 2 seconds. Default: 2 milliseconds. */
  readonly modifyWindow?: Duration.Input | undefined
  /**
   * Only files that match one of these patterns (`*`, `**`, `?`, `[a-z]`, `{a,b}`). A pattern with a slash before its end
   * is one of the path below the start, any other is one of the name. Case does not matter. Default: all files.
   */
  readonly include?: ReadonlyArray<string> | undefined
  /** No files or folders that match one of these patterns. A slash at the end of a pattern means folders alone. */
  readonly exclude?: ReadonlyArray<string> | undefined
  /** Only files of at least this size in bytes. */
  readonly minimumSize?: number | bigint | undefined
  /** Only files of at most this size in bytes. */
  readonly maximumSize?: number | bigint | undefined
  /**
   * Whether a copy gets the last write time of its original. Default: true. With `resume` it always does: size and time
   * tell a later run whether a file is complete.
   */
  readonly times?: boolean | undefined
  /**
   * Whether a copy gets the attributes of its original that both sides have: from server to server read-only, hidden,
   * system and archive, otherwise read-only. Default: false.
   */
  readonly attributes?: boolean | undefined
  /** Changes nothing, and says by `Planned` what would be copied and removed. Default: false. */
  readonly dryRun?: boolean | undefined
  /**
   * With `dryRun`: folders that earlier dry runs would have made. A file alone can be copied into them, and this run adds
   * its own. Default: none.
   */
  readonly planned?: PlannedFolders | undefined
  /** How many files of a tree are copied at once. Default: 8. */
  readonly concurrency?: number | undefined
  /** How often a file is tried again after a failure for which `isTransient` is true. Default: 2. */
  readonly retries?: number | undefined
  /** The most bytes a second, over all files. 0 and the default: no limit. */
  readonly bandwidth?: number | undefined
}

/**
 * Options of `download`.
 *
 * @category options
 * @since 0.2.0
 */
export interface DownloadOptions extends TransferOptions {
  /** Whether the source may be a directory. Default: true. */
  readonly recursive?: boolean | undefined
  /**
   * Keeps the received part of a file after a failure, and continues it the next time, if the file on the server is
   * unchanged. A file that is complete is not fetched again. Default: false.
   */
  readonly resume?: boolean | undefined
}

/**
 * Options of `upload`.
 *
 * @category options
 * @since 0.2.0
 */
export interface UploadOptions extends TransferOptions {
  /** Whether the source may be a folder. Default: true. */
  readonly recursive?: boolean | undefined
  /** Writes into existing files, which keep their permissions, instead of replacing them. Default: false. */
  readonly inPlace?: boolean | undefined
  /**
   * Continues the part of an earlier upload of the same local file, keeps the part if this one fails, and skips files that
   * are the same at the target (`existing: "different"`, unless another is given). Not with `inPlace`. Default: false.
   */
  readonly resume?: boolean | undefined
  /** Whether the client has `names: "mapped"`, so that names can have characters such as a colon. Default: false. */
  readonly mapped?: boolean | undefined
}

/**
 * Options of `sync`.
 *
 * @category options
 * @since 0.2.0
 */
export interface SyncOptions extends TransferOptions {
  /**
   * Whether entries that only the target has are removed. This happens after the copies, and only if none of them failed.
   * What `include`, `exclude` and the sizes leave out stays. Default: false.
   */
  readonly delete?: boolean | undefined
  /** The most entries that are removed; each further one is a failure. A folder with all below it is one. Default: no limit. */
  readonly maximumDeletions?: number | undefined
  /** As with `upload`. */
  readonly mapped?: boolean | undefined
}

/**
 * Options of `check`.
 *
 * @category options
 * @since 0.2.0
 */
export type CheckOptions = Pick<
  TransferOptions,
  "compare" | "modifyWindow" | "include" | "exclude" | "minimumSize" | "maximumSize"
>

/**
 * Every error that a transfer can end with: `Incomplete` after `Failed` events, otherwise the error of the transfer as a
 * whole.
 *
 * @category errors
 * @since 0.2.0
 */
export type TransferError = EntryError | Incomplete

/** What a transfer needs. */
type Services = Side.Services

const usualConcurrency = 8
const usualRetries = 2

const complete = (run: Run, options: TransferOptions, existing: Choice.Existing): Options.Options => ({
  rules: Choice.rules(options, existing),
  filter: Filter.make(options),
  times: options.times ?? true,
  attributes: options.attributes ?? false,
  dryRun: options.dryRun ?? false,
  checks: DryRun.make(options.planned),
  concurrency: options.concurrency ?? usualConcurrency,
  throttle: Options.throttle(options.bandwidth),
  retry: Options.retry(options.retries ?? usualRetries, (warning) => run.warn(warning))
})

const { Attribute } = Spans

/** How many events wait for a consumer that is slower than the transfer. */
const bufferSize = 64

/** What a span says of the two sides: of a path on a server the server, of a local path only the path. */
const placesOf = (source: UncPath.PathInput, target: UncPath.PathInput): Spans.Attributes => {
  const remote = [source, target].flatMap((path) => {
    const parsed = isRemote(path) ? UncPath.parseInShare(path) : undefined
    return parsed !== undefined && Result.isSuccess(parsed) ? [parsed.success] : []
  })
  const local = [source, target].find((path) => !isRemote(path))
  const [first, second] = remote
  return {
    ...(first === undefined ? {} : {
      ...Spans.ofServer(first),
      [Attribute.share]: first.share,
      [Attribute.path]: UncPath.format(first)
    }),
    ...(second === undefined ? {} : { [Attribute.destinationPath]: UncPath.format(second) }),
    ...(local === undefined ? {} : { [Attribute.filePath]: String(local) })
  }
}

/** What the options of all transfers have to be. */
const checkOptions = (options: TransferOptions & Pick<SyncOptions, "maximumDeletions">) =>
  Arguments.check({
    modifyWindow: [Arguments.finiteDuration, options.modifyWindow],
    minimumSize: [Arguments.size, options.minimumSize],
    maximumSize: [Arguments.size, options.maximumSize],
    concurrency: [Arguments.count(1), options.concurrency],
    retries: [Arguments.count(0), options.retries],
    bandwidth: [Arguments.atLeast(0), options.bandwidth],
    maximumDeletions: [Arguments.count(0), options.maximumDeletions]
  })

/** The events of a run, in a span. If the consumer ends the stream, the run is interrupted. */
const events = <E, R>(
  name: string,
  options: TransferOptions & Pick<SyncOptions, "maximumDeletions">,
  places: Spans.Attributes,
  work: (run: Run) => Effect.Effect<void, TransferError | E, R | Scope.Scope>
): Stream.Stream<TransferEvent, TransferError | E, Exclude<R, Scope.Scope>> =>
  Spans.stream(
    Stream.callback<TransferEvent, TransferError | E, R | Scope.Scope>(
      (queue) => {
        const run = new Run((events) =>
          events.length === 1 ? Queue.offer(queue, events[0]!) : Queue.offerAll(queue, events)
        )
        // If the consumer has gone, what is left at the target is told all the same.
        const unread = Effect.flatMap(
          Queue.clear(queue),
          Effect.forEach((event) => event._tag === "Warned" ? Effect.logWarning(event.warning.message) : Effect.void, {
            discard: true
          })
        )
        const count = Effect.suspend(() =>
          Spans.annotate({ [Attribute.bytes]: run.moved.bytes, [Attribute.files]: run.moved.files })
        )
        return checkOptions(options).pipe(
          Effect.andThen(Effect.ensuring(Effect.suspend(() => work(run)), count)),
          Effect.onInterrupt(() => Effect.ignore(unread)),
          Effect.andThen(Queue.end(queue))
        )
      },
      { bufferSize, strategy: "suspend" }
    ),
    `Transfer.${name}`,
    () => ({ attributes: places })
  )

const copied = (run: Run) => run.end("copied")

/**
 * Connects to the share of a path. What can be tried again are failures of a transfer that has begun: a server that does
 * not answer the first time is reported at once.
 */
const reach = (path: UncPath.UncPath) => Effect.flatMap(SmbClient, (smb) => smb.withShare(path, () => Effect.void))

/**
 * Copies a file or a directory from a server. The content of a directory goes into the folder `target`, which is made.
 *
 * @category transfers
 * @since 0.2.0
 */
export const download = (
  source: UncPath.PathInput,
  target: string,
  options: DownloadOptions = {}
): Stream.Stream<TransferEvent, TransferError, SmbClient | FileSystem.FileSystem> =>
  events(
    "download",
    options,
    placesOf(source, target),
    Effect.fnUntraced(function*(run) {
      const from = yield* Effect.fromResult(UncPath.parseInShare(source))
      yield* reach(from)
      const all = Download.make(run, complete(run, options, "replace"), options.resume ?? false)
      if (options.recursive ?? true) {
        const smb = yield* SmbClient
        const { type } = yield* smb.stat(from)
        if (type === "directory") {
          yield* Download.tree(from, target, all)
          return yield* copied(run)
        }
      }
      yield* Download.single(from, target, all)
    })
  )

/**
 * Copies a file or a folder to a server. The content of a folder goes into the directory `target`, which is made. A pipe
 * is read to its end.
 *
 * @category transfers
 * @since 0.2.0
 */
export const upload = (
  source: string,
  target: UncPath.PathInput,
  options: UploadOptions = {}
): Stream.Stream<TransferEvent, TransferError, SmbClient | FileSystem.FileSystem> =>
  events(
    "upload",
    options,
    placesOf(source, target),
    Effect.fnUntraced(function*(run) {
      const to = yield* Effect.fromResult(UncPath.parseInShare(target))
      const type = yield* LocalFile.typeOf(source)
      if (type === undefined) {
        const path = isRemote(source) ? UncPath.shown(source) : source
        return yield* new LocalError({ path, detail: notFound(source) })
      }
      yield* reach(to)
      const resume = options.resume === true && options.inPlace !== true
      const all = Upload.make(yield* SmbClient, run, complete(run, options, resume ? "different" : "replace"), {
        inPlace: options.inPlace ?? false,
        mapped: options.mapped ?? false,
        resume
      })
      if (type === "Directory") {
        if (options.recursive === false) return yield* new LocalError({ path: source, detail: "is a directory" })
        yield* Upload.tree(source, to, all)
        return yield* copied(run)
      }
      yield* type === "File"
        ? Upload.single(source, to, all)
        : Upload.flow(Upload.fromPipe(source), source, to, all)
    })
  )

/**
 * Copies a stream of bytes to a server, as `upload` copies a file. `name` is what events call the source.
 *
 * @category transfers
 * @since 0.2.0
 */
export const uploadStream = <E, R>(
  data: Stream.Stream<Uint8Array, E, R>,
  target: UncPath.PathInput,
  options: Pick<UploadOptions, "bandwidth" | "dryRun" | "inPlace" | "mapped" | "planned"> & {
    readonly name?: string | undefined
  } = {}
): Stream.Stream<TransferEvent, TransferError | E, SmbClient | R> =>
  events(
    "uploadStream",
    options,
    placesOf(options.name ?? "-", target),
    Effect.fnUntraced(function*(run) {
      const to = yield* Effect.fromResult(UncPath.parseInShare(target))
      const all = Upload.make(yield* SmbClient, run, complete(run, options, "replace"), {
        inPlace: options.inPlace ?? false,
        mapped: options.mapped ?? false
      })
      yield* Upload.flow(data, options.name ?? "-", to, all)
    })
  )

/**
 * Copies a file or a directory from a server to a server. If one server holds both, it copies by itself.
 *
 * @category transfers
 * @since 0.2.0
 */
export const copyTree = (
  source: UncPath.PathInput,
  target: UncPath.PathInput,
  options: TransferOptions = {}
): Stream.Stream<TransferEvent, TransferError, SmbClient | FileSystem.FileSystem> =>
  events(
    "copyTree",
    options,
    placesOf(source, target),
    (run) => relay(run, source, target, complete(run, options, "replace"))
  )

const relay = Effect.fnUntraced(function*(
  run: Run,
  source: UncPath.PathInput,
  target: UncPath.PathInput,
  options: Options.Options
) {
  const smb = yield* SmbClient
  const from = yield* Effect.fromResult(UncPath.parseInShare(source))
  const to = yield* Effect.fromResult(UncPath.parseInShare(target))
  if (fold(UncPath.format(from)) === fold(UncPath.format(to))) {
    return yield* Mark.sameFolder(UncPath.format(from), UncPath.format(to))
  }
  const entry = yield* smb.stat(from)
  yield* reach(to)
  const all = Relay.make(yield* SmbClient, run, options)
  if (entry.type !== "directory") return yield* Relay.single(entry, to, all)
  yield* Relay.tree(from, to, all)
  yield* copied(run)
})

/**
 * Whether a text is a path on a server: `//server/share`, `\\server\share` or `smb://server/share`.
 *
 * @since 0.2.0
 */
export const isRemote = (path: UncPath.PathInput): boolean =>
  typeof path !== "string" || /^(?:smb:)?[\\/]{2}/i.test(path)

const isText = (path: UncPath.PathInput): path is string => typeof path === "string"

/** Fails unless a path is a folder. */
const folder = Effect.fnUntraced(function*(path: UncPath.PathInput) {
  if (isText(path) && !isRemote(path)) {
    const type = yield* LocalFile.typeOf(path)
    if (type === "Directory") return
    return yield* new LocalError({ path, detail: type === undefined ? notFound(path) : "is not a folder" })
  }
  const smb = yield* SmbClient
  const { type } = yield* smb.stat(path)
  if (type !== "directory") {
    return yield* fromStatus(NtStatus.STATUS_NOT_A_DIRECTORY, "CREATE", UncPath.shown(path))
  }
})

/** A local path, or the parsed path on a server. */
const folderOf = Effect.fnUntraced(function*(path: UncPath.PathInput) {
  return isText(path) && !isRemote(path) ? path : yield* Effect.fromResult(UncPath.parseInShare(path))
})

const sideOf = (folder: string | UncPath.UncPath): Side.Side =>
  typeof folder === "string" ? Side.local(folder) : Side.remote(folder)

/**
 * Makes a folder like another: copies what differs, and with `delete` removes what only the target has. Either side, or
 * both, can be on a server. Symbolic links are not copied.
 *
 * @category transfers
 * @since 0.2.0
 */
export const sync = (
  source: UncPath.PathInput,
  target: UncPath.PathInput,
  options: SyncOptions = {}
): Stream.Stream<TransferEvent, TransferError, SmbClient | FileSystem.FileSystem> =>
  events(
    "sync",
    options,
    placesOf(source, target),
    Effect.fnUntraced(function*(run) {
      const all = complete(run, options, "different")
      yield* folder(source)
      const folders = [yield* folderOf(source), yield* folderOf(target)] as const
      yield* Effect.forEach(folders, (one) => typeof one === "string" ? Effect.void : reach(one))
      if (options.delete === true) yield* Overlap.refuse(...folders, all.filter, all.dryRun)
      if (isText(source) && !isRemote(source)) {
        if (isText(target) && !isRemote(target)) {
          return yield* new LocalError({
            path: target,
            detail: "both paths are on this machine: one must be on a server"
          })
        }
        const to = yield* Effect.fromResult(UncPath.parseInShare(target))
        yield* Upload.tree(
          source,
          to,
          Upload.make(yield* SmbClient, run, all, { inPlace: false, mapped: options.mapped ?? false })
        )
      } else if (isText(target) && !isRemote(target)) {
        const from = yield* Effect.fromResult(UncPath.parseInShare(source))
        yield* Download.tree(from, target, Download.make(run, all, false))
      } else yield* relay(run, source, target, all)
      // A source that could not be read whole removes nothing.
      yield* copied(run)
      if (options.delete !== true) return
      const most = options.maximumDeletions ?? Number.MAX_SAFE_INTEGER
      yield* Extras.remove(sideOf(folders[0]), sideOf(folders[1]), all, run, most)
      yield* run.end("removed")
    })
  )

/**
 * Compares two folders and changes nothing. Either side, or both, can be on a server. An empty stream means that both
 * have the same files.
 *
 * @category transfers
 * @since 0.2.0
 */
export const check = (
  source: UncPath.PathInput,
  target: UncPath.PathInput,
  options: CheckOptions = {}
): Stream.Stream<Difference, TransferError, SmbClient | FileSystem.FileSystem> =>
  Spans.stream(
    Stream.callback<Difference, TransferError, Services>(
      Effect.fnUntraced(function*(queue) {
        yield* checkOptions(options)
        yield* folder(source)
        yield* folder(target)
        yield* Comparison.compare(
          sideOf(yield* folderOf(source)),
          sideOf(yield* folderOf(target)),
          complete(new Run(() => Effect.void), options, "different"),
          (difference) => Effect.asVoid(Queue.offer(queue, difference))
        )
        yield* Queue.end(queue)
      }),
      { bufferSize, strategy: "suspend" }
    ),
    "Transfer.check",
    () => ({ attributes: placesOf(source, target) })
  )
