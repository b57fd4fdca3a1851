/**
 * Writes to an open file as many WRITEs in flight: from one buffer, from a stream, or from buffers that the caller fills.
 *
 * Ownership: chunks given to `write` must not change until the stream asks for more.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Allocate from "../../Codec/Allocate.ts"
import * as Arguments from "../../Protocol/Arguments.ts"
import type { ArgumentError, RequestError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as Information from "../Information.ts"
import { pieces, Window, windowOf } from "./TransferWindow.ts"

const isChunk = Arguments.required(Arguments.bytes)

/**
 * Splits and joins chunks so that each has `size` bytes, the last one fewer. A chunk that fits is passed on without a
 * copy.
 */
const regroup = (file: Share.OpenFile, size: number) =>
<E, R>(
  chunks: Stream.Stream<Uint8Array, E, R>
): Stream.Stream<Uint8Array, E | ArgumentError, R> =>
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
    const checked = (chunk: Uint8Array): Stream.Stream<Uint8Array, ArgumentError> => {
      const error = Arguments.objection({ "a chunk of the stream": [isChunk, chunk] }, file.path)
      return error === undefined ? Stream.fromArray(cut(chunk)) : Stream.fail(error)
    }
    return chunks.pipe(Stream.flatMap(checked), Stream.concat(rest))
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
      regroup(file, chunk),
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

/** Passes a stream of chunks to `write`, `chunk` bytes at a time and one after the other; returns the count of bytes. */
export const inOrder = <E, R, E1>(
  file: Share.OpenFile,
  chunk: number,
  chunks: Stream.Stream<Uint8Array, E, R>,
  write: (data: Uint8Array) => Effect.Effect<void, E1>
): Effect.Effect<bigint, E | E1 | ArgumentError, R> =>
  Stream.runFoldEffect(
    regroup(file, chunk)(chunks),
    () => 0n,
    (count, data) => Effect.as(write(data), count + BigInt(data.length))
  )

/** The size in bytes up to which a buffer that `fill` is lent holds several requests: each call of `fill` has its cost. */
const lentSize = 1024 * 1024

/** A full buffer exceeds the requests in flight by fewer than this. */
const mostRequests = 8

/** How many whole requests of `chunk` bytes a lent buffer holds. */
const requestsInBuffer = (chunk: number): number => Math.min(mostRequests, Math.max(1, Math.floor(lentSize / chunk)))

/** A buffer that is being written by so many requests. */
interface Lent {
  readonly buffer: Uint8Array
  readonly requests: number
  readonly fiber: Fiber.Fiber<void, RequestError>
}

/**
 * Writes the bytes that `fill` puts into the buffers that it is lent, one after another, from `offset` on; returns the
 * count of bytes. `fill` returns how many bytes it put there, 0 at the end, and must not keep the buffer. While `fill`
 * runs, the earlier buffers are being written. A buffer is lent again when all requests with its bytes have their responses.
 */
export const writeFrom = <E, R>(
  file: Share.OpenFile,
  chunk: number,
  offset: bigint,
  fill: (buffer: Uint8Array, offset: bigint) => Effect.Effect<number, E, R>
): Effect.Effect<bigint, E | RequestError, R> =>
  Effect.scoped(Effect.gen(function*() {
    const scope = yield* Effect.scope
    const clock = yield* Clock.Clock
    const window = new Window(chunk)
    const length = chunk * requestsInBuffer(chunk)
    const queue: Array<Lent> = []
    const free: Array<Uint8Array> = []
    let inFlight = 0
    let at = offset
    /** One request, whose time the window learns from. */
    const send = (offset: bigint, data: Uint8Array) =>
      Effect.suspend(() => {
        const began = clock.currentTimeMillisUnsafe()
        return Effect.map(writePiece(file, offset, data), () => {
          window.answered(clock.currentTimeMillisUnsafe() - began)
        })
      })
    const sendAll = (start: bigint, data: Uint8Array) =>
      data.length <= chunk ? send(start, data) : Effect.forEach(
        pieces(start, BigInt(data.length), chunk),
        (piece) => {
          const from = Number(piece.offset - start)
          return send(piece.offset, data.subarray(from, from + piece.length))
        },
        { concurrency: "unbounded", discard: true }
      )
    for (;;) {
      while (inFlight >= window.size) {
        const first = queue.shift()!
        yield* Fiber.join(first.fiber)
        inFlight -= first.requests
        free.push(first.buffer)
      }
      const buffer = free.pop() ?? Allocate.uninitialized(length)
      const count: number = yield* fill(buffer, at)
      if (!Number.isInteger(count) || count < 0 || count > buffer.length) {
        return yield* Arguments.wrong(
          "the result of fill",
          count,
          `the number of bytes that it put into the buffer, from 0 to ${buffer.length}`,
          file.path
        )
      }
      if (count === 0) break
      const fiber = yield* Effect.forkIn(sendAll(at, buffer.subarray(0, count)), scope, { startImmediately: true })
      const requests = Math.ceil(count / chunk)
      queue.push({ buffer, fiber, requests })
      inFlight += requests
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
