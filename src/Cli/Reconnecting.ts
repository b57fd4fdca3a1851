/** What the user of the command sees of a lost connection: a line when it is lost, and one when it is back. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Notice } from "../Client/ReconnectNotice.ts"
import { printable, type Report } from "./Failure.ts"
import * as Output from "./Output.ts"

const inSeconds = (time: Duration.Duration): string => {
  const seconds = Duration.toSeconds(time)
  return seconds < 1 ? "less than a second" : `${Math.round(seconds)} s`
}

/** The line for a notice, and its object; `undefined` if the user need not know. */
export const report = (notice: Notice): Report | undefined => {
  const share = printable(`//${notice.server}/${notice.share}`)
  const object = { notice: notice._tag, server: notice.server, share: notice.share }
  switch (notice._tag) {
    case "Lost":
      return {
        code: 0,
        message: `the connection to ${share} is lost: trying again ...`,
        json: { ...object, message: notice.cause.message }
      }
    case "Back":
      return {
        code: 0,
        message: `${share} is back after ${inSeconds(notice.after)}`,
        json: { ...object, milliseconds: Duration.toMillis(notice.after) }
      }
    // The failure itself is told by the operation that ends with it.
    default:
      return undefined
  }
}

/** Prints a notice on standard error. */
export const tell = (json: boolean) => (notice: Notice): Effect.Effect<void> => {
  const told = report(notice)
  return told === undefined ? Effect.void : Output.tell(told, json)
}
