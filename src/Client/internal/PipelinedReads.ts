/**
 * Reads of an open file as many READs in flight: as a stream, lent to a function, or into one buffer.
 *
 * Ownership: a chunk that `read` emits belongs to the consumer; a chunk that `readTo` lends does not.
 */
import * as BigInts from "effect/BigInt"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Allocate from "../../Codec/Allocate.ts"
import type { RequestError } from "../../Protocol/Errors.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import { FileShortened } from "../FileShortened.ts"
import { Extent } from "./EndOfFile.ts"
import { type Piece, pieces, Window, windowOf } from "./TransferWindow.ts"

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
 * Reads ahead: each call fills the window with requests. `next` returns the next piece in order, and `undefined` at the
 * end. With `reuseBuffers`, the pieces go into as many buffers as requests are in flight, so that a returned piece is
 * valid until `next` is called again.
 */
const readAhead = Effect.fnUntraced(function*(
  source: Source,
  offset: bigint,
  length: bigint | undefined,
  reuseBuffers: boolean
) {
  const { chunk, extent, path } = source
  const scope = yield* Effect.scope
  const known = BigInts.max(extent.size - offset, 0n)
  const wanted = length === undefined ? known : BigInts.min(length, known)
  const planned = pieces(offset, wanted, chunk)[Symbol.iterator]()
  const clock = yield* Clock.Clock
  const window = new Window(chunk)
  const free: Array<Uint8Array> = []
  const queue: Array<Ahead> = []
  const expected = offset + wanted
  let at = expected
  /** Where the file ended, if that is earlier than when it was opened. */
  let found: bigint | undefined

  const start = (piece: Piece) => {
    const buffer = reuseBuffers ? free.shift() ?? Allocate.uninitialized(chunk) : undefined
    const began = clock.currentTimeMillisUnsafe()
    const read = Effect.map(readPiece(source, piece, buffer?.subarray(0, piece.length)), (data) => {
      window.answered(clock.currentTimeMillisUnsafe() - began)
      return data
    })
    return Effect.map(
      Effect.forkIn(read, scope, { startImmediately: true }),
      (fiber) => {
        queue.push({ piece, buffer, fiber })
      }
    )
  }

  /** For bytes that were written to the file after it was opened, and for files of unknown size. */
  const readBeyond = Effect.suspend(() => {
    const left = length === undefined ? BigInt(chunk) : offset + length - at
    if (left <= 0n) return Effect.succeed(undefined)
    return Effect.map(
      readPiece(source, { offset: at, length: Number(BigInts.min(left, BigInt(chunk))) }),
      (data) => {
        at += BigInt(data.length)
        return data.length === 0 ? undefined : data
      }
    )
  })

  /** A part that this open itself has cut off is expected to be missing. */
  const shortened = (found: bigint) => {
    const due = BigInts.min(extent.size, expected)
    return found < due ? Effect.fail(new FileShortened({ path, expected: due, found })) : Effect.succeed(undefined)
  }

  let out: Uint8Array | undefined
  return Effect.gen(function*() {
    if (found !== undefined) return yield* shortened(found)
    if (out !== undefined) free.push(out)
    while (queue.length < window.size) {
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
        if (data.buffer !== place.buffer) place.set(data)
        if (data.length < piece.length) end = Math.min(end, at + data.length)
      })
    },
    { concurrency: windowOf(chunk), discard: true }
  )
  return end
})
