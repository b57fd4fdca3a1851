/**
 * The log of `serve`: with `--json` one object per line in the output, otherwise a line for people on standard error.
 * The annotations of a line tell what it is about, `event` first.
 */
import * as Cause from "effect/Cause"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { oneLine, printable } from "./Failure.ts"
import { jsonLine } from "./Output.ts"

const textOf = (message: unknown): string => (Array.isArray(message) ? message : [message]).map(String).join(" ")

type Entry = Pick<Logger.Options<unknown>, "cause" | "date" | "fiber" | "logLevel" | "message">

/** One line for a program. */
export const json = ({ cause, date, fiber, logLevel, message }: Entry): string => {
  const { event = "log", ...about } = fiber.getRef(References.CurrentLogAnnotations)
  return jsonLine({
    event,
    ...about,
    ...(event === "log" ? { message: textOf(message) } : {}),
    ...(cause.reasons.length > 0 ? { cause: Cause.pretty(cause) } : {}),
    level: logLevel.toLowerCase(),
    time: date.toISOString()
  })
}

const two = (value: number): string => String(value).padStart(2, "0")

/** One line for a person: the local time of day, what happened, and the user or client. */
export const text = ({ cause, date, fiber, message }: Entry): string => {
  const { event: _, ...about } = fiber.getRef(References.CurrentLogAnnotations)
  const details = Object.entries(about).map(([key, value]) => `${key} ${printable(String(value))}`).join(", ")
  const why = cause.reasons.length > 0 ? `: ${oneLine(Cause.pretty(cause))}` : ""
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
  return `${time} ${oneLine(textOf(message))}${details === "" ? "" : ` (${details})`}${why}\n`
}

/** The command itself says where the server listens, with the shares and the user. */
const isTold = ({ fiber }: Entry): boolean => fiber.getRef(References.CurrentLogAnnotations)["event"] === "listening"

/** Where the lines go. */
export const layer = (asJson: boolean): Layer.Layer<never> =>
  Logger.layer([
    Logger.make((entry) => {
      if (isTold(entry)) return
      if (asJson) process.stdout.write(json(entry))
      else process.stderr.write(text(entry))
    })
  ])
