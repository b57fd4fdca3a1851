/**
 * Runs the command: arguments in, output and an exit code out.
 *
 * The exit code is 0 for success, 1 for a failure, 2 for wrong usage, and 128 plus the signal's number if a signal
 * ended the run. A server that listens is stopped by a first SIGINT, SIGTERM or SIGHUP: exit code 0.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import * as Terminal from "effect/Terminal"
import { readFileSync } from "node:fs"
import { WaitsAtEnd } from "../Protocol/Multiplexer.ts"
import * as UnfinishedFiles from "../Transfer/UnfinishedFiles.ts"
import { command } from "./Commands.ts"
import * as Failure from "./Failure.ts"
import * as Help from "./Help.ts"
import { running, stopping } from "./Interruption.ts"
import * as Output from "./Output.ts"

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

/** Questions go to standard error, because the output may go into a file. */
const terminal = Layer.effect(
  Terminal.Terminal,
  Effect.map(Terminal.Terminal, (terminal) =>
    Terminal.make({
      ...terminal,
      columns: Effect.sync(() => process.stderr.columns ?? 80),
      rows: Effect.sync(() => process.stderr.rows ?? 24),
      display: Output.writeError
    }))
)

const isJson = (): boolean => process.argv.includes("--json")

const warned = new Set<string>()

/**
 * Warnings for the user, such as that SMB 1 is insecure: a line on standard error, once; an object with `--json`. DFS
 * warnings are not printed: the failure itself, or `dfs resolve --trace`, tells them.
 */
const warnings = Logger.make(({ fiber, message }) => {
  const about = fiber.getRef(References.CurrentLogAnnotations)
  // `Reconnecting` tells of lost connections.
  if ("dfs" in about || "reconnect" in about) return
  const text = (Array.isArray(message) ? message : [message]).map(String).join(" ")
  const line = isJson() ? Output.jsonLine({ warning: "Notice", message: text }) : `effect-smb: warning: ${text}\n`
  if (warned.has(line)) return
  warned.add(line)
  process.stderr.write(line)
})

const services = Layer.mergeAll(
  Layer.provideMerge(terminal, NodeServices.layer),
  Help.layer,
  Layer.succeed(References.MinimumLogLevel, "Warn"),
  // The process ends with its last connection.
  Layer.succeed(WaitsAtEnd, false),
  Logger.layer([warnings])
)

let signalCode: number | undefined

const endAtOnce = (code: number): void => {
  UnfinishedFiles.removeAll()
  process.exit(code)
}

let hungUp = false

/** Interrupts the run; set when it begins. */
let interrupt = (): void => {}

for (const [signal, usual] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  process.on(signal, () => {
    if (signal === "SIGINT" && running.end !== undefined) return running.end()
    const code = hungUp ? 129 : usual
    if (signalCode !== undefined) return endAtOnce(code)
    signalCode = code
    setTimeout(endAtOnce, stopping.patience, code).unref()
    interrupt()
  })
}
// The terminal is closed. The runtime does not listen for that, and incomplete work must still be cleaned up.
process.on("SIGHUP", () => {
  hungUp = true
  process.emit("SIGTERM", "SIGTERM")
})

/** Like NodeRuntime.runMain, which would interrupt the whole run also for a SIGINT that is for a command of a shell. */
const runMain = Runtime.makeRunMain(({ fiber, teardown }) => {
  interrupt = () => fiber.interruptUnsafe(fiber.id)
  fiber.addObserver((exit) =>
    teardown(exit, (code) => {
      if (signalCode !== undefined || code !== 0) process.exit(code)
    })
  )
})

Output.listen()

Command.run(command, { version }).pipe(
  Effect.onExit((exit) =>
    Exit.isSuccess(exit)
      ? Effect.void
      : Effect.suspend(() => {
        const report = Failure.reportCause(exit.cause)
        return report === undefined ? Effect.void : Output.tell(report, isJson())
      })
  ),
  Effect.provide(services),
  runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      const code = Exit.isSuccess(exit)
        ? 0
        : Cause.hasInterruptsOnly(exit.cause)
        ? stopping.isDone ? 0 : signalCode ?? 130
        : Failure.report(Cause.squash(exit.cause)).code
      onExit(code)
    }
  })
)
