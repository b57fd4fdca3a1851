/** `watch`: prints the changes in a directory as they happen. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import type * as Watch from "../Client/Watch.ts"
import { printable, WatchEnded } from "./Failure.ts"
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
export const line = (change: Watch.Change, now: number, { json }: Pick<Options, "json">): string => {
  const time = new Date(now)
  if (json) {
    return Output.jsonLine(
      change._tag === "Overflow"
        ? { time: time.toISOString(), change: "lost", message: lost }
        : { time: time.toISOString(), change: change.action, name: change.name, path: change.path }
    )
  }
  const start = Output.clockTime(time)
  return change._tag === "Overflow"
    ? `${start}  lost             ${lost}\n`
    : `${start}  ${change.action.padEnd(15)}  ${printable(change.name.replaceAll("\\", "/"))}\n`
}

/** Prints changes until it is interrupted, which is its usual end. Fails if the directory is removed. */
export const watch = Effect.fnUntraced(function*(path: Remote, options: Options) {
  const smb = yield* SmbClient
  // In a shell, an interruption ends the subcommand, and has no exit code.
  const isShell = (yield* CurrentDirectory) !== undefined
  const started = Effect.andThen(
    Effect.sync(() => {
      if (!isShell) stopping.isDone = true
    }),
    options.onStart ?? Effect.void
  )
  yield* smb.watch(path, { recursive: options.recursive, onStart: started }).pipe(
    Stream.runForEachArray((changes) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => Output.write(changes.map((change) => line(change, now, options)).join(""))
      )
    )
  )
  return yield* new WatchEnded({ path: UncPath.format(path) })
})
