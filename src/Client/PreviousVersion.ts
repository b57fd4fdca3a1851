/**
 * Previous versions: a path with a component `@GMT-2026.11.21-08.30.00` names a file as it was then (MS-SMB2 2.2.32.2).
 *
 * On the wire the component is taken out of the name, and the time travels in the create context TWrp.
 */
import * as FileTime from "../Codec/FileTime.ts"

const token = /^@GMT-(\d{4})\.(\d{2})\.(\d{2})-(\d{2})\.(\d{2})\.(\d{2})$/

/** The time of a token in 100 ns ticks since 1601, or nothing where the text is no token or names no day or time. */
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
  // The 31st of a month with 30 days would be taken for the 1st of the next.
  return format(time) === text ? time : undefined
}

/** The token of a time; whole seconds. */
export const format = (time: bigint): string => {
  const text = new Date(FileTime.toMillis(time)).toISOString()
  return `@GMT-${text.slice(0, 10).replaceAll("-", ".")}-${text.slice(11, 19).replaceAll(":", ".")}`
}

/** Takes the token out of a path below a share. */
export const split = (path: string): { readonly path: string; readonly time: bigint | undefined } => {
  if (!path.includes("@GMT-")) return { path, time: undefined }
  const parts = path.split("\\")
  const at = parts.findIndex((part) => parse(part) !== undefined)
  return at < 0
    ? { path, time: undefined }
    : { path: parts.filter((_, i) => i !== at).join("\\"), time: parse(parts[at]!) }
}
