/**
 * An open file as an app uses it: reads and writes of any size, locks, and everything else by `run`.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import type * as Stream from "effect/Stream"
import type { RequestError } from "../Protocol/Errors.ts"
import type * as Operation from "../Protocol/Operation.ts"
import type * as Share from "../Protocol/Share.ts"
import * as UncName from "../Protocol/UncName.ts"
import * as Information from "./Information.ts"
import * as Transfer from "./internal/Transfer.ts"

/** Which bytes; the rest of the file where `length` is left out, its start where `offset` is. In bytes. */
export interface RangeOptions {
  readonly offset?: bigint | number | undefined
  readonly length?: bigint | number | undefined
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
  /** Up to `length` bytes from `offset` on; fewer at the end of the file. */
  readonly read: (offset: bigint | number, length: number) => Effect.Effect<Uint8Array, RequestError>
  /**
   * Fills `destination` from `offset` on, and gives how many bytes there were. After an interruption or a failure the
   * buffer may still be written to: do not use it again.
   */
  readonly readInto: (offset: bigint | number, destination: Uint8Array) => Effect.Effect<number, RequestError>
  /** The bytes in order, many requests ahead of the reader. */
  readonly stream: (range?: RangeOptions) => Stream.Stream<Uint8Array, RequestError>
  /**
   * Hands the bytes to `use` in order, each chunk with its offset; gives the count of bytes. A chunk is lent: it must not
   * be kept after `use`. Twice as fast as `stream`, whose chunks are fresh memory each.
   */
  readonly readTo: <E, R>(
    use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>,
    range?: RangeOptions
  ) => Effect.Effect<bigint, E | RequestError, R>
  /** Writes all of `data`, which must not change meanwhile. */
  readonly write: (offset: bigint | number, data: Uint8Array) => Effect.Effect<void, RequestError>
  /** Writes what it is given from `offset` on; gives the count of bytes. */
  readonly sink: (options?: { readonly offset?: bigint | number }) => Sink.Sink<bigint, Uint8Array, never, RequestError>
  /**
   * Writes what `fill` puts into the buffers that it is lent, until it puts nothing; gives the count of bytes.
   */
  readonly writeFrom: <E, R>(
    fill: (buffer: Uint8Array, offset: bigint) => Effect.Effect<number, E, R>,
    options?: { readonly offset?: bigint | number }
  ) => Effect.Effect<bigint, E | RequestError, R>
  readonly flush: Effect.Effect<void, RequestError>
  readonly truncate: (size: bigint | number) => Effect.Effect<void, RequestError>
  /** Locks ranges of bytes until the scope closes. */
  readonly lock: (
    ranges: ReadonlyArray<{ readonly offset: bigint | number; readonly length: bigint | number }>,
    options?: { readonly exclusive?: boolean; readonly wait?: boolean }
  ) => Effect.Effect<void, RequestError, Scope.Scope>
  /** Any operation at all. */
  readonly run: Share.OpenFile["run"]
  /** Closes ahead of the scope, and fails with what the server says to it. */
  readonly close: Effect.Effect<void, RequestError>
}

const toLength = (range: RangeOptions | undefined): bigint | undefined =>
  range?.length === undefined ? undefined : BigInt(range.length)

/**
 * An open file of a share, with reads and writes cut to what the share's `limits` allow.
 *
 * @category constructors
 */
export const make = (share: Share.Share, file: Share.OpenFile): SmbFile => ({
  path: UncName.format(share, share.name, file.path),
  share,
  opened: file.opened,
  caching: file.caching,
  read: (offset, length) =>
    Effect.suspend(() => {
      const destination = new Uint8Array(length)
      return Effect.map(
        Transfer.readInto(file, share.limits.read, BigInt(offset), destination),
        (count) => destination.subarray(0, count)
      )
    }),
  readInto: (offset, destination) => Transfer.readInto(file, share.limits.read, BigInt(offset), destination),
  stream: (range) => Transfer.read(file, share.limits.read, BigInt(range?.offset ?? 0), toLength(range)),
  readTo: (use, range) => Transfer.readTo(file, share.limits.read, BigInt(range?.offset ?? 0), toLength(range), use),
  writeFrom: (fill, options) => Transfer.writeFrom(file, share.limits.write, BigInt(options?.offset ?? 0), fill),
  write: (offset, data) => Transfer.writeBuffer(file, share.limits.write, BigInt(offset), data),
  sink: (options) =>
    Sink.make<Uint8Array>()((chunks) => Transfer.write(file, share.limits.write, BigInt(options?.offset ?? 0), chunks)),
  flush: file.run<Operation.Flush>({ _tag: "Flush" }),
  truncate: (size) => file.run(Information.setFile("FileEndOfFileInformation", { endOfFile: BigInt(size) })),
  lock: (ranges, options) => {
    const list = ranges.map(({ length, offset }) => ({ offset: BigInt(offset), length: BigInt(length) }))
    return Effect.acquireRelease(
      file.run<Operation.Lock>({
        _tag: "Lock",
        ranges: list,
        exclusive: options?.exclusive ?? true,
        wait: options?.wait ?? true
      }),
      // A file that has been closed meanwhile holds no locks any more.
      () => Effect.ignore(file.run<Operation.Unlock>({ _tag: "Unlock", ranges: list })),
      { interruptible: true }
    )
  },
  run: file.run,
  close: file.close
})
