/** How a socket that the server accepted becomes a connection, and how connections that are idle end. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Net from "node:net"
import * as Events from "../../Events.ts"
import { networkOf } from "../State/Connections.ts"
import type { ServerState } from "../State/ServerState.ts"
import { Connection } from "./Connection.ts"
import * as Receive from "./Receive.ts"

/** Serves an accepted socket, or closes it if there are too many connections. */
export const attach = (state: ServerState, accepted: Net.Socket, direct: boolean): void => {
  accepted.setNoDelay(true)
  // The server notices a client that has vanished, and closes its opens.
  accepted.setKeepAlive(true, Duration.toMillis(Duration.fromInputUnsafe(state.limits.keepAlive)))
  accepted.on("error", () => {})
  const { remoteAddress = "" } = accepted
  const full = state.connections.full(networkOf(remoteAddress))
  if (full !== undefined) {
    accepted.destroy()
    state.meter.refuse("connections")
    return state.run(state.logRates.connections.tell((more) => Events.full(full, remoteAddress, more)))
  }
  Receive.start(accepted, direct, (socket) => {
    const connection = new Connection(state, socket)
    const oldest = state.connections.enter(connection)
    if (oldest !== undefined) {
      state.meter.refuse("connections")
      state.run(state.logRates.connections.tell((more) => Events.gaveWay(oldest, more)))
      oldest.close()
    }
    state.meter.accepted()
    state.run(Events.connected(connection))
    if (socket !== accepted) socket.on("error", () => {})
    socket.on("close", () => connection.close())
    connection.onClose = state.after(
      state.limits.logonTime,
      Effect.sync(() => {
        if (![...connection.sessions.values()].some((session) => session.valid)) connection.close()
      })
    )
    return {
      room: () => connection.room,
      arrived: (count) => connection.onArrived(count),
      onData: (chunk) => connection.onData(chunk)
    }
  })
}

/**
 * Ends connections that have nothing open and have sent nothing for `idleTime`. It checks every quarter of that time.
 */
export const endIdle = (state: ServerState): Effect.Effect<never> => {
  const idleTime = Duration.toMillis(Duration.fromInputUnsafe(state.limits.idleTime))
  const look = Effect.sync(() => {
    const before = performance.now() - idleTime
    for (const connection of Array.from(state.connections)) {
      if (connection.lastReceived < before && connection.isIdle) connection.close()
    }
  })
  return idleTime === Number.POSITIVE_INFINITY ? Effect.never : Effect.forever(Effect.delay(look, idleTime / 4))
}
