/**
 * An open file as an app uses it: reads and writes of any size, locks, and everything else by `run`.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Changes from "../Protocol/Changes.ts"
import type { RequestError } from "../Protocol/Errors.ts"
import type * as Operation from "../Protocol/Operation.ts"
import type * as Share from "../Protocol/Share.ts"
import * as UncName from "../Protocol/UncName.ts"
import type { FileShortened } from "./FileShortened.ts"
import * as Information from "./Information.ts"
import { Extent } from "./internal/Extent.ts"
import * as Transfer from "./internal/Transfer.ts"

/** Which bytes; the rest of the file where `length` is left out, its start where `offset` is. In bytes. */
export interface RangeOptions {
  readonly offset?: bigint | number | undefined
  readonly length?: bigint | number | undefined
}

/** From where on to write, in bytes; the file's start where `offset` is left out. */
export interface WriteOptions {
  readonly offset?: bigint | number | undefined
  /** Ends the file where the writing ended. What was behind that stays where this is left out. */
  readonly truncate?: boolean | undefined
}

/**
 * An open file. It closes with the scope that it was opened in. Offsets and sizes in bytes. Every operation fails with
 * `SmbError`, `TransportError`, `ProtocolError` or `Malformed`.
 *
 * @category models
 */
export interface SmbFile {
  /** `\\server\share\path`, at the server that holds the file. */
  readonly path: string
  readonly share: Share.Share
  /** What the server said when it opened the file: size, times, attributes, lease, durable handle. */
  readonly opened: Share.Opened
  /** The lease or oplock as it is now. */
  readonly caching: Share.OpenFile["caching"]
  /** Up to `length` bytes from `offset` on; fewer at the end of the file as it is now. */
  readonly read: (offset: bigint | number, length: number) => Effect.Effect<Uint8Array, RequestError>
  /**
   * Fills `destination` from `offset` on, and gives how many bytes there were: fewer at the end of the file as it is
   * now. After an interruption or a failure the buffer may still be written to: do not use it again.
   */
  readonly readInto: (offset: bigint | number, destination: Uint8Array) => Effect.Effect<number, RequestError>
  /**
   * The bytes in order, many requests ahead of the reader; `FileShortened` after them where the file ends before what it
   * had of the range when it was opened. What this open has cut off by itself does not count.
   */
  readonly stream: (range?: RangeOptions) => Stream.Stream<Uint8Array, RequestError | FileShortened>
  /**
   * Hands the bytes to `use` in order, each chunk with its offset; gives the count of bytes. A chunk is lent: it must not
   * be kept after `use`. Twice as fast as `stream`, whose chunks are fresh memory each. `FileShortened` as with `stream`.
   */
  readonly readTo: <E, R>(
    use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>,
    range?: RangeOptions
  ) => Effect.Effect<bigint, E | RequestError | FileShortened, R>
  /** Writes all of `data`, which must not change meanwhile. */
  readonly write: (offset: bigint | number, data: Uint8Array) => Effect.Effect<void, RequestError>
  /** Writes what it is given from `offset` on; gives the count of bytes. It does not close the file. */
  readonly sink: (options?: WriteOptions) => Sink.Sink<bigint, Uint8Array, never, RequestError>
  /**
   * Writes what `fill` puts into the buffers that it is lent, until it puts nothing; gives the count of bytes. It does not
   * close the file.
   */
  readonly writeFrom: <E, R>(
    fill: (buffer: Uint8Array, offset: bigint) => Effect.Effect<number, E, R>,
    options?: WriteOptions
  ) => Effect.Effect<bigint, E | RequestError, R>
  readonly flush: Effect.Effect<void, RequestError>
  readonly truncate: (size: bigint | number) => Effect.Effect<void, RequestError>
  /**
   * Locks ranges of bytes until the scope closes: all of them, or none. `exclusive` unless told otherwise. Waits until they
   * are free, for which several are asked for one after the other, by their offsets, so that two who want the same ranges
   * do not wait for each other. With `wait: false` they are asked for together; `LockNotGranted` where one is not free.
   */
  readonly lock: (
    ranges: ReadonlyArray<{ readonly offset: bigint | number; readonly length: bigint | number }>,
    options?: { readonly exclusive?: boolean; readonly wait?: boolean }
  ) => Effect.Effect<void, RequestError, Scope.Scope>
  /** Any operation at all. */
  readonly run: Share.OpenFile["run"]
  /**
   * Closes ahead of the scope, and fails with what the server says to it. A server may find out only now that it cannot
   * keep what was written (a full disk, a quota), so close what you have written to. Where the scope closes it, the scope
   * ends with such a failure as a defect: the end of a scope has no typed failures.
   */
  readonly close: Effect.Effect<void, RequestError>
}

/** The end that an operation gives a file: FileEndOfFileInformation, FileAllocationInformation (MS-FSCC 2.4.14, 2.4.4). */
const endOf = (operation: Operation.Any): { readonly at: bigint; readonly extends: boolean } | undefined =>
  operation._tag === "SetInfo" && operation.information._tag === "File" && operation.data.length >= 8 &&
    (operation.information.fileInformationClass === 20 || operation.information.fileInformationClass === 19)
    ? {
      at: new DataView(operation.data.buffer, operation.data.byteOffset).getBigInt64(0, true),
      // Room that is allocated behind the end makes a file no longer.
      extends: operation.information.fileInformationClass === 20
    }
    : undefined

const toLength = (range: RangeOptions | undefined): bigint | undefined =>
  range?.length === undefined ? undefined : BigInt(range.length)

/**
 * Holds ranges until the scope closes. One request may not ask for several that it waits for (MS-SMB2 3.3.5.14.2), so each
 * is one of its own; what has been got is given back where the next fails, or the caller goes.
 */
const locked = (
  file: Share.OpenFile,
  ranges: ReadonlyArray<Operation.Range>,
  exclusive: boolean,
  wait: boolean
): Effect.Effect<void, RequestError, Scope.Scope> =>
  Effect.suspend(() => {
    const requests = wait && ranges.length > 1
      ? ranges.toSorted((a, b) => a.offset < b.offset ? -1 : a.offset > b.offset ? 1 : 0).map((range) => [range])
      : [ranges]
    /** As they were asked for: what is one request to lock is one to unlock, and fits as well. */
    const held: Array<ReadonlyArray<Operation.Range>> = []
    const unlock = Effect.suspend(() =>
      Effect.forEach(
        held.splice(0),
        // A file that has been closed meanwhile holds no locks, and whatever else is said, its CLOSE lets them go.
        (ranges) => Effect.ignore(file.run<Operation.Unlock>({ _tag: "Unlock", ranges })),
        { concurrency: Transfer.requestsInFlight, discard: true }
      )
    )
    const lock = Effect.forEach(requests, (ranges) =>
      Effect.map(file.run<Operation.Lock>({ _tag: "Lock", ranges, exclusive, wait }), () => {
        held.push(ranges)
      }), { discard: true })
    return Effect.acquireRelease(
      Effect.onExit(lock, (exit) =>
        Exit.isSuccess(exit) ? Effect.void : unlock),
      () =>
        unlock,
      { interruptible: true }
    )
  })

/**
 * An open file of a share, with reads and writes cut to what the share's `limits` allow.
 *
 * @category constructors
 */
export const make = (share: Share.Share, file: Share.OpenFile): SmbFile => {
  const extent = new Extent(file)
  const run: Share.OpenFile["run"] = (operation) => {
    const ran = file.run(operation)
    if (operation._tag === "Write") {
      return Effect.map(ran, (count) => {
        extent.extend(operation.offset + BigInt(count as number))
        return count
      })
    }
    const end = endOf(operation)
    return end === undefined ? ran : Effect.map(ran, (done) => {
      extent.cut(end.at)
      if (end.extends) extent.extend(end.at)
      return done
    })
  }
  const own: Share.OpenFile = { ...file, run }
  // The share's limits grow with the credits that the server grants.
  const source = () => Transfer.source(share, file, extent)
  const write = (offset: bigint, truncate = false) => <E, R>(written: Effect.Effect<bigint, E, R>) =>
    Changes.whole(Transfer.ending(own, offset, truncate, written))
  return {
    path: UncName.format(share, share.name, file.path),
    share,
    opened: file.opened,
    caching: file.caching,
    read: (offset, length) =>
      Effect.suspend(() => {
        const destination = new Uint8Array(length)
        return Effect.map(
          Transfer.readInto(source(), BigInt(offset), destination),
          (count) => destination.subarray(0, count)
        )
      }),
    readInto: (offset, destination) => Effect.suspend(() => Transfer.readInto(source(), BigInt(offset), destination)),
    stream: (range) => Stream.suspend(() => Transfer.read(source(), BigInt(range?.offset ?? 0), toLength(range))),
    readTo: (use, range) =>
      Effect.suspend(() => Transfer.readTo(source(), BigInt(range?.offset ?? 0), toLength(range), use)),
    writeFrom: (fill, options) => {
      const offset = BigInt(options?.offset ?? 0)
      return write(offset, options?.truncate)(Transfer.writeFrom(own, share.limits.write, offset, fill))
    },
    write: (offset, data) => Changes.whole(Transfer.writeBuffer(own, share.limits.write, BigInt(offset), data)),
    sink: (options) => {
      const offset = BigInt(options?.offset ?? 0)
      return Sink.make<Uint8Array>()((chunks) =>
        write(offset, options?.truncate)(Transfer.write(own, share.limits.write, offset, chunks))
      )
    },
    flush: file.run<Operation.Flush>({ _tag: "Flush" }),
    truncate: (size) => run(Information.setFile("FileEndOfFileInformation", { endOfFile: BigInt(size) })),
    lock: (ranges, options) => {
      const list = ranges.map(({ length, offset }) => ({ offset: BigInt(offset), length: BigInt(length) }))
      return locked(file, list, options?.exclusive ?? true, options?.wait ?? true)
    },
    run,
    close: file.close
  }
}
