/** `find`: the entries below a path that match. They are printed as they come. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Entry } from "../Client/Entry.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import * as DosWildcard from "../Codec/DosWildcard.ts"
import { printable } from "./Failure.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"
import * as Walking from "./Walking.ts"

/** What an entry must be. Sizes in bytes; times, of the last write, in 100 ns ticks since 1601. */
export interface Criteria {
  readonly name?: string | undefined
  readonly type?: "f" | "d" | "l" | undefined
  readonly larger?: bigint | undefined
  readonly smaller?: bigint | undefined
  readonly newer?: bigint | undefined
  readonly older?: bigint | undefined
}

const letters = { file: "f", directory: "d", symlink: "l" } as const

/** Whether an entry meets all criteria. A directory has no size: with `larger` or `smaller` only files match. */
export const matches = (entry: Entry, { larger, name, newer, older, smaller, type }: Criteria): boolean =>
  (name === undefined || DosWildcard.matches(name, entry.name)) &&
  (type === undefined || letters[entry.type] === type) &&
  ((larger === undefined && smaller === undefined) || entry.type === "file") &&
  (larger === undefined || entry.size > larger) &&
  (smaller === undefined || entry.size < smaller) &&
  (newer === undefined || entry.lastWriteTime > newer) &&
  (older === undefined || entry.lastWriteTime < older)

/** A path as the next command takes it: with slashes, which need no quotes in a shell. */
export const slashed = (path: string): string => path.replaceAll("\\", "/")

export interface Options extends Criteria {
  readonly json: boolean
  /** Ends each path with NUL and leaves its characters unchanged, for `xargs -0`. */
  readonly print0: boolean
  /** How many levels below the start; the start itself is 0. */
  readonly maximumDepth?: number | undefined
}

/** Prints the entry at the path and the entries below it, as far as they match. */
export const find = Effect.fnUntraced(function*(path: Remote, options: Options) {
  const smb = yield* SmbClient
  const walking = Walking.make(options.json)
  const start = yield* smb.stat(path, { follow: false })
  const depth = options.maximumDepth
  const below = start.type !== "directory" || depth === 0
    ? Stream.empty
    : smb.walk(path, { ...walking.told, ...(depth === undefined ? {} : { maximumDepth: depth }) })
  // The root of a share has the share's name.
  const named = start.name === "" ? { ...start, name: path.share } : start
  const line = (entry: Entry): string =>
    options.json
      ? Output.jsonLine(Output.entryObject(entry))
      : options.print0
      ? `${slashed(entry.path)}\0`
      : `${printable(slashed(entry.path))}\n`
  yield* Stream.concat(Stream.succeed(named), below).pipe(
    Stream.filter((entry) => matches(entry, options)),
    Stream.runForEachArray((entries) => Output.write(entries.map(line).join("")))
  )
  yield* walking.end
})

/** The path of a starting point, for a heading. */
export const titleOf = (path: Remote): string => slashed(UncPath.format(path))
