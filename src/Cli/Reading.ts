/**
 * Reads a file on a server from start to end. In a namespace the read goes on at the next target if a target fails, and
 * a line on standard error says so.
 */
import * as Effect from "effect/Effect"
import type { Move } from "../Client/Operations.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import type * as UncPath from "../Client/UncPath.ts"
import { oneLine, printable, type Report } from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Progress from "./Progress.ts"

interface Format {
  readonly json: boolean
}

const wentOn = ({ cause, from, offset, path, to }: Move): Report => {
  const message = `${printable(from)} went away at byte ${offset} (${oneLine(cause.message)}): ` +
    `reading on at ${printable(to)}`
  return { code: 0, message, json: { warning: "TargetChanged", path, from, to, offset: Number(offset), message } }
}

/** Opens a file until the scope closes. */
export const open = Effect.fnUntraced(function*(source: UncPath.PathInput, options: Format, progress = Progress.none) {
  const smb = yield* SmbClient
  return yield* smb.openToRead(source, {
    atOnce: true,
    onMove: (move) => Effect.andThen(progress.wipe, Output.tell(wentOn(move), options.json))
  })
})

/** Copies a file to standard output. */
export const toOutput = (source: UncPath.PathInput, options: Format) =>
  Effect.scoped(Effect.gen(function*() {
    const remote = yield* open(source, options)
    yield* remote.readTo(Output.write)
  }))
