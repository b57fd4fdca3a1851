/** A password from the output of a command, such as `pass show nas`. */
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/** The command gives no password. Its output is in no message. */
export class PasswordCommandError extends Schema.TaggedError<PasswordCommandError>()("PasswordCommandError", {
  program: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.program} gives no password: ${this.detail}`
  }
}

/** The most bytes of the output. */
const largest = 64 * 1024

/**
 * Runs a program without a shell, and takes the first line of its output. It can ask the user on the terminal: standard
 * input and standard error are those of the command.
 */
export const run = Effect.fnUntraced(
  function*([program, ...words]: readonly [string, ...ReadonlyArray<string>]) {
    const failed = (detail: string) => new PasswordCommandError({ program, detail })
    const spawner = yield* ChildProcessSpawner
    const child = yield* Effect.mapError(
      spawner.spawn(ChildProcess.make(program, words, { stdin: "inherit", stderr: "inherit" })),
      ({ reason }) => failed(reason._tag === "NotFound" ? "there is no such program" : reason.message)
    )
    let size = 0
    const chunks = yield* child.stdout.pipe(
      Stream.takeWhile((chunk) => (size += chunk.length) <= largest),
      Stream.runCollect,
      Effect.mapError(({ message }) => failed(message))
    )
    if (size > largest) return yield* failed("its output is too long")
    const code = yield* Effect.mapError(child.exitCode, ({ message }) => failed(message))
    if (code !== 0) return yield* failed(`it ended with the exit code ${code}`)
    const [line = ""] = Buffer.concat(chunks).toString("utf8").replace(/^\uFEFF/, "").split(/\r?\n/, 1)
    if (line === "") return yield* failed("the first line of its output is empty")
    return Redacted.make(line)
  },
  Effect.scoped
)
