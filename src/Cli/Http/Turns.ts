/**
 * One request of a connection at a time.
 *
 * A browser can send requests without waiting for the responses (pipelining, RFC 9112, 9.3.2). Node parses all of them
 * at once and starts each one, so one connection could open any number of files. Here a request begins when Node gives
 * its response the connection, which is when the response before it has ended.
 */
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Socket } from "node:net"

/** The most requests of a connection that wait. No browser pipelines, and a player that does sends few. */
const mostWaiting = 8

/** How many requests of a connection wait. */
const waiting = new WeakMap<Socket, number>()

/** Waits until all earlier requests of the connection have their responses. A connection with too many is destroyed. */
export const wait: Effect.Effect<void, never, HttpServerRequest.HttpServerRequest> = Effect.flatMap(
  HttpServerRequest.HttpServerRequest,
  (request) => {
    const { socket } = NodeHttpServerRequest.toIncomingMessage(request) as IncomingMessage
    const response = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
    // A response that still waits does not learn that its connection has ended: without this, its fiber waits for ever.
    const gone = Effect.andThen(Effect.sync(() => response.destroy()), Effect.interrupt)
    if (socket.destroyed) return gone
    // Node sets it when the response is the first one of the connection.
    if (response.socket !== null) return Effect.void
    const count = (waiting.get(socket) ?? 0) + 1
    if (count > mostWaiting) {
      socket.destroy()
      return gone
    }
    waiting.set(socket, count)
    return Effect.callback<void>((resume) => {
      const closed = () => resume(gone)
      const begun = () => resume(Effect.void)
      socket.once("close", closed)
      response.once("socket", begun)
      return Effect.sync(() => {
        socket.off("close", closed)
        response.off("socket", begun)
      })
    }).pipe(Effect.ensuring(Effect.sync(() => waiting.set(socket, waiting.get(socket)! - 1))))
  }
)
