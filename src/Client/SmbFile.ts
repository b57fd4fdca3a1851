/**
 * An open file as an app uses it: reads and writes of any size, locks, and everything else by `run`.
 */
import * as BigInts from "effect/BigInt"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Arguments from "../Protocol/Arguments.ts"
import * as Changes from "../Protocol/Changes.ts"
import type { RequestError } from "../Protocol/Errors.ts"
import type * as Operation from "../Protocol/Operation.ts"
import type * as Share from "../Protocol/Share.ts"
import * as Spans from "../Protocol/Spans.ts"
import * as UncName from "../Protocol/UncName.ts"
import * as ClientMetrics from "./ClientMetrics.ts"
import type { FileShortened } from "./FileShortened.ts"
import * as Information from "./Information.ts"
import * as Appending from "./internal/Appending.ts"
import { Extent } from "./internal/EndOfFile.ts"
import * as FileArguments from "./internal/FileArguments.ts"
import * as PipelinedReads from "./internal/PipelinedReads.ts"
import * as PipelinedWrites from "./internal/PipelinedWrites.ts"
import { requestsInFlight } from "./internal/TransferWindow.ts"

/**
 * A range of bytes. Default: `offset` is the file's start, and `length` is the rest of the file.
 *
 * @since 0.1.0
 */
export interface RangeOptions {
  readonly offset?: bigint | number | undefined
  readonly length?: bigint | number | undefined
}

/**
 * Where to write, in bytes. Default: `offset` is the file's start.
 *
 * @since 0.1.0
 */
export interface WriteOptions {
  readonly offset?: bigint | number | undefined
  /** Ends the file after the last byte written. Default: the bytes after it stay. */
  readonly truncate?: boolean | undefined
}

/**
 * An open file. It closes with the scope that it was opened in. Offsets and sizes in bytes. Every operation fails with
 * `SmbError`, `TransportError`, `ProtocolError`, `Malformed` or `ArgumentError`.
 *
 * @category models
 * @since 0.1.0
 */
export interface SmbFile {
  /** `\\server\share\path`, at the server that holds the file. */
  readonly path: string
  readonly share: Share.Share
  /** What the server returned when it opened the file: size, times, attributes, lease, durable handle. */
  readonly opened: Share.Opened
  /** The current lease or oplock. */
  readonly caching: Share.OpenFile["caching"]
  /** Up to `length` bytes from `offset` on; fewer at the current end of the file. */
  readonly read: (offset: bigint | number, length: number) => Effect.Effect<Uint8Array, RequestError>
  /**
   * Fills `destination` with the bytes from `offset` on, and returns how many bytes it read: fewer at the current end
   * of the file. After an interruption or a failure the client may still write to the buffer: do not use it again.
   */
  readonly readInto: (offset: bigint | number, destination: Uint8Array) => Effect.Effect<number, RequestError>
  /**
   * The bytes in order, many requests ahead of the reader. If the file ends before the part of the range that it had
   * when it was opened, `FileShortened` follows the bytes. A part that this open itself has cut off does not count.
   */
  readonly stream: (range?: RangeOptions) => Stream.Stream<Uint8Array, RequestError | FileShortened>
  /**
   * Passes the bytes to `use` in order, each chunk with its offset; returns the count of bytes. A chunk is lent: do not
   * keep it after `use`. Twice as fast as `stream`, which allocates each chunk. `FileShortened` as with `stream`.
   */
  readonly readTo: <E, R>(
    use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>,
    range?: RangeOptions
  ) => Effect.Effect<bigint, E | RequestError | FileShortened, R>
  /** Writes all of `data`, which must not change until this ends. */
  readonly write: (offset: bigint | number, data: Uint8Array) => Effect.Effect<void, RequestError>
  /**
   * Writes all of `data` to the end of the file, wherever that is then. The server finds the end (a WRITE at the offset
   * 0xFFFFFFFFFFFFFFFF, MS-FSA 2.1.5.4), so that two programs that append do not overwrite each other's bytes.
   *
   * smbd refuses such a WRITE. There the client locks a range behind the end of all files, asks for the end, writes
   * there, and unlocks the range: programs that append in this way do not overwrite each other's bytes either. If the server refuses that
   * lock, because the file was opened with the right to append alone, they can.
   */
  readonly append: (data: Uint8Array) => Effect.Effect<void, RequestError>
  /**
   * Writes the bytes that it is given from `offset` on, or with `append` to the end; returns the count of bytes. It does
   * not close the file.
   */
  readonly sink: (
    options?: WriteOptions & { readonly append?: boolean | undefined }
  ) => Sink.Sink<bigint, Uint8Array, never, RequestError>
  /**
   * Writes the bytes that `fill` puts into the buffers that it is lent, until it puts none; returns the count of bytes.
   * It does not close the file.
   */
  readonly writeFrom: <E, R>(
    fill: (buffer: Uint8Array, offset: bigint) => Effect.Effect<number, E, R>,
    options?: WriteOptions
  ) => Effect.Effect<bigint, E | RequestError, R>
  readonly flush: Effect.Effect<void, RequestError>
  readonly truncate: (size: bigint | number) => Effect.Effect<void, RequestError>
  /**
   * Locks ranges of bytes until the scope closes: all of them, or none. Default: `exclusive`. Waits until the ranges
   * are free. For this, several ranges are requested one after another in the order of their offsets, so that two
   * clients that want the same ranges do not wait for each other. With `wait: false` the ranges are requested together;
   * `LockNotGranted` if one of them is not free.
   */
  readonly lock: (
    ranges: ReadonlyArray<{ readonly offset: bigint | number; readonly length: bigint | number }>,
    options?: { readonly exclusive?: boolean | undefined; readonly wait?: boolean | undefined }
  ) => Effect.Effect<void, RequestError, Scope.Scope>
  /** Runs any operation. */
  readonly run: Share.OpenFile["run"]
  /**
   * Closes the file before the scope does, and fails with the server's error. A server may find out only now that it
   * cannot keep the written data (a full disk, a quota), so close the files that you have written to. If the scope
   * closes the file, such an error is a defect of the scope: the end of a scope has no typed failures.
   */
  readonly close: Effect.Effect<void, RequestError>
}

/**
 * The end of file that an operation sets: FileEndOfFileInformation, FileAllocationInformation (MS-FSCC 2.4.14, 2.4.4).
 */
const endOf = (operation: Operation.SetInfo): { readonly at: bigint; readonly extends: boolean } | undefined =>
  operation.information._tag === "File" && operation.data.length >= 8 &&
    (operation.information.fileInformationClass === 20 || operation.information.fileInformationClass === 19)
    ? {
      at: new DataView(operation.data.buffer, operation.data.byteOffset).getBigInt64(0, true),
      // Space that is allocated after the end does not make a file longer.
      extends: operation.information.fileInformationClass === 20
    }
    : undefined

const toLength = (range: RangeOptions | undefined): bigint | undefined =>
  range?.length === undefined ? undefined : BigInt(range.length)

/**
 * Holds ranges until the scope closes. A request that waits can only have one range (MS-SMB2 3.3.5.14.2), so each range
 * is its own request. If the next request fails, or the caller is interrupted, the ranges that are already locked are
 * unlocked.
 */
const locked = (
  file: Share.OpenFile,
  ranges: ReadonlyArray<Operation.Range>,
  exclusive: boolean,
  wait: boolean
): Effect.Effect<void, RequestError, Scope.Scope> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const requests = wait && ranges.length > 1
      ? ranges.toSorted((a, b) => BigInts.Order(a.offset, b.offset)).map((range) => [range])
      : [ranges]
    /** Grouped as they were requested: the ranges of one lock request fit into one unlock request. */
    const held: Array<ReadonlyArray<Operation.Range>> = []
    const count = (by: number) => ClientMetrics.locks.of().modifyUnsafe(by, context)
    const take = () => {
      const all = held.splice(0)
      for (const { length } of all) count(-length)
      return all
    }
    const unlock = Effect.suspend(() =>
      Effect.forEach(
        take(),
        // If the file was closed in the meantime, it holds no locks. Any other error does not matter: the CLOSE unlocks
        // the ranges.
        (ranges) => Effect.ignore(file.run<Operation.Unlock>({ _tag: "Unlock", ranges })),
        { concurrency: requestsInFlight, discard: true }
      )
    )
    const lock = Effect.forEach(requests, (ranges) =>
      Effect.map(file.run<Operation.Lock>({ _tag: "Lock", ranges, exclusive, wait }), () => {
        held.push(ranges)
        count(ranges.length)
      }), { discard: true })
    return Effect.acquireRelease(
      Effect.onExit(lock, (exit) =>
        Exit.isSuccess(exit) ? Effect.void : unlock),
      () =>
        unlock,
      { interruptible: true }
    )
  })

/** A file whose operations have spans: one for each call, and none for the requests that it takes. */
const withSpans = (file: SmbFile): SmbFile => {
  const { share } = file
  const attributes: Spans.Attributes = {
    ...Spans.ofServer(share),
    [Spans.Attribute.share]: share.name,
    [Spans.Attribute.path]: file.path
  }
  const about: Spans.About = { kind: "client", attributes }
  const spanned = <A, E, R>(
    name: string,
    effect: Effect.Effect<A, E, R>,
    bytes?: (value: A) => number | bigint
  ): Effect.Effect<A, E, R> => Spans.effect(effect, `SmbFile.${name}`, about, bytes)
  const count = (moved: bigint | number) => moved
  const length = (data: Uint8Array) => data.length
  return {
    ...file,
    read: (offset, size) => spanned("read", file.read(offset, size), length),
    readInto: (offset, destination) => spanned("readInto", file.readInto(offset, destination), count),
    stream: (range) => Spans.stream(file.stream(range), "SmbFile.stream", () => about, length),
    readTo: (use, range) => spanned("readTo", file.readTo(use, range), count),
    write: (offset, data) => spanned("write", file.write(offset, data), () => data.length),
    sink: (options) => Spans.sink(file.sink(options), "SmbFile.sink", () => about, count),
    writeFrom: (fill, options) => spanned("writeFrom", file.writeFrom(fill, options), count),
    append: (data) => spanned("append", file.append(data), () => data.length),
    flush: spanned("flush", file.flush),
    truncate: (size) => spanned("truncate", file.truncate(size)),
    lock: (ranges, options) => spanned("lock", file.lock(ranges, options)),
    run: (operation) =>
      Spans.effect(file.run(operation), "SmbFile.run", {
        kind: "client",
        attributes: { ...attributes, [Spans.Attribute.operation]: operation._tag }
      }),
    close: spanned("close", file.close)
  }
}

/**
 * An open file of a share, with reads and writes split to the share's `limits`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (share: Share.Share, file: Share.OpenFile): SmbFile => {
  const extent = new Extent(file)
  const run: Share.OpenFile["run"] = (operation) => {
    const ran = file.run(operation)
    if (operation._tag === "Write") {
      return Effect.map(ran, (count) => {
        // A WRITE to the end of the file does not say where that is.
        if (operation.offset !== Appending.endOfFile) extent.extend(operation.offset + BigInt(count as number))
        return count
      })
    }
    if (operation._tag !== "SetInfo") return ran
    // The end is read only now: the check of the data is a part of the operation.
    return Effect.map(ran, (done) => {
      const end = endOf(operation)
      if (end !== undefined) extent.cut(end.at)
      if (end?.extends === true) extent.extend(end.at)
      return done
    })
  }
  const own: Share.OpenFile = { ...file, run }
  // The share's limits grow with the credits that the server grants.
  const source = () => PipelinedReads.source(share, file, extent)
  const write = (offset: bigint, truncate = false) => <E, R>(written: Effect.Effect<bigint, E, R>) =>
    Changes.whole(PipelinedWrites.truncatingAfter(own, offset, truncate, written))
  const lock: SmbFile["lock"] = (ranges, options) => {
    const list = ranges.map(({ length, offset }) => ({ offset: BigInt(offset), length: BigInt(length) }))
    return locked(file, list, options?.exclusive ?? true, options?.wait ?? true)
  }
  const append: SmbFile["append"] = (data) => Changes.whole(Appending.append(own, share.limits.write, lock, data))
  const path = UncName.format(share, share.name, file.path)
  const checked: Pick<SmbFile, FileArguments.Checked> = {
    read: (offset, length) =>
      Effect.flatMap(
        Arguments.encoded("length", length, path, () => new Uint8Array(length)),
        (destination) =>
          Effect.map(
            PipelinedReads.readInto(source(), BigInt(offset), destination),
            (count) => destination.subarray(0, count)
          )
      ),
    readInto: (offset, destination) =>
      Effect.suspend(() => PipelinedReads.readInto(source(), BigInt(offset), destination)),
    stream: (range) => Stream.suspend(() => PipelinedReads.read(source(), BigInt(range?.offset ?? 0), toLength(range))),
    readTo: (use, range) =>
      Effect.suspend(() => PipelinedReads.readTo(source(), BigInt(range?.offset ?? 0), toLength(range), use)),
    writeFrom: (fill, options) => {
      const offset = BigInt(options?.offset ?? 0)
      return write(offset, options?.truncate)(PipelinedWrites.writeFrom(own, share.limits.write, offset, fill))
    },
    write: (offset, data) => Changes.whole(PipelinedWrites.writeBuffer(own, share.limits.write, BigInt(offset), data)),
    append,
    sink: (options) => {
      const offset = BigInt(options?.offset ?? 0)
      if (options?.append === true) {
        return Sink.make<Uint8Array>()((chunks) =>
          Changes.whole(PipelinedWrites.inOrder(own, share.limits.write, chunks, append))
        )
      }
      return Sink.make<Uint8Array>()((chunks) =>
        write(offset, options?.truncate)(PipelinedWrites.write(own, share.limits.write, offset, chunks))
      )
    },
    truncate: (size) => run(Information.setFile("FileEndOfFileInformation", { endOfFile: BigInt(size) })),
    lock
  }
  return withSpans({
    path,
    share,
    opened: file.opened,
    caching: file.caching,
    ...FileArguments.each(path, checked),
    flush: file.run<Operation.Flush>({ _tag: "Flush" }),
    run,
    close: file.close
  })
}
