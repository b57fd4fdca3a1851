/** What the user sees of a transfer: its progress, a line for each failure and warning, an object for each file. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { basename } from "node:path"
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

/** The last name of a path of either kind. */
const nameOf = (path: string): string =>
  path.startsWith("\\\\") ? path.slice(path.lastIndexOf("\\") + 1) : basename(path)

/** Runs a transfer and shows it. */
export const show = (options: Format, direction: Direction) => <E, R>(events: Stream.Stream<TransferEvent, E, R>) =>
  Effect.gen(function*() {
    const progress = yield* Progress.auto(options.quiet)
    const line = (value: Readonly<Record<string, unknown>>) =>
      options.json ? Output.write(Output.jsonLine(value)) : Effect.void
    const tell = (what: Report) => Effect.andThen(progress.wipe, Output.tell(what, options.json))
    const take = (event: TransferEvent) => {
      switch (event._tag) {
        case "Started":
          return progress.begin(nameOf(event.from), event.size, event.offset)
        case "Moved":
          return progress.advance(nameOf(event.from), event.count)
        case "Copied":
          return Effect.andThen(
            progress.end,
            line({ ...paths(event.from, event.to, direction), size: Number(event.size) })
          )
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
            : Output.write(
              `${event.action === "Copy" ? "copy" : "remove"} ${oneLine(event.path)}${
                event.to === undefined ? "" : ` to ${oneLine(event.to)}`
              }\n`
            )
        case "Warned":
          return tell(warned(event.warning))
        case "Failed":
          return tell(report(event.error))
      }
    }
    yield* Effect.ensuring(Stream.runForEach(events, take), progress.wipe)
  })
