/**
 * Requests on a connection as effects: the plain code of `Connection`, lifted into Effect.
 */
import * as Effect from "effect/Effect"
import * as Changes from "../Protocol/Changes.ts"
import * as Multiplexer from "../Protocol/Multiplexer.ts"
import type { Complete, ConnectionError, Outgoing, Reply } from "./RequestInFlight.ts"

/** Sends requests: a `Connection`. */
interface Requests {
  readonly submit: (
    outgoings: ReadonlyArray<Outgoing>,
    completes: ReadonlyArray<Complete | undefined>
  ) => () => void
}

/**
 * One request and its reply, with any status. Interruption cancels it on the server.
 *
 * @since 0.2.0
 */
export const request = (connection: Requests, outgoing: Outgoing): Effect.Effect<Reply, ConnectionError> =>
  Multiplexer.request(outgoing, (complete) => connection.submit([outgoing], [complete]))

/**
 * Related requests in one packet, and a reply to each. Interruption cancels them on the server. If one of them may
 * change something, a failure of any of them says so. Changes are noted as by `request`.
 *
 * @since 0.2.0
 */
export const compound = (
  connection: Requests,
  outgoings: ReadonlyArray<Outgoing>
): Effect.Effect<ReadonlyArray<Reply>, ConnectionError> =>
  Effect.withFiber((fiber) => {
    const mutates = outgoings.some((outgoing) => outgoing.mutates === true)
    return submitCompound(
      connection,
      mutates ? outgoings.map((outgoing) => ({ ...outgoing, mutates })) : outgoings,
      (reply, i) => {
        if (reply.header.status === 0 && outgoings[i]!.mutates === true) fiber.getRef(Changes.CurrentChanges)?.note()
      }
    )
  })

const submitCompound = (
  connection: Requests,
  outgoings: ReadonlyArray<Outgoing>,
  onReply: (reply: Reply, index: number) => void
): Effect.Effect<ReadonlyArray<Reply>, ConnectionError> =>
  Effect.callback<ReadonlyArray<Reply>, ConnectionError>((resume) => {
    const replies: Array<Reply> = []
    let left = outgoings.length
    let failed = false
    const abandon = connection.submit(
      outgoings,
      outgoings.map((_, i) => (error: ConnectionError | undefined, reply: Reply | undefined) => {
        if (reply !== undefined) onReply(reply, i)
        if (failed) return
        if (error !== undefined) {
          failed = true
          return resume(Effect.fail(error))
        }
        replies[i] = reply!
        if (--left === 0) resume(Effect.succeed(replies))
      })
    )
    return Effect.sync(abandon)
  })
