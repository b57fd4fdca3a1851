/**
 * Names of files on a network: `\\server\share\path`, `//server:port/share/path`, `smb://user@server:port/share/path`
 * (MS-DTYP 2.2.57 has the first; the others say the same).
 *
 * A parsed path is normal: components are separated by single backslashes, `.` is gone and `..` is resolved, which may
 * not lead above the share.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
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
  /** Named by an `smb:` URL. */
  readonly user?: string
}

/** What an operation takes: text, or a path parsed before. */
export type PathInput = string | UncPath

/** The port of SMB over TCP. */
export const defaultPort = UncName.defaultPort

/** The most code units that a name on the wire may have: its length field counts bytes in 16 bits. */
const longest = 32_760

const components = (text: string): ReadonlyArray<string> | undefined => {
  const parts: Array<string> = []
  for (const part of text.split(/[\\/]/)) {
    if (part === "" || part === ".") continue
    if (part === "..") {
      if (parts.pop() === undefined) return undefined
    } else parts.push(part)
  }
  return parts
}

const authority = (
  text: string
): { readonly server: string; readonly port: number; readonly user?: string } | undefined => {
  const match = /^(?:([^@]*)@)?(\[[0-9A-Fa-f:.%]+\]|[^:[\]@]+)(?::(\d{1,5}))?$/.exec(text)
  if (match === null) return undefined
  const port = match[3] === undefined ? defaultPort : Number(match[3])
  if (port === 0 || port > 65535) return undefined
  const server = match[2]!.startsWith("[") ? match[2]!.slice(1, -1) : match[2]!
  return { server, port, ...(match[1] === undefined || match[1] === "" ? {} : { user: match[1] }) }
}

const fail = (path: string, detail: string) => Result.fail(new InvalidPath({ path, detail }))

const build = (text: string, head: string, rest: string): Result.Result<UncPath, InvalidPath> => {
  const place = authority(head)
  if (place === undefined) return fail(text, `${JSON.stringify(head)} names no server`)
  // A server may be followed by nothing, but what follows it first is the share, which `..` does not remove.
  const share = /^[\\/]*([^\\/]*)/.exec(rest)![1]!
  if (share === "." || share === "..") return fail(text, "the share's name is missing")
  const parts = components(rest.slice(/^[\\/]*/.exec(rest)![0].length + share.length))
  if (parts === undefined) return fail(text, "it leads above its share")
  const path = parts.join("\\")
  if (path.includes("\0") || share.includes("\0")) return fail(text, "it contains a NUL")
  if (path.length > longest) return fail(text, `it is longer than ${longest} UTF-16 code units`)
  if (share.length > 256) return fail(text, "the share's name is longer than 256 UTF-16 code units")
  return Result.succeed({ ...place, share, path })
}

const parseUrl = (text: string): Result.Result<UncPath, InvalidPath> => {
  const [, head, rest] = /^smb:\/\/([^/\\]*)(.*)$/isu.exec(text)!
  try {
    return build(text, decodeURIComponent(head!), decodeURIComponent(rest!))
  } catch {
    return fail(text, "a % is not followed by two hexadecimal digits of UTF-8")
  }
}

/**
 * Parses any of the three ways to write a path. A share is not demanded: who needs one checks for it.
 *
 * @category conversions
 */
export const parse = (input: PathInput): Result.Result<UncPath, InvalidPath> => {
  if (typeof input !== "string") return Result.succeed(input)
  if (/^smb:\/\//i.test(input)) return parseUrl(input)
  const match = /^(?:\\\\|\/\/)([^\\/]+)(.*)$/su.exec(input)
  if (match === null) {
    return fail(
      input,
      "it is no path on a share; write \\\\server\\share\\path, //server/share/path or smb://server/share/path"
    )
  }
  return build(input, match[1]!, match[2]!)
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

/** The path of something below another; `below` is relative, with backslashes. */
export const join = (path: UncPath, below: string): UncPath => ({
  ...path,
  path: path.path === "" ? below : below === "" ? path.path : `${path.path}\\${below}`
})

/** The last component, or the share where there is none. */
export const name = (path: UncPath): string =>
  path.path === "" ? path.share : path.path.slice(path.path.lastIndexOf("\\") + 1)

/** The directory that holds the path; a share's root is its own. */
export const parent = (path: UncPath): UncPath => ({
  ...path,
  path: path.path.includes("\\") ? path.path.slice(0, path.path.lastIndexOf("\\")) : ""
})
