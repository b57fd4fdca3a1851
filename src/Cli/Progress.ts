/**
 * The progress of a transfer: one line on standard error, if that is a terminal. The line is overwritten, and erased at
 * the end.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { printable } from "./Failure.ts"
import * as Output from "./Output.ts"

/** Reports the progress of a transfer. */
export interface Progress {
  /** A file begins. `total` is its size in bytes, if known. `before` of these bytes existed before. */
  readonly begin: (name: string, total: number | undefined, before?: number) => Effect.Effect<void>
  /** Adds bytes of a file. */
  readonly advance: (name: string, count: number) => Effect.Effect<void>
  /** A file is complete. */
  readonly end: Effect.Effect<void>
  /** Erases the line: before other output, or at the end. */
  readonly wipe: Effect.Effect<void>
}

/** Shows no progress. */
export const none: Progress = {
  begin: () => Effect.void,
  advance: () => Effect.void,
  end: Effect.void,
  wipe: Effect.void
}

/** The time between two changes of the line, in milliseconds. */
const interval = 100

/** Characters that take two columns on a terminal, and characters that take none. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
const narrow = /[\p{M}\p{Cf}]/u

const columnsOf = (character: string): number => narrow.test(character) ? 0 : wide.test(character) ? 2 : 1

/** The columns that a text takes on a terminal. */
export const widthOf = (text: string): number => [...text].reduce((sum, character) => sum + columnsOf(character), 0)

/** A text in at most this many columns; an ellipsis stands for its end. */
const shorten = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) return text
  let result = ""
  let left = columns - 1
  for (const character of text) {
    left -= columnsOf(character)
    if (left < 0) break
    result += character
  }
  return `${result}…`
}

/** The least columns that a name gets. */
const leastName = 8

/** The line for a state in at most this many columns, without a line end. */
export const line = (
  state: {
    /** The file with the latest progress. */
    readonly name: string
    /** Whether the transfer has several files; `files` is how many of them are complete. */
    readonly several: boolean
    readonly files: number
    readonly done: number
    /** The bytes of `done` that existed before, and were not transferred. */
    readonly before: number
    readonly total: number | undefined
    readonly milliseconds: number
  },
  columns = Number.POSITIVE_INFINITY
): string => {
  const { done, files, total } = state
  const moved = done - state.before
  const rate = state.milliseconds > 0 ? `  ${Output.bytes(Math.round((moved * 1000) / state.milliseconds))}/s` : ""
  const name = (others: string) => shorten(printable(state.name), Math.max(leastName, columns - widthOf(others) - 2))
  if (state.several) {
    const count = `${files} ${files === 1 ? "file" : "files"}  ${Output.bytes(done)}${rate}`
    return `${count}  ${name(count)}`
  }
  const percent = total === undefined || total === 0 ? 100 : Math.min(100, Math.floor((done * 100) / total))
  const figures = total === undefined
    ? `${Output.bytes(done)}${rate}`
    : `${String(percent).padStart(3)}%  ${Output.bytes(done)} of ${Output.bytes(total)}${rate}`
  return `${name(figures)}  ${figures}`
}

/** Shows the progress on the terminal. */
export const make: Effect.Effect<Progress> = Effect.gen(function*() {
  const start = yield* Clock.currentTimeMillis
  let name = ""
  let begun = 0
  let files = 0
  let done = 0
  let before = 0
  let total: number | undefined
  let shown = start
  let visible = false
  const show = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    if (now - shown < interval) return Effect.void
    shown = now
    visible = true
    const width = Math.max(20, (process.stderr.columns ?? 80) - 1)
    const state = { name, several: begun > 1, files, done, before, total, milliseconds: now - start }
    return Output.writeError(`\r${shorten(line(state, width), width)}\u001b[K`)
  })
  const begin = (next: string, size: number | undefined, there: number) =>
    Effect.suspend(() => {
      if (begun === 0) name = next
      begun++
      done += there
      before += there
      total = size
      return show
    })
  return {
    begin: (next, size, there = 0) => begin(next, size, there),
    advance: (next, count) =>
      Effect.suspend(() => {
        name = next
        done += count
        return show
      }),
    end: Effect.sync(() => {
      files++
    }),
    wipe: Effect.suspend(() => {
      if (!visible) return Effect.void
      visible = false
      return Output.writeError("\r\u001b[K")
    })
  }
})

/** Shows the progress if standard error is a terminal. */
export const auto = (quiet: boolean): Effect.Effect<Progress> =>
  quiet || process.stderr.isTTY !== true ? Effect.succeed(none) : make
