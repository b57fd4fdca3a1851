/**
 * The prompt of the shell on a terminal, with Node's readline: history, completion, and lines that are typed ahead.
 *
 * While a command runs, the terminal is in its usual mode, so that Ctrl-C is a signal and Ctrl-Z stops the process. At
 * the prompt readline gets the keys.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createInterface } from "node:readline"
import type * as UncPath from "../../Client/UncPath.ts"
import { printable } from "../Failure.ts"
import * as Output from "../Output.ts"
import type { Completions } from "./Completion.ts"
import * as CurrentDirectory from "./CurrentDirectory.ts"

/** A prompt on the terminal. */
export interface Prompt {
  /** The next line; `undefined` after Ctrl-D, or when the terminal is gone. */
  readonly ask: (directory: UncPath.UncPath) => Effect.Effect<string | undefined>
}

/** The least columns that the user has for a line: a longer path is cut at its start. */
const leastColumns = 40

/** The text of the prompt. */
export const text = (directory: UncPath.UncPath, columns: number): string => {
  const path = printable(CurrentDirectory.shown(directory))
  const most = Math.max(12, columns - leastColumns)
  return `${path.length > most ? `…${path.slice(path.length - most + 1)}` : path}> `
}

/** Makes the prompt. The terminal gets its usual mode at the end of the scope. */
export const make = Effect.fnUntraced(function*<R>(options: {
  /** The oldest line first. */
  readonly history: ReadonlyArray<string>
  readonly limit: number
  readonly isKept: (line: string) => boolean
  readonly complete: (text: string) => Effect.Effect<Completions, never, R>
  /** The terminal. Default: standard input and standard error. */
  readonly input?: NodeJS.ReadableStream & { readonly setRawMode?: (raw: boolean) => unknown }
  readonly output?: NodeJS.WritableStream & { readonly columns?: number }
}): Effect.fn.Return<Prompt, never, R | Scope.Scope> {
  const context = yield* Effect.context<R>()
  const complete = Effect.runCallbackWith(context)
  const { input = process.stdin, output = process.stderr } = options
  const lines: Array<string> = []
  let waiting: ((line: string | undefined) => void) | undefined
  let isClosed = false
  const next = (line: string | undefined): void => {
    const resume = waiting
    waiting = undefined
    if (resume === undefined) {
      if (line !== undefined) lines.push(line)
    } else resume(line)
  }
  const reader = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createInterface({
        input,
        output,
        terminal: true,
        history: options.history.toReversed(),
        historySize: options.limit,
        removeHistoryDuplicates: true,
        completer: (line: string, callback: (error: null, result: [Array<string>, string]) => void) => {
          complete(options.complete(line), {
            onExit: (exit) =>
              callback(null, exit._tag === "Success" ? [[...exit.value.candidates], exit.value.replaced] : [[], line])
          })
        }
      })
    ),
    (reader) =>
      Effect.sync(() => {
        reader.close()
        input.pause()
      })
  )
  reader.on("history", (history: Array<string>) => {
    const kept = history.filter(options.isKept)
    if (kept.length < history.length) history.splice(0, history.length, ...kept)
  })
  reader.on("line", next)
  reader.on("close", () => {
    isClosed = true
    next(undefined)
  })
  // Ctrl-C at the prompt drops the line.
  reader.on("SIGINT", () => {
    output.write("^C\n")
    reader.write(null, { ctrl: true, name: "e" })
    reader.write(null, { ctrl: true, name: "u" })
    reader.prompt()
  })
  reader.on("SIGCONT", () => reader.prompt(true))
  const ask: Prompt["ask"] = (directory) =>
    Effect.callback<string | undefined>((resume) => {
      reader.setPrompt(text(directory, Output.columnsOf(output)))
      const ahead = lines.shift()
      if (ahead !== undefined) return resume(Effect.succeed(ahead))
      if (isClosed) return resume(Effect.succeed(undefined))
      waiting = (line) => {
        if (!isClosed) {
          reader.pause()
          input.setRawMode?.(false)
        }
        resume(Effect.succeed(line))
      }
      input.setRawMode?.(true)
      reader.resume()
      reader.prompt()
      return Effect.sync(() => {
        waiting = undefined
      })
    })
  return { ask }
})
