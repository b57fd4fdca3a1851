/** Where the notices about lost connections go: the counters of the client, its log, and the function of its user. */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ClientMetrics from "../ClientMetrics.ts"
import type { Notice } from "../ReconnectNotice.ts"

const count = (notice: Notice, context: Context.Context<never>): void => {
  switch (notice._tag) {
    case "Lost":
      return ClientMetrics.losses.of().updateUnsafe(1, context)
    case "Trying":
      return ClientMetrics.recoveryAttempts.of().updateUnsafe(1, context)
    case "Back":
      return ClientMetrics.recoveries.of("back").updateUnsafe(1, context)
    case "Reclaimed":
      return ClientMetrics.recoveries.of("reclaimed").updateUnsafe(1, context)
    case "Reopened":
      return ClientMetrics.recoveries.of("reopened").updateUnsafe(1, context)
    case "GivenUp":
      return ClientMetrics.recoveries.of("given_up").updateUnsafe(1, context)
  }
}

const logged = (notice: Notice): Effect.Effect<void> => {
  switch (notice._tag) {
    case "Lost":
      return Effect.logWarning(`the connection is lost, and the client connects again (${notice.cause.message})`)
    case "Trying":
      return Effect.logDebug(`attempt ${notice.attempt} to connect again`)
    case "Back":
      return Effect.logInfo(`connected again after ${Duration.toMillis(notice.after)} ms`)
    case "Reclaimed":
      return Effect.logDebug(`${notice.path}: the server has given the open back`)
    case "Reopened":
      return Effect.logDebug(`${notice.path}: the file was opened again, and is the same`)
    case "GivenUp":
      return Effect.logError(`${notice.path ?? "the share"} is given up (${notice.cause.message})`)
  }
}

/**
 * The function that a client calls for each notice.
 *
 * @category constructors
 */
export const make = (
  listener: ((notice: Notice) => Effect.Effect<void>) | undefined
): Effect.Effect<(notice: Notice) => Effect.Effect<void>> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.succeed((notice: Notice) =>
      Effect.suspend(() => {
        count(notice, context)
        const { port, server, share } = notice
        return logged(notice).pipe(
          Effect.annotateLogs({ reconnect: notice._tag, server, port, share }),
          Effect.andThen(listener === undefined ? Effect.void : listener(notice))
        )
      })
    )
  )
