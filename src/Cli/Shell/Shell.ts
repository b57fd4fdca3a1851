/**
 * The shell: it reads lines from a terminal, a pipe or a flag, and runs their commands one after the other in one
 * session.
 *
 * A failed command ends its line: `cd x; rm *` removes nothing if x does not exist. Input that is no terminal ends at
 * the first failed command, with its exit code.
 */
import * as Cause from "effect/Cause"
import type * as CliError from "effect/cli/CliError"
import type * as Descriptor from "effect/cli/Completions"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { createInterface } from "node:readline"
import { LinesFailed, report, UsageError } from "../Failure.ts"
import { running, stopping } from "../Interruption.ts"
import * as Output from "../Output.ts"
import * as PlatformPaths from "../PlatformPaths.ts"
import * as Completion from "./Completion.ts"
import type * as CurrentDirectory from "./CurrentDirectory.ts"
import * as History from "./History.ts"
import * as Prompt from "./Prompt.ts"
import * as Words from "./Words.ts"

/** Runs the words of one command. */
export type Run<R> = (words: ReadonlyArray<string>) => Effect.Effect<void, unknown, R>

interface Format {
  readonly json: boolean
}

/** What happened: the exit code of a command, or that the shell ends. */
type Outcome = number | "exit"

/** Subcommands that only look, and show the current directory if the user names no path. */
const lookers: ReadonlySet<string> = new Set([
  "ls",
  "tree",
  "find",
  "stat",
  "du",
  "df",
  "versions",
  "watch",
  "shares",
  "info",
  "locks",
  "doctor"
])

/** Whether the only mistake is that the last path is missing. */
const isPathMissing = (error: unknown, tag: "MissingArgument" | "InvalidValue"): boolean => {
  if (!Predicate.isTagged(error, "ShowHelp")) return false
  const { errors } = error as unknown as CliError.ShowHelp
  return errors.length === 1 && errors[0]!._tag === tag
}

/** Runs a command. A missing path is the current directory for subcommands that look, and as the target of `put`. */
const attempt = <R>(run: Run<R>, words: ReadonlyArray<string>): Effect.Effect<void, unknown, R> => {
  const [name] = words
  const tag = lookers.has(name!) ? "MissingArgument" : name === "put" ? "InvalidValue" : undefined
  return tag === undefined
    ? run(words)
    : Effect.catchIf(run(words), (error) => isPathMissing(error, tag), () => run([...words, "."]))
}

/** A failure is shown without the name of the command that is outside the shell. */
const tell = (cause: Cause.Cause<unknown>, { json }: Format): Effect.Effect<number> => {
  const failure = report(Cause.squash(cause))
  const message = failure.message?.replace(/ for "effect-smb"(?= )/, "").replace(
    /\(see effect-smb (.*) --help\)$/,
    "(see help $1)"
  )
    .replace(/\(see effect-smb --help\)$/, "(see help)")
  return Effect.as(Output.tell(message === undefined ? failure : { ...failure, message }, json), failure.code)
}

/** Runs the words of one command, and prints its failure. */
export const runWords = <R>(
  run: Run<R>,
  words: ReadonlyArray<string>,
  format: Format
): Effect.Effect<Outcome, never, R> => {
  const [name, ...rest] = words
  const asked = name === "help" || name === "?" ? [...rest, "--help"] : words
  return Effect.matchCauseEffect(attempt(run, asked), {
    onSuccess: () => Effect.succeed<Outcome>(0),
    onFailure: (cause): Effect.Effect<Outcome> =>
      Cause.hasInterruptsOnly(cause)
        ? Effect.succeed(130)
        : Predicate.isTagged(Cause.squash(cause), "ShellEnded")
        ? Effect.succeed("exit")
        : tell(cause, format)
  })
}

/** Runs a line, until a command of it fails. */
export const runLine = Effect.fnUntraced(function*<R>(run: Run<R>, line: string, format: Format) {
  const commands = Words.parse(line)
  if (Result.isFailure(commands)) {
    return yield* tell(Cause.fail(new UsageError({ detail: commands.failure })), format)
  }
  for (const words of commands.success) {
    const outcome = yield* runWords(run, words, format)
    if (outcome !== 0) return outcome
  }
  return 0 as Outcome
})

/** Runs lines from a flag or a pipe. Ends at the first failure, which was printed. */
export const batch = Effect.fnUntraced(function*<R>(
  run: Run<R>,
  lines: AsyncIterable<string> | Iterable<string>,
  format: Format
) {
  const iterator = Symbol.asyncIterator in lines ? lines[Symbol.asyncIterator]() : lines[Symbol.iterator]()
  for (;;) {
    const next = yield* Effect.promise(async () => iterator.next())
    if (next.done === true) return
    const outcome = yield* runLine(run, next.value, format)
    if (outcome === "exit") return
    if (outcome !== 0) return yield* new LinesFailed({ code: outcome })
  }
})

/** The lines of standard input. */
export const inputLines = (): AsyncIterable<string> => createInterface({ input: process.stdin, terminal: false })

/** Runs a line so that an interruption ends only the line. Waits no longer for its end than the whole command would. */
const interruptible = Effect.fnUntraced(
  function*<R>(line: Effect.Effect<Outcome, never, R>) {
    const patience = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(line)
    let timer: NodeJS.Timeout | undefined
    running.end = () => {
      timer ??= setTimeout(() => Deferred.doneUnsafe(patience, Exit.void), stopping.patience)
      fiber.interruptUnsafe()
    }
    const outcome = yield* Effect.raceFirst(
      Effect.map(Fiber.await(fiber), (exit): Outcome => Exit.isSuccess(exit) ? exit.value : 130),
      Effect.as(Deferred.await(patience), 130)
    )
    clearTimeout(timer)
    return outcome
  },
  Effect.ensuring(Effect.sync(() => {
    running.end = undefined
  }))
)

/** Reads lines from the terminal until the user ends it. */
export const interactive = Effect.fnUntraced(function*<R>(
  run: Run<R>,
  tree: Descriptor.CommandDescriptor,
  here: CurrentDirectory.Here,
  format: Format
) {
  const path = PlatformPaths.historyFile()
  const prompt = yield* Prompt.make({
    history: yield* History.load(path),
    limit: History.limit,
    isKept: History.isKept,
    complete: (text) => Completion.complete(tree, here, text)
  })
  for (;;) {
    const line = yield* prompt.ask(here.path)
    if (line === undefined) return yield* Output.writeError("\n")
    yield* History.add(path, line)
    const outcome = yield* interruptible(runLine(run, line, format))
    if (outcome === "exit") return
    // The terminal has shown ^C, and the cursor stands after it.
    if (outcome === 130) yield* Output.writeError("\n")
  }
}, Effect.scoped)
