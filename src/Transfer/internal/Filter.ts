/** Which names a transfer leaves out, by the patterns and the sizes that the user gives. */
import picomatch from "picomatch"

/** See `TransferOptions` for each. */
export interface FilterOptions {
  readonly include?: ReadonlyArray<string> | undefined
  readonly exclude?: ReadonlyArray<string> | undefined
  readonly minimumSize?: number | bigint | undefined
  readonly maximumSize?: number | bigint | undefined
}

export interface Filter {
  /** Whether nothing is left out. */
  readonly takesAll: boolean
  /** Whether a folder is read. `names` lead to it from the start of the transfer. */
  readonly enters: (names: ReadonlyArray<string>) => boolean
  /** Whether a file is copied, compared or removed; its size in bytes, if it is known. */
  readonly takes: (names: ReadonlyArray<string>, size: bigint | undefined) => boolean
}

type Matches = (names: ReadonlyArray<string>) => boolean

/**
 * A pattern with a slash in the middle or at its start is one of the whole path below the start; any other pattern is one
 * of a name. A slash at the end means folders: the caller asks for these.
 */
const pattern = (text: string): Matches => {
  const plain = text.replace(/\/$/, "")
  // Neither "" nor "/" names anything below the start.
  if (plain === "") return () => false
  const options = { dot: true, nocase: true, nonegate: true, noextglob: true } as const
  const matches = picomatch(plain.replace(/^\//, ""), options)
  return plain.includes("/") ? (names) => matches(names.join("/")) : (names) => matches(names.at(-1) ?? "")
}

const any = (patterns: ReadonlyArray<Matches>, names: ReadonlyArray<string>): boolean =>
  patterns.some((matches) => matches(names))

export const make = ({ exclude = [], include = [], maximumSize, minimumSize }: FilterOptions): Filter => {
  const excludesFolders = exclude.map(pattern)
  const excludesFiles = exclude.filter((text) => !text.endsWith("/")).map(pattern)
  const includes = include.map(pattern)
  return {
    takesAll: exclude.length === 0 && include.length === 0 && minimumSize === undefined && maximumSize === undefined,
    enters: (names) => !any(excludesFolders, names),
    takes: (names, size) =>
      !any(excludesFiles, names) && (includes.length === 0 || any(includes, names)) &&
      (minimumSize === undefined || size === undefined || size >= BigInt(minimumSize)) &&
      (maximumSize === undefined || size === undefined || size <= BigInt(maximumSize))
  }
}
