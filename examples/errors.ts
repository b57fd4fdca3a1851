/** Every error has a tag, and the compiler knows which. */
import { Effect, Schedule } from "effect"
import { SmbClient } from "effect-smb"

const empty = new Uint8Array()

export const readOrEmpty = Effect.fn("readOrEmpty")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  return yield* smb.readFile(path).pipe(
    Effect.catchTags({
      SmbError: (error) => error.reason === "ObjectNameNotFound" ? Effect.succeed(empty) : Effect.fail(error),
      NoTargetLeft: (error) => Effect.logError(error.message).pipe(Effect.as(empty)) // each target with what it said
    })
  )
})

/** Retries while the server is not available, unless it is unknown whether an operation was done. */
export const readPatiently = Effect.fn("readPatiently")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  return yield* smb.readFileString(path).pipe(
    Effect.retry({
      while: (error) => error._tag === "TransportError" && error.sent !== true,
      schedule: Schedule.exponential("200 millis"),
      times: 5
    })
  )
})
