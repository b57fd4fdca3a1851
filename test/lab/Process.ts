/**
 * Programs and processes for the lab: runs one to its end, keeps one running for a scope, and makes sure that it has
 * ended.
 *
 * Everything waits on real time and not on Effect's Clock, so that it also works in tests with a TestClock.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { connect } from "node:net"
import { which } from "../../scripts/lab.mjs"

/** The lab itself failed, and not the code under test. */
export class LabError extends Data.TaggedError("LabError")<{ readonly message: string }> {}

/** A promise of the lab as an effect. */
export const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, LabError> =>
  Effect.tryPromise({
    try: run,
    catch: (error) => new LabError({ message: error instanceof Error ? error.message : String(error) })
  })

/** Real milliseconds. */
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds)
  })

/** The output of a program, and its exit code. */
export interface Output {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const program = (name: string) => which(name) ?? name

/** Runs a program to its end, at most for `timeout` milliseconds (default: 30,000). Any exit code succeeds. */
export const execute = (
  name: string,
  args: ReadonlyArray<string>,
  options?: {
    readonly input?: string
    readonly timeout?: number
    readonly env?: Readonly<Record<string, string>>
    readonly cwd?: string
  }
): Promise<Output> =>
  new Promise((resolve, reject) => {
    const child = spawn(program(name), args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...options?.env },
      ...(options?.cwd === undefined ? {} : { cwd: options.cwd }),
      timeout: options?.timeout ?? 30_000,
      killSignal: "SIGKILL"
    })
    const stdout: Array<Buffer> = []
    const stderr: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk))
    child.stdin.on("error", () => child.stdin.destroy())
    child.stdin.end(options?.input ?? "")
    child.on("error", (error) => reject(new Error(`${name}: ${error.message}`)))
    child.on("close", (code, signal) =>
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString() + (signal === null ? "" : `\n${name}: ended by ${signal}`)
      }))
  })

/** As `execute`, but an exit code other than 0 is an error with the program's output. */
export const mustExecute: typeof execute = async (name, args, options) => {
  const output = await execute(name, args, options)
  if (output.code !== 0) {
    throw new Error(`${name} ${args.join(" ")}: exit code ${output.code}\n${output.stdout}${output.stderr}`)
  }
  return output
}

/** The ids of the processes whose command line contains `text`. */
export const processesWith = (text: string): ReadonlyArray<number> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((name) => {
    try {
      const status = readFileSync(`/proc/${name}/stat`, "utf8")
      const zombie = status.slice(status.lastIndexOf(")") + 2).startsWith("Z")
      return !zombie && readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").includes(text)
    } catch {
      return false
    }
  }).map(Number).filter((id) => id !== process.pid)

/** Sends a signal to a process, or to a group by its negative id. A process that has ended already is no error. */
export const signal = (id: number, name: NodeJS.Signals) => {
  try {
    process.kill(id, name)
  } catch {
    // It has ended already.
    return
  }
}

/** Ends every process whose command line contains `text`, with this signal at first, and returns when none is left. */
export const endAllWith = async (text: string, first: NodeJS.Signals = "SIGTERM"): Promise<void> => {
  for (let round = 0; round < 400; round++) {
    const ids = processesWith(text)
    if (ids.length === 0) return
    // Again every 0.4 seconds, and by SIGKILL after two seconds.
    if (round % 20 === 0) { for (const id of ids) signal(id, round < 100 ? first : "SIGKILL") }
    await pause(20)
  }
  throw new Error(`still running: ${text}`)
}

const cleaner = `
if read -r word; then exit 0; fi
for round in 1 2 3; do
  for process in /proc/[0-9]*; do
    if tr '\\0' ' ' < "$process/cmdline" 2>/dev/null | grep -qF "$FOLDER/"; then kill -KILL "\${process#/proc/}"; fi
  done
  sleep 0.1
done
if [ -n "$ADDRESS" ]; then ip addr del "$ADDRESS/8" dev lo; fi
eval "$LAST"
rm -rf "$FOLDER"
`

/**
 * Cleans up after this process if it ends without closing its scopes, even by SIGKILL: ends all processes with the
 * folder in their command line, removes the address and the folder, and runs the shell commands in `last`. The returned
 * function cancels that.
 */
export const guard = (folder: string, address?: string, last = ""): () => void => {
  const path = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`
  const child = spawn("sh", ["-c", cleaner], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    env: { PATH: path, FOLDER: folder, ADDRESS: address ?? "", LAST: last }
  })
  child.on("error", () => child.stdin.destroy())
  child.stdin.on("error", () => child.stdin.destroy())
  child.unref()
  return () => {
    child.stdin.end("done\n")
  }
}

/** Starts a program that stays; its output goes to the file descriptor `output`. */
export const start = (name: string, args: ReadonlyArray<string>, output: number): ChildProcess =>
  // A new session: this process handles Ctrl-C. No standard input: smbd would take a socket for a client.
  spawn(program(name), args, { detached: true, stdio: ["ignore", output, output] })

// NEGOTIATE for SMB 2.1 (MS-SMB2 2.2.3), written out: the lab does not use code that it helps to test.
const negotiate = Buffer.alloc(4 + 64 + 36 + 2)
negotiate.writeUInt32BE(negotiate.length - 4, 0)
negotiate.write("\xfeSMB", 4, "latin1")
negotiate.writeUInt16LE(64, 4 + 4)
negotiate.writeUInt16LE(1, 4 + 14)
negotiate.writeUInt16LE(36, 68)
negotiate.writeUInt16LE(1, 68 + 2)
negotiate.writeUInt16LE(1, 68 + 4)
negotiate.fill(7, 68 + 12, 68 + 28)
negotiate.writeUInt16LE(0x0210, 68 + 36)

/** Whether a server serves this address and port: it answers a NEGOTIATE, or closes the connection. */
export const serves = (address: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    let connected = false
    const socket = connect({ host: address, port, timeout: 5_000 })
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.on("connect", () => {
      connected = true
      socket.write(negotiate)
    })
    socket.on("data", () => end(true))
    socket.on("close", () => end(connected))
    socket.on("timeout", () => end(false))
    socket.on("error", () => end(connected))
  })
