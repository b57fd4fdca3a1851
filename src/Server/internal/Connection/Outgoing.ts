/**
 * What goes out by a connection's socket: frames, and how much of them may wait there. Who does not fetch their answers is
 * not read from, and nothing more is begun for them.
 *
 * Buffers: what is sent is the socket's until `onSent` runs.
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
  /** Bytes that may wait. */
  most: number
  /** Requests that are not begun before the client has fetched what it was answered. */
  private readonly held = new Set<() => void>()
  private closed = false

  constructor(socket: Net.Socket, most: number) {
    this.socket = socket
    this.most = most
  }

  /** `onSent` runs when the system has taken the bytes, so that their memory may be used for others. */
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
    // Who does not read its answers is not read from either.
    if (this.isCrowded && !socket.isPaused()) {
      socket.pause()
      socket.once("drain", () => {
        socket.resume()
        this.goOn()
      })
    }
  }

  /** Whether more waits in the socket than may. */
  get isCrowded(): boolean {
    return !this.closed && this.socket.writableLength > this.most
  }

  /** Waits until the client has fetched what waits in the socket, or is gone. */
  readonly fetched: Effect.Effect<void> = Effect.callback((resume) => {
    if (!this.isCrowded) return resume(Effect.void)
    const goOn = () => resume(Effect.void)
    this.held.add(goOn)
    return Effect.sync(() => this.held.delete(goOn))
  })

  /** Nothing is sent any more, and nobody waits. */
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
