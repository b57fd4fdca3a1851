/**
 * Names of files on a network: `\\server\share\path`, `//server:port/share/path`, `smb://user@server:port/share/path`
 * (MS-DTYP 2.2.57 has the first; the others say the same), and `\\?\UNC\server\share\path`, which Windows' functions take.
 *
 * An IPv6 address stands in brackets, with its zone where it needs one (`[fe80::1%eth0]:445`), or as Windows writes it in
 * UNC paths (`fe80--1s4.ipv6-literal.net`).
 *
 * A parsed path is normal: components are separated by single backslashes, `.` is gone and `..` is resolved, which may
 * not lead above the share.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isIP, isIPv6 } from "node:net"
import * as UncName from "../Protocol/UncName.ts"

/**
 * A text that names no file on a network.
 *
 * @category errors
 */
export class InvalidPath extends Schema.TaggedError<InvalidPath>()("InvalidPath", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `"${this.path}" cannot be used: ${this.detail}`
  }
}

/**
 * What would have to be done on two shares at once: a rename from one to the other, or the removal of a tree in which a
 * DFS link leads away. Nothing was done with `path`.
 *
 * @category errors
 */
export class AcrossShares extends Schema.TaggedError<AcrossShares>()("AcrossShares", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.path}: ${this.detail}`
  }
}

/** A parsed path. */
export interface UncPath {
  readonly server: string
  /** TCP port; 445 where the text named none. */
  readonly port: number
  /** Empty where the text named a server alone. */
  readonly share: string
  /** Below the share, in UTF-16 code units, without a leading backslash; empty for the share itself. */
  readonly path: string
  /** Named before an @; `DOMAIN\user` where a domain stands before a semicolon. */
  readonly user?: string
}

/** What an operation takes: text, or a path parsed before. */
export type PathInput = string | UncPath

/** The port of SMB over TCP. */
export const defaultPort = UncName.defaultPort

/** The most code units that a name on the wire may have: its length field counts bytes in 16 bits. */
const longest = 32_760

/** Components without empty ones and `.`, and with `..` resolved; nothing where they lead above the first. */
const normal = (parts: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  const result: Array<string> = []
  for (const part of parts) {
    if (part === "" || part === ".") continue
    if (part !== "..") result.push(part)
    else if (result.pop() === undefined) return undefined
  }
  return result
}

/** A zone is the name or number of a network interface of this machine. */
const bracketed = /^\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~-]+)?)\](?::(\d{1,5}))?$/
const named = /^([^:[\]@\\/]+)(?::(\d{1,5}))?$/

type Authority = { readonly server: string; readonly port: number }

/** Server and port, or why the text is none. */
const authority = (text: string): Authority | string => {
  const quoted = JSON.stringify(text)
  const match = bracketed.exec(text) ?? named.exec(text)
  if (match === null) {
    if (text.includes("@")) return `${quoted} names no server: in smb://, write %40 for an @ in a user's name`
    // Who writes an address without brackets means no port.
    if (!text.includes("[") && isIPv6(text.split("%", 1)[0]!)) {
      return `the IPv6 address ${text} has to stand in brackets: [${text}]`
    }
    return (text.match(/:/g)?.length ?? 0) > 1 && !text.includes("[")
      ? `${quoted} names no server: an IPv6 address stands in brackets, as in [fe80::1%eth0]:445`
      : `${quoted} names no server`
  }
  const port = match[2] === undefined ? defaultPort : Number(match[2])
  if (port === 0 || port > 65535) return `${quoted} names no server: a port is 1 to 65535`
  const server = UncName.host(match[1]!)
  if (text.startsWith("[") && isIP(server.split("%", 1)[0]!) === 0) {
    return `${quoted} names no server: there is no address in the brackets`
  }
  if (server === "." || server === "?") return "it names something of this machine, and a server's name is missing"
  return { server, port }
}

const fail = (path: string, detail: string) => Result.fail(new InvalidPath({ path, detail }))

/** What a path is made of: components as they are, none of which holds a separator any more. */
const build = (
  text: string,
  head: string,
  parts: ReadonlyArray<string>,
  user?: string
): Result.Result<UncPath, InvalidPath> => {
  const place = authority(head)
  if (typeof place === "string") return fail(text, place)
  // A server may be followed by nothing, but what follows it first is the share, which `..` does not remove.
  const first = parts.findIndex((part) => part !== "")
  const share = parts[first] ?? ""
  if (share === "." || share === "..") return fail(text, "the share's name is missing")
  if (share.length > 256) return fail(text, "the share's name is longer than 256 UTF-16 code units")
  if (share.includes("\0")) return fail(text, "it contains a NUL")
  return Result.map(
    below(text, first < 0 ? [] : parts.slice(first + 1), "it leads above its share"),
    (path) => ({ ...place, share, path, ...(user === undefined || user === "" ? {} : { user }) })
  )
}

/** Components as the path below a share. */
const below = (
  text: string,
  parts: ReadonlyArray<string>,
  above: string
): Result.Result<string, InvalidPath> => {
  const found = normal(parts)
  if (found === undefined) return fail(text, above)
  const path = found.join("\\")
  if (path.includes("\0")) return fail(text, "it contains a NUL")
  return path.length > longest ? fail(text, `it is longer than ${longest} UTF-16 code units`) : Result.succeed(path)
}

/** A server of a URL. The % before the zone of an address may be written as it is or as %25 (RFC 6874). */
const decodeHead = (head: string): string => {
  const [, address, zone, rest] = /^(\[[^\]%]*)%(?:25)?([^\]]+)(\].*)$/s.exec(head) ?? []
  return address === undefined ? decodeURIComponent(head) : `${address}%${decodeURIComponent(zone!)}${rest!}`
}

/** `DOMAIN;user`, as other tools write it, or the user alone. */
const decodeUser = (user: string): string =>
  user.split(";", 2).length > 1
    ? `${decodeURIComponent(user.slice(0, user.indexOf(";")))}\\${
      decodeURIComponent(user.slice(user.indexOf(";") + 1))
    }`
    : decodeURIComponent(user)

/** Text is taken apart before it is decoded: what an escape stands for separates nothing. */
const parseUrl = (text: string): Result.Result<UncPath, InvalidPath> => {
  const [, user, head, rest] = /^smb:\/\/(?:([^/\\@]*)@)?([^/\\]*)(.*)$/isu.exec(text)!
  let parts: ReadonlyArray<string>
  let decoded: readonly [head: string, user: string | undefined]
  try {
    parts = rest!.split(/[\\/]/).map((part) => decodeURIComponent(part))
    decoded = [decodeHead(head!), user === undefined ? undefined : decodeUser(user)]
  } catch {
    return fail(text, "a % is not followed by two hexadecimal digits of UTF-8")
  }
  if (parts.some((part) => /[\\/]/.test(part))) return fail(text, "no name has a / or \\ in it, as %2F and %5C say")
  return build(text, decoded[0], parts, decoded[1])
}

/** Before `server\share` in what Windows' own functions take for long paths. */
const longForm = /^[\\/]{2}\?[\\/]UNC[\\/]+/i

/**
 * Parses any of the three ways to write a path. A share is not demanded: who needs one checks for it.
 *
 * @category conversions
 */
export const parse = (input: PathInput): Result.Result<UncPath, InvalidPath> => {
  if (typeof input !== "string") return Result.succeed(input)
  if (/^smb:\/\//i.test(input)) return parseUrl(input)
  const unc = input.replace(longForm, "\\\\")
  // The last @: there is none in a server's name, and there may be some in a user's.
  const match = /^(?:\\\\|\/\/)(?:([^\\/]*)@)?([^\\/@]+)((?:[\\/].*)?)$/su.exec(unc)
  if (match === null) {
    return fail(
      input,
      "it is no path on a share; write \\\\server\\share\\path, //server/share/path or smb://server/share/path"
    )
  }
  return build(input, match[2]!, match[3]!.split(/[\\/]/), match[1]?.replace(";", "\\"))
}

/** As `parse`, for what has to be inside a share. */
export const parseInShare = (input: PathInput): Result.Result<UncPath, InvalidPath> =>
  Result.flatMap(
    parse(input),
    (path) => path.share === "" ? fail(format(path), "the share is missing: \\\\server\\share") : Result.succeed(path)
  )

/**
 * The path as `\\server\share\path`, with the port only where it is not 445.
 *
 * @category conversions
 */
export const format = (path: UncPath): string => UncName.format(path, path.share, path.path)

/**
 * The path of something below another, for names that are known to be good: from a listing, or written in the program.
 * `below` is relative, with either separator. Like every path the result is normal; `..` may undo what stands before it in
 * `below`, and leads no higher than `path`. What comes from outside, such as the path of a request, belongs into `resolve`,
 * which refuses it instead.
 *
 * @category conversions
 */
export const join = (path: UncPath, below: string): UncPath => {
  const parts: Array<string> = []
  for (const part of below.split(/[\\/]/)) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return { ...path, path: [path.path, ...parts].filter((part) => part !== "").join("\\") }
}

/**
 * The path of something below `base`, from text that comes from outside: never `base`'s own surroundings. Both separators
 * count, `.` and empty components are passed over, and `..` may undo what stands before it in the text, but lead no
 * higher than `base`. Refused with `InvalidPath` are text that leads above it, is absolute (`/x`, `\\x`, `//h/s`, `smb:`, `C:`),
 * or holds a NUL, a colon (a stream or a drive), another character that no name has (MS-FSCC 2.1.5.2), or a component
 * `@GMT-...`, which would mean a previous version; and a base that is a server without a share. Escapes are not decoded:
 * decode a URL's path once, before.
 *
 * @example
 * ```ts
 * const locate = (folder: UncPath.UncPath, request: string) =>
 *   Effect.try({
 *     try: () => decodeURIComponent(request.slice(1)),
 *     catch: () => new UncPath.InvalidPath({ path: request, detail: "a % is not followed by two digits of UTF-8" })
 *   }).pipe(
 *     Effect.flatMap((relative) => Effect.fromResult(UncPath.resolve(folder, relative)))
 *   )
 * ```
 *
 * @category conversions
 */
export const resolve = (base: UncPath, relative: string): Result.Result<UncPath, InvalidPath> => {
  if (base.share === "") return fail(format(base), "the share is missing: \\\\server\\share")
  // One letter before a colon is a drive, and // after one begins a URL's server; any other colon is that of a stream.
  if (/^[\\/]|^[A-Za-z]:|^(?:smb:|[A-Za-z][A-Za-z0-9+.-]*:[\\/]{2})/i.test(relative)) {
    return fail(relative, "it is absolute, and a path below a folder is wanted")
  }
  const parts = relative.split(/[\\/]/)
  for (const part of parts) {
    // oxlint-disable-next-line no-control-regex
    const wrong = /["*:<>?|\u0000-\u001f]/.exec(part)?.[0]
    if (wrong === ":") return fail(relative, "it names a stream (:), and a file or folder is wanted")
    if (wrong !== undefined) {
      return fail(relative, `no name has ${wrong < " " ? "a control character" : `the character ${wrong}`} in it`)
    }
    if (/^@GMT-/i.test(part)) return fail(relative, "it names a previous version")
    // Windows drops what stands at the end of a name: " .." could be "..".
    if (part !== "." && part !== ".." && part !== "" && /^[. ]*$/.test(part)) {
      return fail(relative, "a name has more in it than dots and blanks")
    }
  }
  return Result.flatMap(below(relative, parts, `it leads above ${format(base)}`), (path) => {
    const whole = join(base, path)
    return whole.path.length > longest
      ? fail(relative, `with ${format(base)} it is longer than ${longest} UTF-16 code units`)
      : Result.succeed(whole)
  })
}

/** The last component, or the share where there is none. */
export const name = (path: UncPath): string =>
  path.path === "" ? path.share : path.path.slice(path.path.lastIndexOf("\\") + 1)

/** The directory that holds the path; a share's root is its own. */
export const parent = (path: UncPath): UncPath => ({
  ...path,
  path: path.path.includes("\\") ? path.path.slice(0, path.path.lastIndexOf("\\")) : ""
})
