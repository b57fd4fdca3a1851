/**
 * Large reads and writes, with a window of requests in flight.
 *
 * Ownership: a chunk that `read` emits belongs to the consumer; chunks given to `write` must not change until the
 * stream asks for more.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Allocate from "../../Codec/Allocate.ts"
import type { RequestError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import { FileShortened } from "../FileShortened.ts"
import * as Information from "../Information.ts"
import { Extent } from "./EndOfFile.ts"

/** The size in bytes up to which a file is read and written in one compound: what one credit pays for. */
export const oneCompound = 65536

/** How many requests of the largest size are in flight at once: 8 MiB if the server allows 1 MiB each. */
export const requestsInFlight = 8

/** Bytes in flight if requests are small: then there are more requests. */
const bytesInFlight = 4 * 1024 * 1024

/** How many requests of `chunk` bytes are in flight at once. */
const windowOf = (chunk: number): number => Math.max(requestsInFlight, Math.min(64, Math.ceil(bytesInFlight / chunk)))

/** A file to read from. */
export interface Source {
  readonly file: Share.OpenFile
  /** The size of one READ in bytes. */
  readonly chunk: number
  /** `\\\\server\\share\\path`. */
  readonly path: string
  /** How far the file reaches. */
  readonly extent: Extent
}

/** An open file to read from. */
export const source = (share: Share.Share, file: Share.OpenFile, extent: Extent = new Extent(file)): Source => ({
  file,
  chunk: share.limits.read,
  path: UncName.format(share, share.name, file.path),
  extent
})

interface Piece {
  readonly offset: bigint
  readonly length: number
}

const pieces = function*(offset: bigint, length: bigint, chunk: number): Generator<Piece> {
  const end = offset + length
  for (let at = offset; at < end; at += BigInt(chunk)) {
    const left = end - at
    yield { offset: at, length: left < BigInt(chunk) ? Number(left) : chunk }
  }
}

type Readable = Pick<Source, "file" | "extent">

const noBytes = new Uint8Array(0)

/**
 * Reads a whole piece: a server can respond to a READ with less than requested, and then the client requests the rest,
 * if any exists.
 */
const readPiece = (
  source: Readable,
  piece: Piece,
  destination?: Uint8Array
): Effect.Effect<Uint8Array, RequestError> =>
  source.extent.holds(piece.offset)
    ? readWithin(source, piece, destination)
    : Effect.flatMap(
      source.extent.reaches(piece.offset),
      (reaches) => reaches ? readWithin(source, piece, destination) : Effect.succeed(noBytes)
    )

const readWithin = (
  source: Readable,
  { length, offset }: Piece,
  destination: Uint8Array | undefined
): Effect.Effect<Uint8Array, RequestError> =>
  Effect.flatMap(
    source.extent.read(
      destination === undefined ? { _tag: "Read", offset, length } : { _tag: "Read", offset, length, destination }
    ),
    (first) =>
      first.length === length || first.length === 0 ? Effect.succeed(first) : readRest(source, offset, first, length)
  )

const readRest = Effect.fnUntraced(
  function*({ extent }: Readable, offset: bigint, first: Uint8Array, length: number) {
    const whole = new Uint8Array(length)
    whole.set(first)
    let filled = first.length
    while (filled < length && (yield* extent.reaches(offset + BigInt(filled)))) {
      const next = yield* extent.read({ _tag: "Read", offset: offset + BigInt(filled), length: length - filled })
      if (next.length === 0) break
      whole.set(next, filled)
      filled += next.length
    }
    return whole.subarray(0, filled)
  }
)

/** A piece that is being read, and the fiber that reads it. */
interface Ahead {
  readonly piece: Piece
  readonly buffer: Uint8Array | undefined
  readonly fiber: Fiber.Fiber<Uint8Array, RequestError>
}

/**
 * Reads ahead: the requests in flight always fill the window. `next` returns the next piece in order, and `undefined`
 * at the end. With `reuseBuffers`, the pieces go into a few buffers in turn, so that a returned piece is valid until
 * `next` is called again.
 */
const readAhead = Effect.fnUntraced(function*(
  source: Source,
  offset: bigint,
  length: bigint | undefined,
  reuseBuffers: boolean
) {
  const { chunk, extent, path } = source
  const scope = yield* Effect.scope
  const known = extent.size > offset ? extent.size - offset : 0n
  const wanted = length === undefined || length > known ? known : length
  const planned = pieces(offset, wanted, chunk)
  const size = windowOf(chunk)
  const free: Array<Uint8Array> = []
  let made = 0
  const queue: Array<Ahead> = []
  const expected = offset + wanted
  let at = expected
  let ended = false
  /** Where the file ended, if that is earlier than when it was opened. */
  let found: bigint | undefined

  const start = (piece: Piece) => {
    let buffer: Uint8Array | undefined
    if (reuseBuffers) {
      // One buffer more than requests in flight: the consumer still uses the piece that was returned last.
      buffer = free.shift()
      if (buffer === undefined && made <= size) {
        buffer = Allocate.uninitialized(chunk)
        made++
      }
    }
    return Effect.map(
      Effect.forkIn(readPiece(source, piece, buffer?.subarray(0, piece.length)), scope, { startImmediately: true }),
      (fiber) => {
        queue.push({ piece, buffer, fiber })
      }
    )
  }

  /** For bytes that were written to the file after it was opened, and for files of unknown size. */
  const readBeyond = Effect.suspend(() => {
    const left = length === undefined ? BigInt(chunk) : offset + length - at
    if (ended || left <= 0n) return Effect.succeed(undefined)
    return Effect.map(
      readPiece(source, { offset: at, length: left < BigInt(chunk) ? Number(left) : chunk }),
      (data) => {
        ended = data.length === 0
        at += BigInt(data.length)
        return ended ? undefined : data
      }
    )
  })

  /** A part that this open itself has cut off is expected to be missing. */
  const shortened = (found: bigint) => {
    const due = extent.size < expected ? extent.size : expected
    return found < due ? Effect.fail(new FileShortened({ path, expected: due, found })) : Effect.succeed(undefined)
  }

  let out: Uint8Array | undefined
  return Effect.gen(function*() {
    if (found !== undefined) return yield* shortened(found)
    if (out !== undefined) free.push(out)
    out = undefined
    const wanted = ended ? 0 : size
    while (queue.length < wanted) {
      const piece = planned.next()
      if (piece.done === true) break
      yield* start(piece.value)
    }
    const due = queue.shift()
    if (due === undefined) return yield* readBeyond
    const data = yield* Fiber.join(due.fiber)
    out = due.buffer
    // The file has become shorter: the pieces in flight are of no use.
    if (data.length < due.piece.length) {
      ended = true
      queue.length = 0
      found = due.piece.offset + BigInt(data.length)
      if (data.length === 0) return yield* shortened(found)
    }
    return data
  })
})

/**
 * The bytes from `offset` on, `length` of them or to the end of the file at the time of the read. If the file ends
 * earlier than when it was opened, `FileShortened` follows the bytes.
 */
export const read = (
  source: Source,
  offset: bigint,
  length: bigint | undefined
): Stream.Stream<Uint8Array, RequestError | FileShortened> =>
  Stream.unwrap(
    Effect.map(readAhead(source, offset, length, false), (next) =>
      Stream.unfold(undefined, () =>
        Effect.map(next, (data) =>
          data === undefined ? undefined : [data, undefined] as const)))
  )

/**
 * The same bytes, lent: `use` gets each chunk with its offset, one after another, and must not keep it. The chunks
 * share a few buffers that are filled again and again, which is twice as fast as a new buffer for each chunk.
 */
export const readTo = <E, R>(
  source: Source,
  offset: bigint,
  length: bigint | undefined,
  use: (chunk: Uint8Array, offset: bigint) => Effect.Effect<unknown, E, R>
): Effect.Effect<bigint, E | RequestError | FileShortened, R> =>
  Effect.scoped(Effect.gen(function*() {
    const next = yield* readAhead(source, offset, length, true)
    let at = offset
    for (;;) {
      const data: Uint8Array | undefined = yield* next
      if (data === undefined) return at - offset
      yield* use(data, at)
      at += BigInt(data.length)
    }
  }))

/**
 * Reads into one buffer, `destination.length` bytes from `offset` on; returns how many bytes it read. If the file is
 * cut and grows again during the read, the data has a gap, and the bytes after the gap do not count.
 */
export const readInto = Effect.fnUntraced(function*(
  source: Source,
  offset: bigint,
  destination: Uint8Array
): Effect.fn.Return<number, RequestError> {
  const { chunk } = source
  let end = destination.length
  yield* Effect.forEach(
    pieces(offset, BigInt(destination.length), chunk),
    (piece) => {
      const at = Number(piece.offset - offset)
      const place = destination.subarray(at, at + piece.length)
      // Bytes after a gap do not count.
      if (at >= end) return Effect.void
      return Effect.map(readPiece(source, piece, place), (data) => {
        if (data.buffer !== place.buffer || data.byteOffset !== place.byteOffset) place.set(data)
        if (data.length < piece.length) end = Math.min(end, at + data.length)
      })
    },
    { concurrency: windowOf(chunk), discard: true }
  )
  return end
})

/**
 * Splits and joins chunks so that each has `size` bytes, the last one fewer. A chunk that fits is passed on without a
 * copy.
 */
const regroup = (size: number) => <E, R>(chunks: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E, R> =>
  Stream.suspend(() => {
    let gathered: Uint8Array | undefined
    let fill = 0
    const cut = (chunk: Uint8Array): Array<Uint8Array> => {
      const out: Array<Uint8Array> = []
      let at = 0
      while (at < chunk.length) {
        const left = chunk.length - at
        if (fill === 0 && left >= size) {
          out.push(chunk.subarray(at, at + size))
          at += size
          continue
        }
        gathered ??= Allocate.uninitialized(size)
        const count = Math.min(left, size - fill)
        gathered.set(chunk.subarray(at, at + count), fill)
        fill += count
        at += count
        if (fill === size) {
          out.push(gathered)
          gathered = undefined
          fill = 0
        }
      }
      return out
    }
    const rest = Stream.suspend(() => fill === 0 ? Stream.empty : Stream.succeed(gathered!.subarray(0, fill)))
    return chunks.pipe(Stream.flatMap((chunk) => Stream.fromArray(cut(chunk))), Stream.concat(rest))
  })

const writePiece = (file: Share.OpenFile, offset: bigint, data: Uint8Array): Effect.Effect<void, RequestError> =>
  Effect.flatMap(
    file.run<Operation.Write>({ _tag: "Write", offset, data }),
    (count) =>
      count === data.length
        ? Effect.void
        : writePiece(file, offset + BigInt(count), data.subarray(count))
  )

/** Writes one buffer at `offset`. */
export const writeBuffer = (
  file: Share.OpenFile,
  chunk: number,
  offset: bigint,
  data: Uint8Array
): Effect.Effect<void, RequestError> =>
  Effect.forEach(
    pieces(offset, BigInt(data.length), chunk),
    (piece) => {
      const at = Number(piece.offset - offset)
      return writePiece(file, piece.offset, data.subarray(at, at + piece.length))
    },
    { concurrency: windowOf(chunk), discard: true }
  )

/** Writes a stream of chunks from `offset` on; returns the count of bytes. */
export const write = <E, R>(
  file: Share.OpenFile,
  chunk: number,
  offset: bigint,
  chunks: Stream.Stream<Uint8Array, E, R>
): Effect.Effect<bigint, E | RequestError, R> =>
  Effect.suspend(() => {
    let at = offset
    return chunks.pipe(
      regroup(chunk),
      Stream.map((data) => {
        const piece = { offset: at, data }
        at += BigInt(data.length)
        return piece
      }),
      Stream.mapEffect(({ data, offset }) => writePiece(file, offset, data), { concurrency: windowOf(chunk) }),
      Stream.runDrain,
      Effect.map(() => at - offset)
    )
  })

/**
 * Writes the bytes that `fill` puts into the buffers that it is lent, one after another, from `offset` on; returns the
 * count of bytes. `fill` returns how many bytes it put there, 0 at the end, and must not keep the buffer. While `fill`
 * runs, the earlier buffers are being written.
 */
export const writeFrom = <E, R>(
  file: Share.OpenFile,
  chunk: number,
  offset: bigint,
  fill: (buffer: Uint8Array, offset: bigint) => Effect.Effect<number, E, R>
): Effect.Effect<bigint, E | RequestError, R> =>
  Effect.scoped(Effect.gen(function*() {
    const scope = yield* Effect.scope
    const size = windowOf(chunk)
    const queue: Array<{ readonly buffer: Uint8Array; readonly fiber: Fiber.Fiber<void, RequestError> }> = []
    let at = offset
    for (;;) {
      const first = queue.length < size ? undefined : queue.shift()!
      if (first !== undefined) yield* Fiber.join(first.fiber)
      const buffer = first?.buffer ?? Allocate.uninitialized(chunk)
      const count: number = yield* fill(buffer, at)
      if (count === 0) break
      if (!Number.isInteger(count) || count < 0 || count > buffer.length) {
        return yield* Effect.die(
          new RangeError(`fill says that it put ${count} bytes into a buffer of ${buffer.length}`)
        )
      }
      const fiber = yield* Effect.forkIn(writePiece(file, at, buffer.subarray(0, count)), scope, {
        startImmediately: true
      })
      queue.push({ buffer, fiber })
      at += BigInt(count)
    }
    for (const { fiber } of queue) yield* Fiber.join(fiber)
    return at - offset
  }))

/** Writes, and then ends the file after the last byte written if `truncate` is true; returns the count of bytes. */
export const truncatingAfter = <E, R>(
  file: Share.OpenFile,
  offset: bigint,
  truncate: boolean,
  written: Effect.Effect<bigint, E, R>
): Effect.Effect<bigint, E | RequestError, R> =>
  !truncate ? written : Effect.tap(
    written,
    (count) => file.run(Information.setFile("FileEndOfFileInformation", { endOfFile: offset + count }))
  )
