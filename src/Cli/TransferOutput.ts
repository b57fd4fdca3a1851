/** What the user sees of a transfer: its progress, a line for each failure and warning, an object for each file. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { TransferEvent, Warning } from "../Transfer/TransferEvent.ts"
import { oneLine, type Report, report } from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"

interface Format {
  readonly json: boolean
  readonly quiet: boolean
}

/** Which side of a copy is local: its JSON has the paths as `path` on the server and `local`. */
export type Direction = "get" | "put" | "copy"

/** A warning as a line and as an object. */
export const warned = ({ kind, message, move, path }: Warning): Report => ({
  code: 0,
  message: oneLine(message),
  json: {
    warning: kind,
    path,
    ...(move === undefined ? {} : { from: move.from, to: move.to, offset: Number(move.offset) }),
    message: oneLine(message)
  }
})

const paths = (from: string, to: string, direction: Direction): Readonly<Record<string, unknown>> =>
  direction === "get" ? { path: from, local: to } : direction === "put" ? { path: to, local: from } : { from, to }

/** Runs a transfer and shows it. */
export const show = (options: Format, direction: Direction) => <E, R>(events: Stream.Stream<TransferEvent, E, R>) =>
  Effect.gen(function*() {
    const progress = yield* Progress.auto(options.quiet)
    const line = (value: Readonly<Record<string, unknown>>) =>
      options.json ? Effect.andThen(progress.wipe, Output.write(Output.jsonLine(value))) : Effect.void
    const tell = (what: Report) => Effect.andThen(progress.wipe, Output.tell(what, options.json))
    const take = (event: TransferEvent) => {
      switch (event._tag) {
        case "Started":
        case "Moved":
          return Effect.void
        case "Copied":
          return line({ ...paths(event.from, event.to, direction), size: Number(event.size) })
        case "Skipped":
          return line({
            ...paths(event.from, event.to, direction),
            size: Number(event.size),
            skipped: true,
            because: event.because
          })
        case "Removed":
          return line({ removed: event.path })
        case "Planned":
          return options.json
            ? line({ planned: event.action, path: event.path, to: event.to, size: event.size && Number(event.size) })
            : Effect.andThen(
              progress.wipe,
              Output.write(
                `${event.action === "Copy" ? "copy" : "remove"} ${oneLine(event.path)}${
                  event.to === undefined ? "" : ` to ${oneLine(event.to)}`
                }\n`
              )
            )
        case "Warned":
          return tell(warned(event.warning))
        case "Failed":
          return tell(report(event.error))
      }
    }
    const run = Stream.runForEach(events, (event) => Effect.andThen(progress.take(event), take(event)))
    yield* Effect.ensuring(progress === Progress.none ? run : Effect.raceFirst(run, progress.tick), progress.wipe)
  })
