/**
 * FILETIME (MS-DTYP 2.3.3): 100 ns ticks since 1601-01-01T00:00:00Z, as a signed 64-bit integer.
 *
 * Ticks are always `bigint`: today's values need 57 bits, and a double would round them to 1.6 µs. Milliseconds are
 * plain numbers, for `Date` and Effect's `DateTime`, and lose all finer digits.
 */
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as Codec from "./Codec.ts"
import { Malformed } from "./Malformed.ts"

/**
 * 100 ns ticks since 1601, or one of `unset`, `freeze` and `thaw`.
 *
 * @category models
 * @since 0.1.0
 */
export type FileTime = bigint

/**
 * In a response: the file system does not keep this time. In a change (MS-FSCC 2.4.7): leave it unchanged.
 *
 * @since 0.1.0
 */
export const unset: FileTime = 0n

/**
 * In a change: operations through this handle no longer update this time.
 *
 * @since 0.1.0
 */
export const freeze: FileTime = -1n

/**
 * In a change: operations through this handle update this time again, after `freeze`.
 *
 * @since 0.1.0
 */
export const thaw: FileTime = -2n

/**
 * 100 ns ticks in a millisecond.
 *
 * @since 0.1.0
 */
export const ticksPerMillisecond = 10_000n

/**
 * 1970-01-01T00:00:00Z.
 *
 * @since 0.1.0
 */
export const epoch: FileTime = 116_444_736_000_000_000n

/**
 * Whether this is a point in time, and neither `unset` nor a command such as `freeze`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTime = (time: FileTime): boolean => time > 0n

/**
 * The latest time that a FILETIME holds, in the year 30828.
 *
 * @since 0.1.0
 */
export const latest: FileTime = (1n << 63n) - 1n

/**
 * The nearest time that a FILETIME holds: a file can be older than 1601 or younger than the year 30828, and its time
 * would get another sign or another value on the wire.
 *
 * @category conversions
 * @since 0.1.0
 */
export const clamp = (time: bigint): FileTime => (time < 0n ? 0n : time > latest ? latest : time)

/** Rounds down also before 1970, where bigint division would round up. */
const floorDiv = (a: bigint, b: bigint): bigint => (a >= 0n ? a / b : -((-a + b - 1n) / b))

const ticksOf = (millis: number): bigint => {
  const whole = Math.floor(millis)
  return epoch + BigInt(whole) * ticksPerMillisecond + BigInt(Math.floor((millis - whole) * 10_000))
}

/**
 * Milliseconds since 1970, rounded down. A special value gives its number as a time: see `isTime`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toMillis = (time: FileTime): number => Number(floorDiv(time - epoch, ticksPerMillisecond))

/**
 * From milliseconds since 1970; fractions are rounded down to the tick. A time out of range becomes the nearest time
 * that a FILETIME holds. Throws `RangeError` for NaN and infinities.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromMillis = (millis: number): FileTime => clamp(ticksOf(millis))

/**
 * Nanoseconds since 1970, exactly, as in Node's `BigIntStats`.
 *
 * @since 0.1.0
 */
export const toNanos = (time: FileTime): bigint => (time - epoch) * 100n

/**
 * From nanoseconds since 1970, rounded down to the tick; a time out of range becomes the nearest that a FILETIME holds.
 *
 * @since 0.1.0
 */
export const fromNanos = (nanos: bigint): FileTime => clamp(epoch + floorDiv(nanos, 100n))

/**
 * As a `Date`, rounded down to the millisecond; `undefined` if it is no time.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toDate = (time: FileTime): Date | undefined => (isTime(time) ? new Date(toMillis(time)) : undefined)

/**
 * From a `Date`. Throws `RangeError` for an invalid one.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromDate = (date: Date): FileTime => fromMillis(date.getTime())

/**
 * As Effect's `DateTime` in UTC, rounded down to the millisecond; `undefined` if it is no time.
 *
 * @category conversions
 * @since 0.2.0
 */
export const toDateTime = (time: FileTime): DateTime.Utc | undefined =>
  isTime(time) ? DateTime.makeUnsafe(toMillis(time)) : undefined

const noTime = (expected: string): Malformed => new Malformed({ structure: "FILETIME", offset: 0, expected })

/**
 * A time to set: ticks, or one of `freeze` and `thaw`; or a `DateTime` or a `Date`, which have milliseconds.
 *
 * @category models
 * @since 0.2.0
 */
export type Input = FileTime | DateTime.DateTime | Date

/** The number of milliseconds in a time that is no number of ticks. */
const millisOf = (input: DateTime.DateTime | Date): number =>
  DateTime.isDateTime(input) ? input.epochMilliseconds : input.getTime()

/**
 * The ticks of a time to set. A `DateTime` or `Date` out of range becomes the nearest time that a FILETIME holds; the
 * earliest is 1, since 0 would mean "unchanged". Fails for an invalid `Date`, and for ticks that are no signed number of
 * 64 bits.
 *
 * @category conversions
 * @since 0.2.0
 */
export const fromInput = (input: Input): Result.Result<FileTime, Malformed> => {
  if (typeof input === "bigint") {
    return input === BigInt.asIntN(64, input) ? Result.succeed(input) : Result.fail(noTime("ticks in 64 bits"))
  }
  const millis = millisOf(input)
  if (!Number.isFinite(millis)) return Result.fail(noTime("a valid date"))
  const ticks = fromMillis(millis)
  return Result.succeed(ticks === unset ? 1n : ticks)
}

/**
 * ISO 8601 in UTC with all seven decimals, `2024-02-29T12:34:56.7654321Z`; `undefined` if it is no time.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toISO = (time: FileTime): string | undefined => {
  if (!isTime(time)) return undefined
  const ticks = time % 10_000_000n
  return `${new Date(toMillis(time - ticks)).toISOString().slice(0, -5)}.${ticks.toString().padStart(7, "0")}Z`
}

const iso = /^((?:\d{4}|\+\d{6})-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?$/

/**
 * From ISO 8601: a date, or a date and a time with up to nine decimals (seven are used). Without a zone it is UTC.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromISO = (text: string): Result.Result<FileTime, Malformed> => {
  const match = iso.exec(text)
  if (match !== null) {
    const [, day, clock = "00:00", second = "00", fraction = "", zone = "Z"] = match
    const millis = Date.parse(`${day}T${clock}:${second}${zone}`)
    // Date.parse reads the 30th of February as the 1st of March.
    const dayExists = new Date(Date.parse(`${day}T00:00:00Z`))
    if (!Number.isNaN(millis) && dayExists.toISOString().startsWith(day!)) {
      const time = ticksOf(millis) + BigInt(fraction.padEnd(7, "0").slice(0, 7))
      if (isTime(time) && time <= latest) return Result.succeed(time)
    }
  }
  return Result.fail(noTime("a time after 1601 such as 2024-02-29T12:34:56.7654321Z"))
}

/**
 * @category codecs
 * @since 0.1.0
 */
export const FileTime: Codec.Codec<FileTime> = Codec.i64
