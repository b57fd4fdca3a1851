/** `watch`: prints the changes in a directory as they happen. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { isTransient } from "../Client/ClientError.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import type * as Watch from "../Client/Watch.ts"
import { oneLine, printable, WatchEnded } from "./Failure.ts"
import { stopping } from "./Interruption.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"
import { CurrentDirectory } from "./Shell/CurrentDirectory.ts"

export interface Options {
  readonly json: boolean
  readonly recursive: boolean
  /** Called when the server watches. */
  readonly onStart?: Effect.Effect<void>
}

/** What the user is told when the server has dropped changes. */
const lost = "changes were lost, because they came faster than the server keeps them: list the directory again"

/** A change as a line. `now`: when it arrived, in milliseconds since 1970. */
export const line = (
  change: Watch.Change,
  now: number,
  { json }: Pick<Options, "json">,
  message: string = lost
): string => {
  const time = new Date(now)
  if (json) {
    return Output.jsonLine(
      change._tag === "Overflow"
        ? { time: time.toISOString(), change: "lost", message }
        : { time: time.toISOString(), change: change.action, name: change.name, path: change.path }
    )
  }
  const start = Output.clockTime(time)
  return change._tag === "Overflow"
    ? `${start}  lost             ${message}\n`
    : `${start}  ${change.action.padEnd(15)}  ${printable(change.name.replaceAll("\\", "/"))}\n`
}

/** What the user is told when the connection was lost, and the server watches again. */
const missed = "watching again after the connection was lost: changes may have been missed, list the directory again"

/** The pauses between attempts to connect again, in milliseconds: as for transfers, and without an end. */
const firstPause = 1000
const longestPause = 30_000

/**
 * Prints changes until it is interrupted, which is its usual end. If the connection is lost, it connects again, and says
 * that changes may have been missed. Fails if the directory is removed.
 */
export const watch = Effect.fnUntraced(function*(path: Remote, options: Options) {
  const smb = yield* SmbClient
  const { json } = options
  const text = UncPath.format(path)
  const warn = (message: string) =>
    Output.tell(
      { code: 0, message: printable(message), json: { warning: "ConnectionLost", path: text, message } },
      json
    )
  let hasStarted = false
  let pause = firstPause
  let isLost = false
  // In a shell, an interruption ends the subcommand, and has no exit code.
  const isShell = (yield* CurrentDirectory) !== undefined
  const started = Effect.gen(function*() {
    if (!isShell) stopping.isDone = true
    hasStarted = true
    if (isLost) {
      isLost = false
      pause = firstPause
      yield* warn(`${text}: ${missed}`)
      const now = yield* Clock.currentTimeMillis
      yield* Effect.ignore(Output.write(line({ _tag: "Overflow" }, now, options, missed)))
    }
    yield* options.onStart ?? Effect.void
  })
  const run = smb.watch(path, { recursive: options.recursive, onStart: started }).pipe(
    Stream.runForEachArray((changes) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => Output.write(changes.map((change) => line(change, now, options)).join(""))
      )
    )
  )
  for (;;) {
    const result = yield* Effect.result(run)
    if (Result.isSuccess(result)) return yield* new WatchEnded({ path: text })
    const error = result.failure
    if (!hasStarted || !isTransient(error)) return yield* Effect.fail(error)
    if (!isLost) yield* warn(`${text}: ${oneLine(error.message)}: trying to watch again`)
    isLost = true
    yield* Effect.sleep(pause)
    pause = Math.min(pause * 2, longestPause)
  }
})
