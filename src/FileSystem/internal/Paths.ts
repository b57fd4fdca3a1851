/**
 * Paths of a program as paths on the share. A program has the paths of POSIX: `/` separates names and begins the root,
 * which is the base of the file system; all other characters belong to names. `.` and `..` are resolved here, and `..`
 * of the root is the root, as after `chroot`. So no path leads out of the base.
 */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import * as PreviousVersion from "../../Client/PreviousVersion.ts"
import type * as UncPath from "../../Client/UncPath.ts"
import * as ReservedCharacters from "../../Codec/ReservedCharacters.ts"
import { badArgument, failure, type Place } from "./Failures.ts"

/**
 * The client, which maps names, has U+F026 for the backslash that is part of a name, and U+F07F before a U+F026 that is
 * itself part of it.
 */
const toClientName = (name: string): string =>
  name.replace(/[\\\uf026]/g, (one) => one === "\\" ? "\uf026" : `\uf07f${one}`)

/** The name of an entry, from the client. */
export const fromClientName = (name: string): string =>
  name.replace(/\uf07f?\uf026/g, (one) => one === "\uf026" ? "\\" : "\uf026")

/** A relative path, from the client: with `/` from a walk, with `\\` from a watch. No name has one of them. */
export const fromClientPath = (path: string): string => path.split(/[\\/]/).map(fromClientName).join("/")

const isDots = (name: string): boolean => name === "." || name === ".."

/** The target of a link as it is on the server: with the characters that names have there. */
export const toLinkTarget = (target: string): string =>
  target.split("/").map((name) => isDots(name) ? name : ReservedCharacters.toPrivateUse(name)).join("\\")

/** The target of a link, from the server. */
export const fromLinkTarget = (target: string): string =>
  target.split("\\").map((name) => {
    const plain = ReservedCharacters.toPlain(name)
    return isDots(plain) ? name : plain
  }).join("/")

/** Whether the target of a link, as it is on the server, is a path of Windows: on a drive, or on any server. */
export const isForeignTarget = (target: string): boolean => /^(?:\\\\|\\\?|[A-Za-z]:)/.test(target)

/** The names of a path below the root, without `.` and `..`. */
export const namesOf = (path: string): ReadonlyArray<string> => {
  const names: Array<string> = []
  for (const name of path.split("/")) {
    if (name === "..") names.pop()
    else if (name !== "" && name !== ".") names.push(name)
  }
  return names
}

/** A path of the program, found below the base. */
export interface Located {
  readonly unc: UncPath.UncPath
  /** Below the base. */
  readonly names: ReadonlyArray<string>
  /** The path ends with a separator or a dot, so that it can only mean a directory. */
  readonly isDirectory: boolean
}

/** The maximum length of a name on the wire, in UTF-16 code units: its length field counts bytes in 16 bits. */
const longest = 32_760

/** Finds a path below the base. */
export const locate = (
  base: UncPath.UncPath,
  place: Place
): Effect.Effect<Located, PlatformError> => {
  const { method, path } = place
  if (path.includes("\0")) return Effect.fail(badArgument(method, "the path contains a NUL"))
  if (path === "") return Effect.fail(failure(place, "NotFound", "the path is empty"))
  const names = namesOf(path)
  if (names.some((name) => PreviousVersion.parse(name) !== undefined)) {
    const description = "a name of the form @GMT-... means a previous version, which this file system does not show"
    return Effect.fail(failure(place, "NotFound", description))
  }
  const below = [...base.path === "" ? [] : [base.path], ...names.map(toClientName)].join("\\")
  return below.length > longest
    ? Effect.fail(failure(place, "InvalidData", `the path is longer than ${longest} UTF-16 code units`))
    : Effect.succeed({ unc: { ...base, path: below }, names, isDirectory: /(?:^|\/)\.{0,2}$/.test(path) })
}

/** The names of a path of the client, below the base. */
export const namesBelow = (base: UncPath.UncPath, { path }: UncPath.UncPath): ReadonlyArray<string> =>
  path.slice(base.path.length).split("\\").filter((name) => name !== "").map(fromClientName)

/** The path from the root. */
export const absolute = (names: ReadonlyArray<string>): string => `/${names.join("/")}`
