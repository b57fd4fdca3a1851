/**
 * Names of files on a network: `\\server\share\path`, `//server:port/share/path`, `smb://user@server:port/share/path`
 * (MS-DTYP 2.2.57 has the first; the others mean the same), and `\\?\UNC\server\share\path`, which Windows' functions
 * take.
 *
 * An IPv6 address is in brackets, with its zone if it needs one (`[fe80::1%eth0]:445`), or as Windows writes it in UNC
 * paths (`fe80--1s4.ipv6-literal.net`).
 *
 * A parsed path is normal: components are separated by single backslashes, `.` is removed and `..` is resolved, which
 * must not lead above the share.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isIP, isIPv6 } from "node:net"
import { fold } from "../Codec/UpCase.ts"
import * as UncName from "../Protocol/UncName.ts"
import { normal } from "./internal/PathComponents.ts"

/**
 * A text that does not name a file on a network.
 *
 * @category errors
 * @since 0.1.0
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
 * An operation that would need two shares at once: a rename from one to the other, or the removal of a tree that
 * contains a DFS link to another share. Nothing was done with `path`.
 *
 * @category errors
 * @since 0.1.0
 */
export class AcrossShares extends Schema.TaggedError<AcrossShares>()("AcrossShares", {
  path: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.path}: ${this.detail}`
  }
}

/**
 * The path that an operation got cannot be used. Nothing was done with it. The error's message is the reason's.
 *
 * - `InvalidPath`: the text does not name a file on a network, or the operation is not possible with that path.
 * - `AcrossShares`: the operation would need two shares at once.
 *
 * @category errors
 * @since 0.2.0
 */
export class PathError extends Schema.TaggedError<PathError>()("PathError", {
  reason: Schema.Union([InvalidPath, AcrossShares])
}) {
  override get message(): string {
    return this.reason.message
  }
}

/** Where the server's part of a text begins: behind `smb://`, two slashes, or the start of Windows' long form. */
const beforeServer = /^\s*(?:(?:[a-z][a-z0-9+.-]*:[\\/]+|smb:)[\\/]*|[\\/]{2}(?:[?.][\\/]UNC[\\/]+)?[\\/]*)/i

/**
 * The text of a path for messages, with `***` for a user and a password. It does not have to be valid: a password with
 * a character that a URL writes as an escape can end anywhere, so all text up to the last @ is left out.
 */
const withoutUser = (text: string): string => {
  const start = beforeServer.exec(text)?.[0]
  if (start === undefined) return text
  const rest = text.slice(start.length)
  const server = /^[^\\/]*/.exec(rest)![0]
  const hasPort = /^\[[^\]@]*\](?::\d*)?$/.test(server) || (/^[^:]*:\d{1,5}$/.test(server) && !/^\s*smb:/i.test(start))
  if (!/@|%40/.test(server) && (hasPort || !/:|%3a/i.test(server))) return text
  const end = /^.*(?:@|%40)/s.exec(rest)
  return end === null ? text : `${start}***@${rest.slice(end[0].length)}`
}

/**
 * A `PathError` with the reason `InvalidPath`.
 *
 * @category errors
 * @since 0.2.0
 */
export const invalid = (path: string, detail: string): PathError =>
  new PathError({ reason: new InvalidPath({ path: withoutUser(path), detail }) })

/**
 * A `PathError` with the reason `AcrossShares`.
 *
 * @category errors
 * @since 0.2.0
 */
export const acrossShares = (path: string, detail: string): PathError =>
  new PathError({ reason: new AcrossShares({ path: withoutUser(path), detail }) })

/**
 * A parsed path.
 *
 * @since 0.1.0
 */
export interface UncPath {
  readonly server: string
  /** The TCP port. Default: 445. */
  readonly port: number
  /** Empty if the text names only a server. */
  readonly share: string
  /** Below the share, in UTF-16 code units, without a leading backslash; empty for the share itself. */
  readonly path: string
  /** The name before an @; `DOMAIN\user` if the text has a domain before a semicolon. */
  readonly user?: string | undefined
}

/**
 * The path that an operation takes: text, or a parsed path.
 *
 * @since 0.1.0
 */
export type PathInput = string | UncPath

/**
 * The port of SMB over TCP.
 *
 * @since 0.1.0
 */
export const defaultPort = UncName.defaultPort

/** The maximum length of a name on the wire, in UTF-16 code units: its length field counts bytes in 16 bits. */
const longest = 32_760

/** A zone is the name or number of a network interface of this machine. */
const bracketed = /^\[([0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~-]+)?)\](?::(\d{1,5}))?$/
const named = /^([^:[\]@\\/]+)(?::(\d{1,5}))?$/

type Authority = { readonly server: string; readonly port: number }

/** The server and port, or the reason why the text is not valid. */
const authority = (text: string, mayHoldUser: boolean): Authority | string => {
  const quoted = mayHoldUser ? "the part for the server" : JSON.stringify(text)
  const match = bracketed.exec(text) ?? named.exec(text)
  if (match === null) {
    if (text.includes("@")) return `${quoted} names no server: in smb://, write %40 for an @ in a user's name`
    // An address without brackets has no port.
    if (!mayHoldUser && !text.includes("[") && isIPv6(text.split("%", 1)[0]!)) {
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

const fail = (path: string, detail: string) => Result.fail(invalid(path, detail))

/** Builds a path from components that contain no separators. */
const build = (
  text: string,
  head: string,
  parts: ReadonlyArray<string>,
  user?: string
): Result.Result<UncPath, PathError> => {
  const place = authority(head, withoutUser(text) !== text)
  if (typeof place === "string") return fail(text, place)
  // The share is optional. The first component after the server is the share, and `..` does not remove it.
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

/** The path below a share, from its components. */
const below = (
  text: string,
  parts: ReadonlyArray<string>,
  above: string
): Result.Result<string, PathError> => {
  const found = normal(parts)
  if (found === undefined) return fail(text, above)
  const path = found.join("\\")
  if (path.includes("\0")) return fail(text, "it contains a NUL")
  return path.length > longest ? fail(text, `it is longer than ${longest} UTF-16 code units`) : Result.succeed(path)
}

/** The server of a URL. The % before the zone of an address can be written as % or as %25 (RFC 6874). */
const decodeHead = (head: string): string => {
  const [, address, zone, rest] = /^(\[[^\]%]*)%(?:25)?([^\]]+)(\].*)$/s.exec(head) ?? []
  return address === undefined ? decodeURIComponent(head) : `${address}%${decodeURIComponent(zone!)}${rest!}`
}

/** `DOMAIN;user`, as other tools write it, or only the user. */
const decodeUser = (user: string): string =>
  user.split(";", 2).length > 1
    ? `${decodeURIComponent(user.slice(0, user.indexOf(";")))}\\${
      decodeURIComponent(user.slice(user.indexOf(";") + 1))
    }`
    : decodeURIComponent(user)

/**
 * Whether a URL with a port, and an @ in its path, can also be one with a password: `smb://joe:12/x@host`. A client cannot
 * tell which is meant. A part of the password would be the name of a share, which a server and messages get.
 */
const mayHidePassword = (text: string): boolean => /^smb:\/\/[^/\\@[\]]*:\d*[/\\].*@/isu.test(text)

/** The text is split before it is decoded: an escaped separator does not separate components. */
const parseUrl = (text: string): Result.Result<UncPath, PathError> => {
  const [, user, head, rest] = /^smb:\/\/(?:([^/\\@]*)@)?([^/\\]*)(.*)$/isu.exec(text)!
  if (user === undefined && mayHidePassword(text)) {
    return fail(
      text,
      "what stands behind the first colon can be a port, or a password with a / in it: write %40 for an @ in a file's " +
        "name, and no password in a path"
    )
  }
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

/** The prefix of `server\share` in the long paths of Windows' own functions. */
const longForm = /^[\\/]{2}\?[\\/]UNC[\\/]+/i

/** Why no request can carry a parsed path: a program can have made it from any parts. */
const objection = ({ path, port, server, share }: UncPath): string | undefined => {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return `its port is ${port}, and a port is 1 to 65535`
  if (server === "") return "the server's name is missing"
  if (share.length > 256) return "the share's name is longer than 256 UTF-16 code units"
  if (path.length > longest) return `it is longer than ${longest} UTF-16 code units`
  return [server, share, path].some((part) => part.includes("\0")) ? "it contains a NUL" : undefined
}

/**
 * Parses a path in any of its forms. A share is not required: a caller that needs one checks for it.
 *
 * @category conversions
 * @since 0.1.0
 */
export const parse = (input: PathInput): Result.Result<UncPath, PathError> => {
  if (typeof input !== "string") {
    const wrong = objection(input)
    return wrong === undefined ? Result.succeed(input) : fail(format(input), wrong)
  }
  if (/^smb:\/\//i.test(input)) return parseUrl(input)
  const unc = input.replace(longForm, "\\\\")
  // The last @: a server's name has no @, and a user's name can have some.
  const match = /^(?:\\\\|\/\/)(?:([^\\/]*)@)?([^\\/@]+)((?:[\\/].*)?)$/su.exec(unc)
  if (match === null) {
    return fail(
      input,
      "it is no path on a share; write \\\\server\\share\\path, //server/share/path or smb://server/share/path"
    )
  }
  return build(input, match[2]!, match[3]!.split(/[\\/]/), match[1]?.replace(";", "\\"))
}

/**
 * The path in a message: as the caller gave it, without a user and a password.
 *
 * @category conversions
 * @since 0.2.0
 */
export const shown = (path: PathInput): string => {
  if (typeof path !== "string") return format(path)
  const parsed = parse(path)
  if (Result.isFailure(parsed)) return withoutUser(path)
  return parsed.success.user === undefined ? path : format(parsed.success)
}

/**
 * Like `parse`, for a path that must be inside a share.
 *
 * @since 0.1.0
 */
export const parseInShare = (input: PathInput): Result.Result<UncPath, PathError> =>
  Result.flatMap(
    parse(input),
    (path) => path.share === "" ? fail(format(path), "the share is missing: \\\\server\\share") : Result.succeed(path)
  )

/**
 * The path as `\\server\share\path`, with the port only if it is not 445.
 *
 * @category conversions
 * @since 0.1.0
 */
export const format = (path: UncPath): string => UncName.format(path, path.share, path.path)

/**
 * The path of an entry below another path, for trusted names: from a listing, or written in the program. `below` is
 * relative, with either separator. Like every path the result is normal; `..` can undo a component before it in
 * `below`, and leads no higher than `path`. For text from outside, such as the path of a request, use `resolve`, which
 * refuses such text.
 *
 * @category conversions
 * @since 0.1.0
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
 * The path of an entry below `base`, from text that comes from outside: the result is never outside `base`. Both
 * separators count, `.` and empty components are skipped, and `..` can undo a component before it in the text, but
 * leads no higher than `base`. Fails with the reason `InvalidPath` if the text leads above `base`, is absolute (`/x`, `\\x`,
 * `//h/s`, `smb:`, `C:`), or holds a NUL, a colon (a stream or a drive), another character that no name can have
 * (MS-FSCC 2.1.5.2), or a component `@GMT-...`, which would mean a previous version; also if `base` is a server without
 * a share. Escapes are not decoded: decode a URL's path once, before.
 *
 * @example
 * ```ts
 * const locate = (folder: UncPath.UncPath, request: string) =>
 *   Effect.try({
 *     try: () => decodeURIComponent(request.slice(1)),
 *     catch: () => UncPath.invalid(request, "a % is not followed by two digits of UTF-8")
 *   }).pipe(
 *     Effect.flatMap((relative) => Effect.fromResult(UncPath.resolve(folder, relative)))
 *   )
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export const resolve = (base: UncPath, relative: string): Result.Result<UncPath, PathError> => {
  if (base.share === "") return fail(format(base), "the share is missing: \\\\server\\share")
  // One letter before a colon is a drive, and // after a colon begins a URL's server; any other colon belongs to a
  // stream.
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
    // Windows drops dots and spaces at the end of a name: " .." could be "..".
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

/** A name for comparison. Servers' names are those of the DNS, where only ASCII letters have two cases. */
const sameServer = (a: UncPath, b: UncPath): boolean =>
  a.port === b.port && a.server.toLowerCase() === b.server.toLowerCase()

/**
 * The path of `path` from `base`, with `/` between its names, and empty for `base` itself: what `join(base, ...)` turns
 * into `path` again, and what `resolve` does if a program may have it from outside. Names are compared as servers
 * compare them, without regard to case; users are not compared. Fails with the reason `InvalidPath` if `path` is not
 * below `base`, so the result never leads above it; also if `base` names no share.
 *
 * @example
 * ```ts
 * const linkTo = (folder: UncPath.UncPath, entry: Entry) =>
 *   Result.flatMap(
 *     UncPath.relative(folder, entry.path),
 *     (relative) =>
 *       Result.try({
 *         try: () => `/${relative.split("/").map(encodeURIComponent).join("/")}`,
 *         catch: () => UncPath.invalid(relative, "it has half of a surrogate pair, which no URL can carry")
 *       })
 *   )
 * ```
 *
 * @category conversions
 * @since 0.2.0
 */
export const relative = (base: PathInput, path: PathInput): Result.Result<string, PathError> =>
  Result.flatMap(parseInShare(base), (from) =>
    Result.flatMap(parse(path), (to) => {
      const names = to.path === "" ? [] : to.path.split("\\")
      const above = from.path === "" ? [] : from.path.split("\\")
      const isBelow = sameServer(from, to) && fold(from.share) === fold(to.share) &&
        above.every((name, i) => i < names.length && fold(name) === fold(names[i]!))
      return isBelow
        ? Result.succeed(names.slice(above.length).join("/"))
        : fail(format(to), `it is not in ${format(from)}`)
    }))

/**
 * The last component, or the share if the path has no components.
 *
 * @since 0.1.0
 */
export const name = (path: UncPath): string =>
  path.path === "" ? path.share : path.path.slice(path.path.lastIndexOf("\\") + 1)

/**
 * The directory that holds the path; the parent of a share's root is the root itself.
 *
 * @since 0.1.0
 */
export const parent = (path: UncPath): UncPath => ({
  ...path,
  path: path.path.includes("\\") ? path.path.slice(0, path.path.lastIndexOf("\\")) : ""
})
