/**
 * The transport over TCP, on `node:net`.
 *
 * Reads with `onread` into one buffer that is used again for every read: a socket's `data` events, and streams built on
 * them, reach half of that speed. So a chunk is valid only until `onData` returns, as the seam says.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Net from "node:net"
import { TransportError } from "../Protocol/Errors.ts"
import * as Transport from "../Protocol/Transport.ts"

/** Settings of the TCP transport. */
export interface Options {
  /** How long a connection may take to be made; 10 seconds where left out. */
  readonly connectTimeout?: Duration.Input
  /** Bytes of the receive buffer of each connection; 1 MiB where left out. Untouched pages cost nothing. */
  readonly receiveBuffer?: number
  /** How names become addresses; the system's resolver where left out. */
  readonly lookup?: Net.TcpNetConnectOpts["lookup"]
}

const reasons: Record<string, TransportError["reason"]> = {
  ECONNREFUSED: "Refused",
  ENOTFOUND: "NameNotFound",
  EAI_AGAIN: "NameNotFound",
  EHOSTUNREACH: "Unreachable",
  ENETUNREACH: "Unreachable",
  EHOSTDOWN: "Unreachable",
  EADDRNOTAVAIL: "Unreachable",
  ETIMEDOUT: "TimedOut",
  ECONNRESET: "Closed",
  EPIPE: "Closed"
}

const toError = (endpoint: Transport.Endpoint, cause: NodeJS.ErrnoException): TransportError => {
  const reason = reasons[cause.code ?? ""] ?? "Failed"
  return new TransportError({
    reason,
    server: endpoint.host,
    port: endpoint.port,
    ...(reason === "Failed" ? { detail: cause.message } : {})
  })
}

const connect = (
  endpoint: Transport.Endpoint,
  handlers: Transport.Handlers,
  { lookup, receiveBuffer }: Options
): Effect.Effect<Net.Socket, TransportError> =>
  Effect.callback<Net.Socket, TransportError>((resume) => {
    let connected = false
    const socket = Net.connect({
      host: endpoint.host,
      port: endpoint.port,
      noDelay: true,
      ...(lookup === undefined ? {} : { lookup }),
      onread: {
        buffer: Buffer.allocUnsafeSlow(receiveBuffer ?? 1024 * 1024),
        callback: (count, buffer) => {
          handlers.onData(buffer.subarray(0, count))
          return true
        }
      }
    })
    socket.on("connect", () => {
      connected = true
      resume(Effect.succeed(socket))
    })
    socket.on("error", (cause: NodeJS.ErrnoException) => {
      const error = toError(endpoint, cause)
      if (connected) handlers.onClose(error)
      else resume(Effect.fail(error))
    })
    socket.on("close", () => {
      if (connected) {
        handlers.onClose(new TransportError({ reason: "Closed", server: endpoint.host, port: endpoint.port }))
      }
    })
    return Effect.sync(() => socket.destroy())
  })

const duplex = (socket: Net.Socket): Transport.Duplex => ({
  send: (chunks, onSent) => {
    if (socket.destroyed) return
    if (chunks.length === 1) {
      socket.write(chunks[0]!, onSent)
      return
    }
    let length = 0
    for (const chunk of chunks) length += chunk.length
    // Small pieces cost less joined than one by one.
    if (length <= 4096) {
      socket.write(Buffer.concat(chunks, length))
      onSent?.()
      return
    }
    socket.cork()
    for (let i = 0; i < chunks.length; i++) socket.write(chunks[i]!, i === chunks.length - 1 ? onSent : undefined)
    socket.uncork()
  },
  close: () => {
    socket.removeAllListeners("close")
    socket.removeAllListeners("error")
    // A late error of a socket that nobody uses any more is nobody's.
    socket.on("error", () => {})
    socket.destroy()
  }
})

/**
 * Connections over TCP. Direct TCP (MS-SMB2 2.1), port 445 where an address names none; NetBIOS is not served.
 *
 * @category layers
 */
export const layerWith = (options: Options = {}): Layer.Layer<Transport.Transport> =>
  Layer.succeed(Transport.Transport, {
    connect: (endpoint, handlers) =>
      Effect.acquireRelease(
        connect(endpoint, handlers, options).pipe(
          Effect.timeoutOrElse({
            duration: options.connectTimeout ?? "10 seconds",
            orElse: () =>
              Effect.fail(new TransportError({ reason: "TimedOut", server: endpoint.host, port: endpoint.port }))
          }),
          Effect.map(duplex)
        ),
        (open) => Effect.sync(() => open.close())
      )
  })

/**
 * `layerWith()`: connections over TCP with the usual settings.
 *
 * @category layers
 */
export const layer: Layer.Layer<Transport.Transport> = layerWith()
