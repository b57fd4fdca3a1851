/**
 * Previous versions: a path with a component `@GMT-2026.11.21-08.30.00` names the file's state at that time (MS-SMB2 2.2.32.2).
 *
 * On the wire the name does not have the component: the time is in the create context TWrp.
 */
import * as FileTime from "../Codec/FileTime.ts"

const token = /^@GMT-(\d{4})\.(\d{2})\.(\d{2})-(\d{2})\.(\d{2})\.(\d{2})$/

/**
 * The time of a token in 100 ns ticks since 1601; `undefined` if the text is no token or its date or time does not
 * exist.
 *
 * @since 0.1.0
 */
export const parse = (text: string): bigint | undefined => {
  const match = token.exec(text)
  if (match === null) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number
  ]
  const time = FileTime.fromMillis(Date.UTC(year, month - 1, day, hour, minute, second))
  // `Date.UTC` takes the 31st of a month with 30 days for the 1st of the next month.
  return format(time) === text ? time : undefined
}

/**
 * The token of a time, in whole seconds.
 *
 * @since 0.1.0
 */
export const format = (time: bigint): string => {
  const text = new Date(FileTime.toMillis(time)).toISOString()
  return `@GMT-${text.slice(0, 10).replaceAll("-", ".")}-${text.slice(11, 19).replaceAll(":", ".")}`
}

/**
 * Separates a path below a share from its token.
 *
 * @since 0.1.0
 */
export const split = (path: string): { readonly path: string; readonly time: bigint | undefined } => {
  if (!path.includes("@GMT-")) return { path, time: undefined }
  const parts = path.split("\\")
  const at = parts.findIndex((part) => parse(part) !== undefined)
  return at < 0
    ? { path, time: undefined }
    : { path: parts.filter((_, i) => i !== at).join("\\"), time: parse(parts[at]!) }
}
