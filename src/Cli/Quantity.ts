/** Sizes and times as a user types them, and sizes as a person reads them. Pure. */
import * as Result from "effect/Result"
import * as FileTime from "../Codec/FileTime.ts"

const units = "KMGTP"

/** `512`, `10K`, `1.5M`, `2GiB`, in units of 1024, as bytes. Fails with the message for the user. */
export const parseSize = (text: string): Result.Result<bigint, string> => {
  const [, number, unit] = /^(\d{1,15}(?:\.\d{1,6})?)(?:([KMGTP])(?:iB|B)?|B)?$/i.exec(text.trim()) ?? []
  if (number === undefined) {
    return Result.fail(`a size in bytes, or with K, M, G or T such as 10K or 1.5G, not ${JSON.stringify(text)}`)
  }
  const factor = unit === undefined ? 1 : 1024 ** (units.indexOf(unit.toUpperCase()) + 1)
  return Result.succeed(
    number.includes(".") ? BigInt(Math.round(Number(number) * factor)) : BigInt(number) * BigInt(factor)
  )
}

/** `812`, `4.0K`, `23M`, as `ls -h` shows sizes. Rounds up, as that does. */
export const human = (bytes: bigint): string => {
  if (bytes < 1024n) return String(bytes)
  let unit = 0
  let value = Number(bytes) / 1024
  while (Math.ceil(value) >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  const tenths = Math.ceil(value * 10) / 10
  return `${tenths < 10 ? tenths.toFixed(1) : Math.ceil(value)}${units[unit]}`
}

const spans: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000
}

const wrongTime = (text: string): string =>
  "a time such as 2026-11-30, 2026-11-30T14:05 (of this machine), 2026-11-30T14:05:00Z, or a span before now such as " +
  `90m, 12h, 7d, 2w, not ${JSON.stringify(text)}`

const dateTime = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,7})?)?(Z|[+-]\d\d:?\d\d)?)?$/

/**
 * A point in time: `now`, a date, a date with a time (in this machine's time zone unless it names another), or a span
 * before `now` (milliseconds since 1970). In 100 ns ticks since 1601. Fails with the message for the user.
 */
export const parseTime = (text: string, now: number): Result.Result<bigint, string> => {
  const wanted = text.trim()
  if (wanted === "now") return Result.succeed(FileTime.fromMillis(now))
  const [, count, span] = /^(\d{1,6})([smhdw])$/.exec(wanted) ?? []
  if (count !== undefined) return Result.succeed(FileTime.fromMillis(now - Number(count) * spans[span!]!))
  const [, year, month, day, hour = "00", minute = "00", second = "00", zone = ""] = dateTime.exec(wanted) ?? []
  if (year === undefined) return Result.fail(wrongTime(text))
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}`
  // JavaScript takes the 31st of February for a day in March.
  const isDay = new Date(`${year}-${month}-${day}T00:00:00Z`).getUTCDate() === Number(day)
  const millis = isDay ? new Date(`${local}${zone.replace(/^([+-]\d\d)(\d\d)$/, "$1:$2")}`).getTime() : Number.NaN
  return Number.isNaN(millis) ? Result.fail(wrongTime(text)) : Result.succeed(FileTime.fromMillis(millis))
}
