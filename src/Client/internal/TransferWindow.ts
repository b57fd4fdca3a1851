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

/** A response that takes less time than this is not slow: more requests in flight would only wait in a queue. */
const slowMillis = 5

/** How far a slow network raises the number of requests in flight: 24 MiB if the server allows 1 MiB each. */
const growth = 3

/**
 * How many requests of one transfer are in flight. Where each response takes long, and takes no longer when more
 * requests are in flight, it is the network's distance that takes the time: one more request is sent for each response,
 * as TCP begins (RFC 5681, slow start). A response that takes twice the least time has waited behind others: the network
 * or the server has enough requests.
 */
export class Window {
  private current: number
  private readonly most: number
  private least = Infinity

  constructor(chunk: number) {
    this.current = windowOf(chunk)
    this.most = growth * this.current
  }

  /** How many requests may be in flight. */
  get size(): number {
    return this.current
  }

  /** A request has its response after so many milliseconds. */
  answered(millis: number): void {
    if (millis < this.least) this.least = millis
    if (millis >= slowMillis && millis < 2 * this.least && this.current < this.most) this.current++
  }
}

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
