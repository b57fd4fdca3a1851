/** Flags for sizes, times and depths. */
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Quantity from "../Quantity.ts"

/** A flag that is parsed by one of `Quantity`. */
const parsed = (
  name: string,
  metavar: string,
  description: string,
  parse: (text: string) => Effect.Effect<Result.Result<bigint, string>>
) =>
  Flag.String(name).pipe(
    Flag.withMetavar(metavar),
    Flag.withDescription(description),
    Flag.mapEffect((text) =>
      Effect.flatMap(parse(text), (result) =>
        Result.isSuccess(result)
          ? Effect.succeed(result.success)
          : Effect.fail(
            new CliError.UserError({ cause: result.failure, userMessage: `--${name}: ${result.failure}` })
          ))
    ),
    Flag.optional
  )

/** A size in bytes. */
export const size = (name: string, description: string) =>
  parsed(name, "SIZE", description, (text) => Effect.sync(() => Quantity.parseSize(text)))

/** A point in time. */
export const time = (name: string, description: string) =>
  parsed(
    name,
    "TIME",
    description,
    (text) => Effect.map(Clock.currentTimeMillis, (now) => Quantity.parseTime(text, now))
  )

/** A number of levels. */
export const depth = (name: string, description: string, alias?: string) => {
  const flag = Flag.Int(name).pipe(
    Flag.filter((levels) => levels >= 0, (levels) => `a number of levels, not ${levels}`),
    Flag.withMetavar("N"),
    Flag.withDescription(description),
    Flag.optional
  )
  return alias === undefined ? flag : Flag.withAlias(flag, alias)
}
