/**
 * Large reads and writes as a window of requests in flight.
 *
 * Ownership: a chunk that `read` emits belongs to whoever takes it; chunks given to `write` must not change until the
 * stream asks for more.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Allocate from "../Codec/Allocate.ts"
import type { RequestError } from "../Protocol/Errors.ts"
import type * as Operation from "../Protocol/Operation.ts"
import type * as Share from "../Protocol/Share.ts"

/** Requests of the largest size that are in flight at once: 8 MiB where the server allows 1 MiB. */
export const requestsInFlight = 8

/** Bytes in flight where requests are small: then there are more of them. */
const bytesInFlight = 4 * 1024 * 1024

const window = (chunk: number): number => Math.max(requestsInFlight, Math.min(64, Math.ceil(bytesInFlight / chunk)))

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

/** Reads a piece whole: a server may answer a READ with less than was asked for, and then is asked for the rest. */
const readPiece = (
  file: Share.OpenFile,
  { length, offset }: Piece,
  destination?: Uint8Array
): Effect.Effect<Uint8Array, RequestError> =>
  Effect.flatMap(
    file.run<Operation.Read>(
      destination === undefined ? { _tag: "Read", offset, length } : { _tag: "Read", offset, length, destination }
    ),
    (first) =>
      first.length === length || first.length === 0 ? Effect.succeed(first) : readRest(file, offset, first, length)
  )

const readRest = Effect.fnUntraced(function*(file: Share.OpenFile, offset: bigint, first: Uint8Array, length: number) {
  const whole = new Uint8Array(length)
  whole.set(first)
  let filled = first.length
  while (filled < length) {
    const next = yield* file.run<Operation.Read>({
      _tag: "Read",
      offset: offset + BigInt(filled),
      length: length - filled
    })
    if (next.length === 0) break
    whole.set(next, filled)
    filled += next.length
  }
  return whole.subarray(0, filled)
})

/** The bytes from `offset` on, `length` of them or to the end of the file as it is when reading gets there. */
export const read = (
  file: Share.OpenFile,
  chunk: number,
  offset: bigint,
  length: bigint | undefined
): Stream.Stream<Uint8Array, RequestError> => {
  const known = file.opened.endOfFile > offset ? file.opened.endOfFile - offset : 0n
  const wanted = length === undefined || length > known ? known : length
  const planned = Stream.fromIterable(pieces(offset, wanted, chunk)).pipe(
    Stream.rechunk(1),
    Stream.mapEffect((piece) => readPiece(file, piece), { concurrency: window(chunk) }),
    Stream.takeWhile((data) => data.length > 0)
  )
  // What was written to the file since it was opened, and files that do not know their size.
  const beyond = length === undefined || length > known
    ? Stream.unfold(offset + wanted, (at) => {
      const left = length === undefined ? BigInt(chunk) : offset + length - at
      if (left <= 0n) return Effect.succeed(undefined)
      return Effect.map(
        readPiece(file, { offset: at, length: left < BigInt(chunk) ? Number(left) : chunk }),
        (data) => data.length === 0 ? undefined : ([data, at + BigInt(data.length)] as const)
      )
    })
    : Stream.empty
  return Stream.concat(planned, beyond)
}

/** Reads into one buffer, `destination.length` bytes from `offset` on; gives how many there were. */
export const readInto = Effect.fnUntraced(function*(
  file: Share.OpenFile,
  chunk: number,
  offset: bigint,
  destination: Uint8Array
): Effect.fn.Return<number, RequestError> {
  let total = 0
  yield* Effect.forEach(
    pieces(offset, BigInt(destination.length), chunk),
    (piece) => {
      const at = Number(piece.offset - offset)
      const place = destination.subarray(at, at + piece.length)
      return Effect.map(readPiece(file, piece, place), (data) => {
        if (data.buffer !== place.buffer || data.byteOffset !== place.byteOffset) place.set(data)
        total += data.length
      })
    },
    { concurrency: window(chunk), discard: true }
  )
  return total
})

/** Cuts and gathers chunks so that each has `size` bytes, the last fewer. A chunk that fits is passed on uncopied. */
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
      count >= data.length || count === 0
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
    { concurrency: window(chunk), discard: true }
  )

/** Writes a stream of chunks from `offset` on; gives the count of bytes. */
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
      Stream.mapEffect(({ data, offset }) => writePiece(file, offset, data), { concurrency: window(chunk) }),
      Stream.runDrain,
      Effect.map(() => at - offset)
    )
  })
