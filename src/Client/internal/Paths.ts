/**
 * The operations on paths, each built on `withShare`.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Changes from "../../Protocol/Changes.ts"
import * as Defaults from "../../Protocol/Defaults.ts"
import { isMissing, SmbError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import type { ClientError } from "../ClientError.ts"
import * as Directory from "../Directory.ts"
import * as Entry from "../Entry.ts"
import { FileShortened } from "../FileShortened.ts"
import { FileTooLarge } from "../FileTooLarge.ts"
import * as Information from "../Information.ts"
import * as Locator from "../Locator.ts"
import * as OpenMode from "../OpenMode.ts"
import type { Operations } from "../Operations.ts"
import * as ShareList from "../ShareList.ts"
import * as SmbFile from "../SmbFile.ts"
import * as UncPath from "../UncPath.ts"
import * as Watch from "../Watch.ts"
import * as EndOfFile from "./EndOfFile.ts"
import * as Links from "./Links.ts"
import * as Metadata from "./Metadata.ts"
import * as OverwriteAttributes from "./OverwriteAttributes.ts"
import { first, named, placeOf, rootOrLink, spanOf, tagOf, text, versioned } from "./Placement.ts"
import * as RemoveUnfinished from "./RemoveUnfinished.ts"
import * as Removing from "./Removing.ts"
import * as Renaming from "./Renaming.ts"
import * as Resume from "./Resume.ts"
import * as ServerCopy from "./ServerCopy.ts"
import * as StoppedLink from "./StoppedLink.ts"
import * as Symlink from "./Symlink.ts"
import * as Transfer from "./Transfer.ts"

type Connect = (target: Locator.Target) => Effect.Effect<Share.Share, ClientError, Scope.Scope>

/** Files up to this size in bytes are read and written in one compound; one credit's worth. */
const small = 65536

/** The most bytes that `readFile` returns by default: 2 GiB. */
const defaultMaximum = 0x8000_0000

/**
 * All operations by path, over `connect` for one target and `locator` for the target of a path.
 *
 * @category constructors
 */
export const operations = (connect: Connect, locator: Locator.Locator): Operations => {
  /** Runs an attempt in its own scope, which stays open only if the attempt succeeds. */
  const attempt = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.scope, (outer) =>
        Effect.flatMap(Scope.fork(outer), (inner) =>
          Effect.onExit(
            restore(Scope.provide(effect as Effect.Effect<A, E, R | Scope.Scope>, inner)),
            (exit) => Exit.isSuccess(exit) ? Effect.void : Scope.close(inner, exit)
          )))
    ) as Effect.Effect<A, E, R | Scope.Scope>

  /** An attempt at a target, and at the targets of symbolic links on its path, at most `hops` of them. */
  const following = <A, E, R>(
    target: Locator.Target,
    use: (share: Share.Share, path: string) => Effect.Effect<A, E, R>,
    hops: number
  ): Effect.Effect<A, E | ClientError, R | Scope.Scope> =>
    // Separate from the whole operation: its earlier changes say nothing about this attempt, which another target can
    // repeat.
    attempt(
      Changes.whole(Effect.flatMap(connect(target), (share) => StoppedLink.explained(share, target.path, use)))
    ).pipe(
      Effect.catch((error) => {
        const path = hops > 0 && error instanceof SmbError ? Symlink.resolve(error, target) : undefined
        return path === undefined ? Effect.fail(error) : following({ ...target, path }, use, hops - 1)
      })
    )

  const withShare: Operations["withShare"] = (path, use) =>
    Effect.flatMap(
      Effect.fromResult(UncPath.parseInShare(path)),
      (unc) => locator.use(unc, (target) => following(target, use, Symlink.maximumHops))
    )

  /** For operations that keep nothing open. */
  const onShare = <A, E, R>(
    path: UncPath.PathInput,
    use: (share: Share.Share, path: string) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | ClientError, Exclude<R, Scope.Scope>> => Effect.scoped(withShare(path, use))

  const openOn = (path: UncPath.PathInput, options: Share.OpenOptions) =>
    withShare(
      path,
      (share, below) =>
        Effect.map(
          versioned(share, below, options, OverwriteAttributes.on(share, share.open)),
          (file) => ({ share, file })
        )
    )

  /**
   * Like `openOn`, for reads that can go on at another target: targets that have failed are not tried again, and fail
   * with the same error.
   */
  const reopen = (
    span: string,
    path: UncPath.PathInput,
    options: Share.OpenOptions,
    objection?: typeof rootOrLink
  ): Resume.Open =>
  (dead) =>
    Effect.flatMap(Effect.fromResult(UncPath.parseInShare(path)), (unc) =>
      locator.use(unc, (target) => {
        const error = objection?.(unc, target)
        if (error !== undefined) return Effect.fail(error)
        const place = Locator.placeOf(target)
        if (dead?.places.has(place) === true) return Effect.fail(dead.error)
        return following(target, (share, below) =>
          Effect.map(
            versioned(share, below, options, share.open),
            (file): Resume.Opened => ({ share, file, place })
          ), Symlink.maximumHops)
      })).pipe(Effect.withSpan(span, spanOf(path)))

  const batch = <const Ops extends ReadonlyArray<Operation.Any>>(
    path: UncPath.PathInput,
    options: Share.OpenOptions,
    operations: Ops | ((limits: Share.Share["limits"]) => Ops)
  ) =>
    onShare(
      path,
      (share, below) =>
        versioned(
          share,
          below,
          options,
          OverwriteAttributes.on(
            share,
            (below, options) =>
              share.batch(below, options, typeof operations === "function" ? operations(share.limits) : operations)
          )
        )
    )

  const open: Operations["open"] = Effect.fn("SmbClient.open")(function*(path, options) {
    yield* named(path)
    const { file, share } = yield* openOn(path, options ?? OpenMode.read)
    return SmbFile.make(share, file)
  })

  /** The caller gets the data only when it is complete, so another target can start again. */
  const readLarge = (path: UncPath.PathInput, maximum: number) =>
    onShare(path, (share, below) =>
      Effect.gen(function*() {
        const file = yield* versioned(share, below, OpenMode.readSequentially, share.open)
        const size = file.opened.endOfFile
        const tooLarge = (size: bigint) => new FileTooLarge({ path: text(path), size, maximum })
        if (size > BigInt(maximum)) return yield* tooLarge(size)
        const source = Transfer.source(share, file)
        if (size === 0n) {
          // The server does not know the size, or the file is empty.
          const chunks: Array<Uint8Array> = []
          yield* Transfer.readTo(source, 0n, undefined, (chunk, offset) => {
            const end = offset + BigInt(chunk.length)
            chunks.push(chunk.slice())
            return end > BigInt(maximum) ? Effect.fail(tooLarge(end)) : Effect.void
          })
          return new Uint8Array(Buffer.concat(chunks))
        }
        const whole = new Uint8Array(Number(size))
        const found = BigInt(yield* Transfer.readInto(source, 0n, whole))
        return found < size ? yield* new FileShortened({ path: source.path, expected: size, found }) : whole
      }))

  const readFile: Operations["readFile"] = Effect.fn("SmbClient.readFile")(function*(path, options) {
    yield* named(path)
    const maximum = options?.maximum ?? defaultMaximum
    let asked = small
    const { opened, results } = yield* batch(path, OpenMode.read, (limits) => {
      asked = Math.min(small, limits.read)
      return [{ _tag: "Read", offset: 0n, length: asked }]
    })
    const data = yield* Effect.fromResult(EndOfFile.foundAtOpen(opened, results[0]))
    return BigInt(data.length) >= opened.endOfFile && data.length < asked && data.length <= maximum
      ? data
      : yield* readLarge(path, maximum)
  })

  const writeFile: Operations["writeFile"] = Effect.fn("SmbClient.writeFile")(function*(path, data, options) {
    yield* named(path)
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data
    const mode = options?.create === true ? OpenMode.create : OpenMode.overwrite
    const flush: ReadonlyArray<Operation.Flush> = options?.flush === true ? [{ _tag: "Flush" }] : []
    const writeFrom = (offset: number, mode: Share.OpenOptions) =>
      Effect.scoped(Effect.gen(function*() {
        const { file, share } = yield* openOn(path, mode)
        yield* Transfer.writeBuffer(file, share.limits.write, BigInt(offset), bytes.subarray(offset))
        for (const operation of flush) yield* file.run(operation)
        yield* file.close
      }))
    if (bytes.length > small) return yield* writeFrom(0, mode)
    const { results } = yield* batch(path, mode, (limits): ReadonlyArray<Operation.Any> => [
      ...(bytes.length === 0 ? [] : [{ _tag: "Write" as const, offset: 0n, data: bytes.subarray(0, limits.write) }]),
      ...flush
    ])
    const outcomes: Array<unknown> = []
    for (const result of results) outcomes.push(yield* Effect.fromResult(result))
    const written = outcomes[0]
    // If a server took only part of the data, the rest is sent again; the server takes it or says why not.
    if (typeof written === "number" && written < bytes.length) yield* writeFrom(written, OpenMode.write)
  })

  const stat: Operations["stat"] = Effect.fn("SmbClient.stat")(function*(path, options) {
    yield* named(path)
    const unc = yield* Effect.fromResult(UncPath.parseInShare(path))
    if (options?.follow ?? true) {
      const { opened } = yield* batch(unc, OpenMode.attributes, [])
      return Entry.fromAttributes(unc, opened, 0)
    }
    const { opened, results } = yield* batch(unc, OpenMode.readReparsePoint, [
      Information.queryFile("FileAttributeTagInformation")
    ])
    return Entry.fromAttributes(unc, opened, tagOf(results[0]))
  })

  const listed = (
    path: UncPath.PathInput,
    pattern = "*",
    objection?: typeof rootOrLink
  ): Stream.Stream<Directory.Listed, ClientError> =>
    Stream.unwrap(Effect.map(Effect.fromResult(UncPath.parseInShare(path)), (unc) =>
      Resume.list(
        reopen("SmbClient.list", unc, OpenMode.directory, objection),
        locator.goesOn,
        ({ file, share }) => Directory.listed(share, file, unc, pattern)
      )))

  const list: Operations["list"] = (path, options) => Directory.entries(listed(path, options?.pattern))

  /** Like `onShare`, for operations that remove or rename the path's own entry, which must not be a share or a link. */
  const onEntry = <A, E, R>(
    path: UncPath.UncPath,
    use: (share: Share.Share, path: string) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | ClientError, Exclude<R, Scope.Scope>> =>
    Effect.scoped(locator.use(path, (target) => {
      const error = rootOrLink(path, target)
      return error === undefined ? following(target, use, Symlink.maximumHops) : Effect.fail(error)
    })) as Effect.Effect<A, E | ClientError, Exclude<R, Scope.Scope>>

  /** Values that a server does not change (MS-FSCC 2.4.7). */
  const unchanged = { creationTime: 0n, lastAccessTime: 0n, lastWriteTime: 0n, changeTime: 0n, fileAttributes: 0 }

  const setAttributes: Operations["setAttributes"] = Effect.fn("SmbClient.setAttributes")(function*(path, changes) {
    yield* named(path)
    const { results } = yield* batch(path, OpenMode.setAttributes, [
      Information.setFile("FileBasicInformation", Defaults.complete(unchanged, changes))
    ])
    yield* first(results)
  })

  const makeOne = (path: UncPath.UncPath) => Effect.asVoid(batch(path, OpenMode.createDirectory, []))

  const makeAll = (path: UncPath.UncPath): Effect.Effect<void, ClientError> =>
    path.path === "" ? Effect.void : makeOne(path).pipe(
      Effect.catchTag("SmbError", (error) => {
        // An existing directory is enough; an existing file is not.
        if (error.reason._tag === "ObjectNameCollision") {
          return Effect.flatMap(stat(path), (entry) => entry.type === "directory" ? Effect.void : Effect.fail(error))
        }
        return !isMissing(error) ? Effect.fail(error) : Effect.andThen(
          makeAll(UncPath.parent(path)),
          makeOne(path).pipe(
            Effect.catchTag(
              "SmbError",
              (again) => again.reason._tag === "ObjectNameCollision" ? Effect.void : Effect.fail(again)
            )
          )
        )
      })
    )

  const rename = Renaming.make(connect, locator, onEntry)

  const copy: Operations["copy"] = Effect.fn("SmbClient.copy")(function*(from, to, options) {
    yield* named(from, to)
    yield* Effect.scoped(Effect.gen(function*() {
      const source = yield* withShare(from, (share, below) =>
        Effect.map(
          versioned(share, below, OpenMode.readSequentially, share.open),
          (file) => ({ share, file, place: placeOf(share, below) })
        ))
      const mode = options?.create === true ? OpenMode.create : OpenMode.overwrite
      type Opening = Effect.Effect<
        { readonly share: Share.Share; readonly file: Share.OpenFile },
        ClientError,
        Scope.Scope
      >
      const open = withShare(to, (share, below): Opening =>
        // Opening it for writing would empty the source.
        placeOf(share, below) === source.place
          ? Effect.fail(UncPath.invalid(text(to), "a file cannot be copied onto itself"))
          : Effect.map(
            // FSCTL_SRV_COPYCHUNK_WRITE needs no right to read the target (MS-SMB2 3.3.5.15.6).
            versioned(share, below, mode, OverwriteAttributes.on(share, share.open)),
            (file) => ({ share, file })
          ))
      yield* RemoveUnfinished.using(open, (target) => {
        const through = Effect.asVoid(Transfer.write(
          target.file,
          target.share.limits.write,
          0n,
          Transfer.read(Transfer.source(source.share, source.file), 0n, undefined)
        ))
        const copied = source.share.sessionKey === target.share.sessionKey && ServerCopy.isOfKnownSize(source.file)
          ? Effect.catch(
            ServerCopy.copy(source, target),
            (error) => ServerCopy.isUnable(error) ? through : Effect.fail(error)
          )
          : through
        return Effect.andThen(copied, target.file.close)
      })
    }))
  })

  const readOnwards = <E, R>(
    path: UncPath.PathInput,
    use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>,
    range: SmbFile.RangeOptions | undefined,
    start?: Parameters<typeof Resume.readTo>[6]
  ): Effect.Effect<bigint, E | ClientError, R> =>
    Resume.readTo(
      reopen("SmbClient.open", path, OpenMode.readSequentially),
      locator.goesOn,
      text(path),
      toRange(range),
      use,
      ({ file, share }, range, use) => SmbFile.make(share, file).readTo(use, range),
      start
    ).pipe(Effect.withSpan("SmbClient.readTo", spanOf(path)))

  return {
    withShare: (path, use) => Effect.withSpan(withShare(path, use), "SmbClient.withShare", spanOf(path)),
    open,
    readFile,
    readFileString: Effect.fn("SmbClient.readFileString")(function*(path) {
      yield* named(path)
      return new TextDecoder().decode(yield* readFile(path))
    }),
    writeFile,
    stream: (path, range) =>
      Resume.stream(
        reopen("SmbClient.stream", path, OpenMode.readSequentially),
        locator.goesOn,
        text(path),
        toRange(range),
        ({ file, share }, range) => SmbFile.make(share, file).stream(range)
      ),
    sink: (path, options) =>
      Sink.make<Uint8Array>()((chunks) =>
        Effect.gen(function*() {
          const { file, share } = yield* openOn(path, writeMode(options))
          const offset = BigInt(options?.offset ?? 0)
          const count = yield* Transfer.ending(
            file,
            offset,
            // Without an offset the open has emptied the file.
            options?.truncate === true && options.offset !== undefined,
            Transfer.write(file, share.limits.write, offset, chunks)
          )
          yield* file.close
          return count
        }).pipe(Effect.withSpan("SmbClient.sink", spanOf(path)))
      ),
    readTo: (path, use, range) => readOnwards(path, use, range),
    openToRead: (path, options) =>
      Effect.map(reopen("SmbClient.openToRead", path, OpenMode.readSequentially)(undefined), (opened) => {
        const file = SmbFile.make(opened.share, opened.file)
        return {
          path: file.path,
          opened: file.opened,
          readTo: (use, range) => readOnwards(path, use, range, { opened, onMove: options?.onMove })
        }
      }),
    writeFrom: (path, fill, options) =>
      Effect.scoped(Effect.flatMap(
        openOn(path, writeMode(options)),
        ({ file, share }) => Effect.tap(SmbFile.make(share, file).writeFrom(fill, options), () => file.close)
      )).pipe(Effect.withSpan("SmbClient.writeFrom", spanOf(path))),
    stat,
    exists: (path) =>
      stat(path).pipe(
        Effect.as(true),
        Effect.catchTag("SmbError", (error) => isMissing(error) ? Effect.succeed(false) : Effect.fail(error)),
        Effect.withSpan("SmbClient.exists", spanOf(path))
      ),
    list,
    walk: (path, options) => Directory.walk(listed, text(path), options),
    makeDirectory: Effect.fn("SmbClient.makeDirectory")(function*(path, options) {
      yield* named(path)
      const unc = yield* Effect.fromResult(UncPath.parseInShare(path))
      yield* options?.recursive === true ? makeAll(unc) : makeOne(unc)
    }),
    ...Removing.operations(onEntry, listed, setAttributes),
    rename,
    copy,
    watch: (path, options) =>
      Stream.unwrap(
        Effect.gen(function*() {
          const unc = yield* Effect.fromResult(UncPath.parseInShare(path))
          const { file } = yield* openOn(unc, OpenMode.directory)
          return Watch.changes(file, unc, options)
        }).pipe(Effect.withSpan("SmbClient.watch", spanOf(path)))
      ),
    setAttributes,
    truncate: Effect.fn("SmbClient.truncate")(function*(path, size) {
      yield* named(path)
      const { results } = yield* batch(path, OpenMode.write, [
        Information.setFile("FileEndOfFileInformation", { endOfFile: BigInt(size) })
      ])
      yield* first(results)
    }),
    ...Metadata.operations(batch),
    ...Links.operations(batch),
    shares: (server) =>
      Effect.flatMap(Effect.fromResult(UncPath.parse(server)), (unc) =>
        Effect.scoped(Effect.flatMap(
          connect({ server: unc.server, port: unc.port, share: "IPC$", path: "" }),
          ShareList.shares
        ))).pipe(Effect.withSpan("SmbClient.shares", spanOf(server)))
  }
}

const writeMode = (
  options: SmbFile.WriteOptions & { readonly create?: boolean | undefined } | undefined
): Share.OpenOptions =>
  options?.offset !== undefined
    ? { ...OpenMode.overwrite, createDisposition: OpenMode.readWrite.createDisposition }
    : options?.create === true
    ? OpenMode.create
    : OpenMode.overwrite

const toRange = (range: SmbFile.RangeOptions | undefined): Resume.Range => ({
  offset: BigInt(range?.offset ?? 0),
  length: range?.length === undefined ? undefined : BigInt(range.length)
})
