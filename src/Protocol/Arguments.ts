/**
 * What the values of a caller have to be, and the one check of them: an `ArgumentError` says which value is wrong, and
 * what it has to be.
 *
 * Without the check a wrong number would throw in the middle of an operation, or go on the wire as another number: a
 * field of 32 bits takes the lower bits of any number, and 0 for NaN.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as FileTime from "../Codec/FileTime.ts"
import { ArgumentError } from "./Errors.ts"

/**
 * What a value has to be. `expected` is the end of the sentence "give ...".
 *
 * @category models
 * @since 0.2.0
 */
export interface Rule {
  readonly holds: (value: any) => boolean
  readonly expected: string
  /** The caller has to give a value: `undefined` is a wrong one. Default: it is an option that the caller can leave out. */
  readonly isRequired?: boolean | undefined
  /** The value is the content of a file, or something like it: an error tells its type alone. Default: the value. */
  readonly isContent?: boolean | undefined
}

/**
 * Values by their names, each with its rule. A value that is `undefined` is an option that the caller did not give.
 *
 * @category models
 * @since 0.2.0
 */
export type Given = Readonly<Record<string, readonly [rule: Rule, value: unknown]>>

/**
 * The same rule for an argument that the caller has to give.
 *
 * @category rules
 * @since 0.2.0
 */
export const required = (rule: Rule): Rule => ({ ...rule, isRequired: true })

/** The type of a value in one word, such as `Uint16Array`. */
const typeOf = (value: unknown): string =>
  typeof value === "object" && value !== null ? Object.prototype.toString.call(value).slice(8, -1) : String(
    value === null ? value : typeof value
  )

/**
 * Whether a value is a Uint8Array, also of another realm. Other typed arrays count elements where requests count bytes.
 *
 * @category guards
 * @since 0.2.0
 */
export const isBytes = (value: unknown): value is Uint8Array =>
  ArrayBuffer.isView(value) && typeOf(value) === "Uint8Array"

/**
 * Bytes. Any other value would go on the wire with a wrong length, or throw after its request has a MessageId.
 *
 * @category rules
 * @since 0.2.0
 */
export const bytes: Rule = { holds: isBytes, expected: "a Uint8Array", isContent: true }

/**
 * Bytes, or a text that is written as UTF-8.
 *
 * @category rules
 * @since 0.2.0
 */
export const bytesOrText: Rule = {
  holds: (value) => typeof value === "string" || isBytes(value),
  expected: "a Uint8Array or a text",
  isContent: true
}

const isWhole = (value: unknown, minimum: bigint, maximum: bigint): boolean =>
  typeof value === "bigint"
    ? value >= minimum && value <= maximum
    : Number.isSafeInteger(value) && BigInt(value as number) >= minimum && BigInt(value as number) <= maximum

/**
 * A whole number from `minimum` to `maximum`. A `number` above 2^53 - 1 is refused, since it may already be another
 * number than the caller has written.
 *
 * @category rules
 * @since 0.2.0
 */
export const whole = (minimum: bigint, maximum: bigint, what = "a whole number"): Rule => ({
  holds: (value) => isWhole(value, minimum, maximum),
  expected: `${what} from ${minimum} to ${maximum}${
    maximum > Number.MAX_SAFE_INTEGER ? ", above 9007199254740991 as a bigint" : ""
  }`
})

/**
 * The largest size of a file, and the largest offset in it: sizes are signed numbers of 64 bits (MS-FSCC 2.4.14).
 *
 * @since 0.2.0
 */
export const largestSize = (1n << 63n) - 1n

/**
 * A size of a file, or an offset in it, in bytes.
 *
 * @category rules
 * @since 0.2.0
 */
export const size: Rule = whole(0n, largestSize, "a whole number of bytes")

/**
 * The same for a `number`, which no bigint can replace.
 *
 * @category rules
 * @since 0.2.0
 */
export const integer = (minimum: number, maximum: number, what = "a whole number"): Rule => ({
  holds: (value) => Number.isSafeInteger(value) && value >= minimum && value <= maximum,
  expected: `${what} from ${minimum} to ${maximum}`
})

/**
 * Bytes of memory.
 *
 * @category rules
 * @since 0.2.0
 */
export const memory: Rule = integer(0, Number.MAX_SAFE_INTEGER, "a whole number of bytes")

/**
 * Flags of 32 bits, also as the negative number that JavaScript's operators make of them.
 *
 * @category rules
 * @since 0.2.0
 */
export const flags: Rule = {
  holds: integer(-0x8000_0000, 0xffff_ffff).holds,
  expected: "flags in a whole number of 32 bits"
}

/**
 * A time to set (MS-FSCC 2.4.7).
 *
 * @category rules
 * @since 0.2.0
 */
export const time: Rule = {
  holds: (value: unknown) => {
    // A number could be ticks, milliseconds or seconds: it is no time.
    if (typeof value !== "bigint" && !(value instanceof Date) && !DateTime.isDateTime(value)) return false
    const ticks = FileTime.fromInput(value)
    return Result.isSuccess(ticks) && ticks.success >= FileTime.thaw
  },
  expected:
    `a valid Date or DateTime, or a bigint of 100 ns ticks since 1601 from 0 to ${FileTime.latest}, or -1n or -2n (FileTime)`
}

/**
 * A count of at least `minimum`; `Infinity` is a count too.
 *
 * @category rules
 * @since 0.2.0
 */
export const count = (minimum: number): Rule => ({
  holds: (value) => value === Infinity || (Number.isSafeInteger(value) && value >= minimum),
  expected: `a whole number of at least ${minimum}, or Infinity`
})

/**
 * A number of at least `minimum`, with or without a fraction.
 *
 * @category rules
 * @since 0.2.0
 */
export const atLeast = (minimum: number, maximum = Infinity): Rule => ({
  holds: (value) => typeof value === "number" && value >= minimum && value <= maximum,
  expected: maximum === Infinity ? `a number of at least ${minimum}` : `a number from ${minimum} to ${maximum}`
})

/** The numbers that a time is made of. */
const numbersOf = (value: unknown): ReadonlyArray<unknown> =>
  typeof value === "number"
    ? [value]
    : Array.isArray(value)
    ? value
    : typeof value === "object" && value !== null && !Duration.isDuration(value)
    ? Object.values(value)
    : []

const durationThat = (holds: (millis: number) => boolean, expected: string): Rule => ({
  holds: (value) =>
    // Effect takes NaN for 0.
    !numbersOf(value).some((one) => Number.isNaN(one)) &&
    Option.exists(Duration.fromInput(value), (duration) => holds(Duration.toMillis(duration))),
  expected
})

/**
 * A time that something takes, in all forms of Effect.
 *
 * @category rules
 * @since 0.2.0
 */
export const duration: Rule = durationThat(
  (millis) => millis >= 0,
  "a time that is not negative, such as \"30 seconds\""
)

/**
 * The same, and not 0.
 *
 * @category rules
 * @since 0.2.0
 */
export const positiveDuration: Rule = durationThat(
  (millis) => millis > 0,
  "a time of more than 0, such as \"30 seconds\""
)

/**
 * The same, and not `Infinity`.
 *
 * @category rules
 * @since 0.2.0
 */
export const finiteDuration: Rule = durationThat(
  (millis) => millis >= 0 && millis <= Number.MAX_SAFE_INTEGER,
  "a time that is not negative and has an end, such as \"2 seconds\""
)

/** The longest name in a request, in UTF-16 code units: its length field counts bytes in 16 bits (MS-SMB2 2.2.13). */
const longestName = 32_760

/**
 * A name or a pattern as a request carries it.
 *
 * @category rules
 * @since 0.2.0
 */
export const text: Rule = {
  holds: (value) => typeof value === "string" && value.length <= longestName && !value.includes("\0"),
  expected: `a text of at most ${longestName} UTF-16 code units without a NUL`
}

/**
 * A TCP port.
 *
 * @category rules
 * @since 0.2.0
 */
export const port: Rule = integer(1, 65_535)

/**
 * What is given is not the value of another option.
 *
 * @category rules
 * @since 0.2.0
 */
export const without = (other: string): Rule => ({ holds: (value) => value !== true, expected: `it without ${other}` })

/** The most characters of a value in a message. */
const longestShown = 80

/** A value in words: what a person recognizes, and no more of it than that. */
const shown = (value: unknown): string => {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "an invalid Date" : value.toISOString()
  if (isBytes(value)) return `${value.length} bytes`
  if (ArrayBuffer.isView(value)) return typeOf(value)
  const whole = typeof value === "string"
    ? JSON.stringify(value)
    : typeof value === "object" && value !== null
    ? JSON.stringify(value, (_, one) => typeof one === "bigint" || typeof one === "number" ? String(one) : one)
    : String(value)
  return whole.length <= longestShown ? whole : `${whole.slice(0, longestShown)}...`
}

/**
 * The error of a value that does not hold its rule.
 *
 * @category errors
 * @since 0.2.0
 */
export const wrong = (argument: string, value: unknown, expected: string, path?: string): ArgumentError =>
  new ArgumentError({ argument, value: shown(value), expected, ...(path === undefined ? {} : { path }) })

/**
 * The error of the first value that does not hold its rule.
 *
 * @since 0.2.0
 */
export const objection = (given: Given, path?: string): ArgumentError | undefined => {
  for (const name in given) {
    const [rule, value] = given[name]!
    if ((value === undefined && rule.isRequired !== true) || rule.holds(value)) continue
    return rule.isContent === true
      ? new ArgumentError({
        argument: name,
        value: typeOf(value),
        expected: rule.expected,
        ...(path === undefined ? {} : { path })
      })
      : wrong(name, value, rule.expected, path)
  }
  return undefined
}

/**
 * Fails with the error of the first value that does not hold its rule.
 *
 * @since 0.2.0
 */
export const check = (given: Given, path?: string): Effect.Effect<void, ArgumentError> =>
  Effect.suspend(() => {
    const error = objection(given, path)
    return error === undefined ? Effect.void : Effect.fail(error)
  })

/**
 * What a function makes of a value that it cannot encode, as with a list that is longer than its field can say:
 * an `ArgumentError` instead of the `RangeError` that it throws.
 *
 * @since 0.2.0
 */
export const encoded = <A>(
  argument: string,
  value: unknown,
  path: string | undefined,
  encode: () => A
): Effect.Effect<A, ArgumentError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(encode())
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      return Effect.fail(wrong(argument, value, `a value that fits its request (${error.message})`, path))
    }
  })

/**
 * Throws the error of the first option that does not hold its rule: for what a program builds when it starts. Run it in
 * an effect, where it is a defect.
 *
 * @since 0.2.0
 */
export const assertOptions = (given: Given): void => {
  const error = objection(given)
  if (error !== undefined) throw error
}
