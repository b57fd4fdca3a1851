/**
 * One run of the command in this process: its output, what it prints on a failure, and its exit code, as
 * `src/Cli/Program.ts` gives them. Tests of signals and of what a process leaves behind start one (`../command.ts`).
 */
import { NodeServices } from "@effect/platform-node"
import { Cause, ConfigProvider, Console, Effect, Exit, Layer, References } from "effect"
import { Command } from "effect/cli"
import { Console as NodeConsole } from "node:console"
import { Readable } from "node:stream"
import { command } from "../../src/Cli/Commands.ts"
import * as Failure from "../../src/Cli/Failure.ts"
import * as Help from "../../src/Cli/Help.ts"
import * as Output from "../../src/Cli/Output.ts"
import { printed } from "./served.ts"

export interface Run {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Options {
  /** Variables that are added to the environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Standard input. Default: nothing. */
  readonly input?: string | Uint8Array
  readonly version?: string
}

/** Runs `use` with another environment and standard input, which are restored at its end. */
const within = <A, E, R>({ env = {}, input = "" }: Options, use: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const before = { env: { ...process.env }, stdin: Object.getOwnPropertyDescriptor(process, "stdin")! }
      Object.assign(process.env, env)
      const stdin = Readable.from(input.length === 0 ? [] : [Buffer.from(input)])
      Object.defineProperty(process, "stdin", { configurable: true, value: stdin })
      return before
    }),
    () => use,
    (before) =>
      Effect.sync(() => {
        for (const name of Object.keys(process.env)) if (!(name in before.env)) delete process.env[name]
        Object.assign(process.env, before.env)
        Object.defineProperty(process, "stdin", before.stdin)
      })
  )

/** Runs the command without colours and, by default, without a user. */
export const run = (args: ReadonlyArray<string>, options: Options = {}): Effect.Effect<Run> =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(Command.runWith(command, { version: options.version ?? "0" })(args))
    if (Exit.isSuccess(exit)) return 0
    const report = Failure.reportCause(exit.cause)
    if (report !== undefined) yield* Output.tell(report, args.includes("--json"))
    return Failure.report(Cause.squash(exit.cause)).code
  }).pipe(
    (running) =>
      Effect.suspend(() => {
        let code = -1
        return Effect.map(
          printed(Effect.map(running, (value) => {
            code = value
          })),
          ({ err, out }): Run => ({ code, stdout: out, stderr: err })
        )
      }),
    Effect.provide(Layer.mergeAll(
      NodeServices.layer,
      Help.layer,
      Layer.succeed(References.MinimumLogLevel, "Error"),
      // The runner of the tests has a console that does not write to the streams of the process.
      Layer.succeed(Console.Console, new NodeConsole({ stdout: process.stdout, stderr: process.stderr })),
      // Effect reads the environment once in a process, and other tests have run in this one.
      ConfigProvider.layer(Effect.sync(() => ConfigProvider.fromEnv()))
    )),
    (running) => within({ ...options, env: { SMB_USER: "", NO_COLOR: "1", COLUMNS: "", ...options.env } }, running)
  )
