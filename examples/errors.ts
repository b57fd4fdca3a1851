/** Every error has a tag, and its reason has one too. The compiler knows both. */
import { Effect, Schedule } from "effect"
import { isNotFound, isTransient, SmbClient } from "effect-smb"

const empty = new Uint8Array()

/** One reason of one error: all other failures stay as they are. */
export const readOrEmpty = Effect.fn("readOrEmpty")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  return yield* smb.readFile(path).pipe(
    Effect.catchReason("SmbError", "ObjectNameNotFound", () => Effect.succeed(empty))
  )
})

/** Another server, while the first is not there. */
export const readFromEither = Effect.fn("readFromEither")(function*(path: string, copy: string) {
  const smb = yield* SmbClient.SmbClient
  return yield* smb.readFileString(path).pipe(
    Effect.catchReasons("TransportError", {
      ConnectionRefused: () => smb.readFileString(copy),
      HostUnreachable: () => smb.readFileString(copy)
    })
  )
})

/** Nothing, when all targets of a DFS link are down. The message names each target with its error. */
export const readIfAlive = Effect.fn("readIfAlive")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  return yield* smb.readFile(path).pipe(
    Effect.catchReason("DfsError", "NoTargetLeft", ({ message }) => Effect.as(Effect.logError(message), empty))
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

/** The text of a file, or nothing if there is none; patient with a server that is busy or restarts. */
export const readIfThere = Effect.fn("readIfThere")(function*(path: string) {
  const smb = yield* SmbClient.SmbClient
  const text = smb.readFileString(path).pipe(
    Effect.catchIf(isNotFound, () => Effect.succeed("")),
    Effect.retry({ while: isTransient, schedule: Schedule.exponential("1 second"), times: 5 })
  )
  return yield* text
})
