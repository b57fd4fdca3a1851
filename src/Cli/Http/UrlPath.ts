/**
 * Names of files in URLs. Every name that a share can have is found again from its URL, also a name that is no valid
 * UTF-16: a surrogate without its partner is written as the three bytes that UTF-8 would have for it. Pure.
 */
import * as Result from "effect/Result"
import * as PreviousVersion from "../../Client/PreviousVersion.ts"

/** The bytes of a surrogate without its partner, each as `%XX`. */
const surrogate = (code: number): string =>
  [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)]
    .map((byte) => `%${byte.toString(16).toUpperCase()}`).join("")

/** A name as one segment of a URL. */
export const encodeName = (name: string): string =>
  // Iteration over a string gives whole characters, and surrogates that have no partner.
  Array.from(name, (character) =>
    /^[\ud800-\udfff]$/.test(character) ? surrogate(character.charCodeAt(0)) : encodeURIComponent(character)).join("")

const decodeName = (segment: string): string | undefined => {
  try {
    return segment.split(/(%ED%[AB][0-9A-F]%[89AB][0-9A-F])/i).map((part, index) => {
      if (index % 2 === 0) return decodeURIComponent(part)
      const [, second, third] = part.slice(1).split("%").map((digits) => Number.parseInt(digits, 16))
      return String.fromCharCode(0xd000 | ((second! & 0x3f) << 6) | (third! & 0x3f))
    }).join("")
  } catch {
    return undefined
  }
}

/** The path of a URL below the served folder. */
export interface Located {
  /** The names from the served folder down, as the client has them. */
  readonly names: ReadonlyArray<string>
  /** The path ends with a slash: it means a folder. */
  readonly isFolder: boolean
}

/** Why a path is refused: no entry can have such a path, or it is not written as a URL is. */
export type Refusal = "NoSuchEntry" | "Malformed"

/** A name that cannot be an entry of a listing: it could lead to another folder, or to another version of one. */
const isNoEntry = (name: string): boolean =>
  name === "" || name === "." || name === ".." || /[\\/\0]/.test(name) || PreviousVersion.parse(name) !== undefined

/** Splits the path of a request, such as `/films/a%20b.mp4?download`, into names. */
export const parse = (url: string): Result.Result<Located, Refusal> => {
  const path = url.replace(/[?#].*$/s, "")
  if (!path.startsWith("/")) return Result.fail("Malformed")
  const segments = path.slice(1).split("/")
  const isFolder = segments.at(-1) === ""
  if (isFolder) segments.pop()
  const names: Array<string> = []
  for (const segment of segments) {
    const name = decodeName(segment)
    if (name === undefined) return Result.fail("Malformed")
    if (isNoEntry(name)) return Result.fail("NoSuchEntry")
    names.push(name)
  }
  return Result.succeed({ names, isFolder })
}

/** The value of a parameter of the query; empty for a parameter without a value. */
export const parameter = (url: string, name: string): string | undefined =>
  new URLSearchParams(/\?([^#]*)/.exec(url)?.[1] ?? "").get(name) ?? undefined
