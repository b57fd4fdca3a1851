/** How a transfer is split into requests, and how many of them are in flight at once. */
import * as BigInts from "effect/BigInt"

/** The size in bytes up to which a file is read and written in one compound: what one credit pays for. */
export const oneCompound = 65536

/** How many requests of the largest size are in flight at once: 8 MiB if the server allows 1 MiB each. */
export const requestsInFlight = 8

/** Bytes in flight if requests are small: then there are more requests. */
const bytesInFlight = 4 * 1024 * 1024

/** How many requests of `chunk` bytes are in flight at once. */
export const windowOf = (chunk: number): number =>
  Math.max(requestsInFlight, Math.min(64, Math.ceil(bytesInFlight / chunk)))

/** A part of a transfer that is one request. */
export interface Piece {
  readonly offset: bigint
  readonly length: number
}

/**
 * The pieces of `length` bytes from `offset` on: `chunk` bytes each, the last one fewer. Each iteration begins with
 * the first piece again, because an effect that was made once can run more than once.
 */
export const pieces = (offset: bigint, length: bigint, chunk: number): Iterable<Piece> => ({
  *[Symbol.iterator]() {
    const end = offset + length
    for (let at = offset; at < end; at += BigInt(chunk)) {
      yield { offset: at, length: Number(BigInts.min(end - at, BigInt(chunk))) }
    }
  }
})
