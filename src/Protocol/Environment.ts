/**
 * Options as the configuration has them: Effect's `Config`, so by default variables of the environment. An option
 * that it does not have is `undefined`; one with a wrong value is a `ConfigError`, which names the variable.
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/**
 * `undefined` if the configuration has no such value.
 *
 * @since 0.2.0
 */
export const optional = <A>(config: Config.Config<A>): Config.Config<A | undefined> =>
  Config.withDefault(config, undefined)

/**
 * A number without a fraction, from `minimum` to `maximum`.
 *
 * @since 0.2.0
 */
export const integer = (name: string, minimum: number, maximum: number): Config.Config<number | undefined> =>
  optional(Config.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })), name))

const timeThat = (name: string, holds: (millis: number) => boolean, expected: string) =>
  optional(Config.schema(
    Schema.DurationFromString.check(Schema.makeFilter((value) => holds(Duration.toMillis(value)) || expected)),
    name
  ))

/**
 * A time with its unit, such as `30 seconds` or `Infinity`.
 *
 * @since 0.2.0
 */
export const time = (name: string): Config.Config<Duration.Duration | undefined> =>
  timeThat(name, (millis) => millis >= 0, "a time that is not negative")

/**
 * A time with its unit, or a word that stands for none.
 *
 * @since 0.2.0
 */
export const timeOr = <const A extends string>(
  name: string,
  word: A
): Config.Config<Duration.Duration | A | undefined> =>
  Config.flatMap(
    optional(Config.String(name)),
    (text): Config.Config<Duration.Duration | A | undefined> => text === word ? Config.succeed(word) : time(name)
  )

/**
 * A time of more than 0, with its unit.
 *
 * @since 0.2.0
 */
export const positiveTime = (name: string): Config.Config<Duration.Duration | undefined> =>
  timeThat(name, (millis) => millis > 0, "a time of more than 0")

/**
 * Some of the words, separated by commas.
 *
 * @since 0.2.0
 */
export const words = <const A extends string>(
  name: string,
  known: ReadonlyArray<A>
): Config.Config<ReadonlyArray<A> | undefined> => {
  const parts = (text: string) => text.split(",").map((part) => part.trim())
  const isKnown = (text: string): text is A => (known as ReadonlyArray<string>).includes(text)
  return Config.map(
    optional(Config.schema(
      Schema.String.check(
        Schema.makeFilter((text) => parts(text).every(isKnown) || `some of ${known.join(", ")}, separated by commas`)
      ),
      name
    )),
    (text) => text === undefined ? undefined : parts(text).filter(isKnown)
  )
}
