/**
 * How far a transfer has come: one line on standard error, if that is a terminal, written over and in the end wiped.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { printable } from "./Failure.ts"
import * as Output from "./Output.ts"

/** What a transfer tells. */
export interface Progress {
  /** A file begins; `total` bytes where that is known, of which some may have been there before. */
  readonly file: (name: string, total: number | undefined, before?: number) => Effect.Effect<void>
  /** So many bytes more. */
  readonly advance: (count: number) => Effect.Effect<void>
  /** Wipes the line: something else is to be printed, or all is done. */
  readonly wipe: Effect.Effect<void>
}

/** Nobody watches. */
export const none: Progress = { file: () => Effect.void, advance: () => Effect.void, wipe: Effect.void }

/** Milliseconds between two changes of the line. */
const interval = 100

/** The line for a state; without an end of line. */
export const line = (state: {
  readonly name: string
  readonly files: number
  readonly done: number
  /** Bytes of `done` that nothing had to be transferred for. */
  readonly before: number
  readonly total: number | undefined
  readonly milliseconds: number
}): string => {
  const moved = state.done - state.before
  const rate = state.milliseconds > 0 ? `  ${Output.bytes((moved * 1000) / state.milliseconds)}/s` : ""
  const name = printable(state.name)
  if (state.files > 1) return `${state.files} files  ${Output.bytes(state.done)}${rate}  ${name}`
  if (state.total === undefined) return `${name}  ${Output.bytes(state.done)}${rate}`
  const percent = state.total === 0 ? 100 : Math.min(100, Math.floor((state.done * 100) / state.total))
  return `${name}  ${String(percent).padStart(3)}%  ${Output.bytes(state.done)} of ${Output.bytes(state.total)}${rate}`
}

/** On a terminal that is there for it. */
export const make: Effect.Effect<Progress> = Effect.gen(function*() {
  const start = yield* Clock.currentTimeMillis
  let name = ""
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
    const text = line({ name, files, done, before, total, milliseconds: now - start })
    const width = Math.max(20, (process.stderr.columns ?? 80) - 1)
    return Output.writeError(`\r${text.slice(0, width)}\u001b[K`)
  })
  return {
    file: (next, size, there = 0) =>
      Effect.suspend(() => {
        name = next
        files++
        done += there
        before += there
        total = size
        return show
      }),
    advance: (count) =>
      Effect.suspend(() => {
        done += count
        return show
      }),
    wipe: Effect.suspend(() => {
      if (!visible) return Effect.void
      visible = false
      return Output.writeError("\r\u001b[K")
    })
  }
})

/** A line where somebody watches. */
export const auto = (quiet: boolean): Effect.Effect<Progress> =>
  quiet || process.stderr.isTTY !== true ? Effect.succeed(none) : make
