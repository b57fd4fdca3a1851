/**
 * The sending side of a connection's socket: frames, and a limit for the bytes that wait there. The server does not
 * read from a client that does not read its responses, and begins no more requests for it.
 *
 * Buffers: the memory of a frame belongs to the socket until `onSent` runs.
 */
import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import * as FrameReader from "../../../Protocol/FrameReader.ts"

/** Bytes of all chunks. */
export const lengthOf = (chunks: ReadonlyArray<Uint8Array>): number => {
  let length = 0
  for (const chunk of chunks) length += chunk.length
  return length
}

/**
 * @category models
 */
export class Outgoing {
  private readonly socket: Net.Socket
  /** The most bytes that can wait. */
  most: number
  /** Requests that begin only after the client has read its earlier responses. */
  private readonly held = new Set<() => void>()
  private closed = false

  constructor(socket: Net.Socket, most: number) {
    this.socket = socket
    this.most = most
  }

  /** `onSent` runs when the system has taken the bytes and their memory can be used again. */
  send(chunks: ReadonlyArray<Uint8Array>, onSent?: () => void): void {
    if (this.closed || this.socket.destroyed) return
    const { socket } = this
    const length = lengthOf(chunks)
    const frame = new Uint8Array(FrameReader.headerSize)
    FrameReader.writeHeader(frame, length)
    if (length <= 4096) {
      socket.write(Buffer.concat([frame, ...chunks], length + FrameReader.headerSize))
      onSent?.()
    } else {
      socket.cork()
      socket.write(frame)
      const done = (error?: Error | null) => {
        if (error === undefined || error === null) onSent?.()
      }
      for (let i = 0; i < chunks.length; i++) socket.write(chunks[i]!, i === chunks.length - 1 ? done : undefined)
      socket.uncork()
    }
    // The server stops reading from a client that does not read its responses.
    if (this.isCrowded && !socket.isPaused()) {
      socket.pause()
      socket.once("drain", () => {
        socket.resume()
        this.goOn()
      })
    }
  }

  /** Whether more bytes wait in the socket than the limit. */
  get isCrowded(): boolean {
    return !this.closed && this.socket.writableLength > this.most
  }

  /** Waits until the client has read the bytes that wait in the socket, or is gone. */
  readonly fetched: Effect.Effect<void> = Effect.callback((resume) => {
    if (!this.isCrowded) return resume(Effect.void)
    const goOn = () => resume(Effect.void)
    this.held.add(goOn)
    return Effect.sync(() => this.held.delete(goOn))
  })

  /** From now on nothing is sent, and waiting requests continue. */
  close(): void {
    this.closed = true
    this.goOn()
  }

  private goOn(): void {
    const held = Array.from(this.held)
    this.held.clear()
    for (const resume of held) resume()
  }
}
