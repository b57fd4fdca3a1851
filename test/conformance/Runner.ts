/**
 * Runs smbtorture against this server: the list of tests, a server with empty shares for each test, one process for
 * each test with its own timeout. The owner of a `Target` stops it. All children end with this process, no matter how
 * it ends.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import * as Summary from "./Summary.ts"

/** A test of the list: the result and the seconds of smbd itself, and the test's gate. */
export interface Row {
  readonly test: string
  readonly smbd: string
  readonly gate: string
  readonly seconds: number
}

/** How a test went. */
export interface Outcome {
  readonly result: Summary.Result
  /** The output of smbtorture, followed by the output of the server. */
  readonly output: string
  readonly seconds: number
}

export const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

export const suite = (test: string): string => test.split(".").slice(0, 2).join(".")

/** The versions whose tests and failures are known. The last one is the yardstick. */
export const versions = ["4.17", "4.22"] as const

export type Version = typeof versions[number]

/** The heading of the known failures of a version. */
export const heading = (version: Version): string => `smbtorture ${version}`

/** Every test of a version of smbtorture. */
export const list = (version: Version): ReadonlyArray<Row> =>
  readFileSync(here(`smbtorture-${version}.tsv`), "utf8").split("\n")
    .filter((line) => line.startsWith("smb2."))
    .map((line) => {
      const [test, smbd, seconds, gate] = line.split("\t")
      return { test: test!, smbd: smbd!, gate: gate!, seconds: Number(seconds) || 0 }
    })

/** The number of tests of 4.22 that smbd 4.22 passes, by suite. */
export const smbdBySuite = (): ReadonlyMap<string, number> =>
  new Map(
    readFileSync(here("smbtorture-4.22-smbd.tsv"), "utf8").split("\n").filter((line) => line.startsWith("smb2."))
      .map((line) => {
        const [name, passed] = line.split("\t")
        return [name!, Number(passed)]
      })
  )

/** The failures of a version in `KNOWN_FAILURES.md`, by the test's exact name. */
export const known = (version: Version): Map<string, Summary.Known> =>
  Summary.readKnown(here("KNOWN_FAILURES.md"), [heading(version)])

/** At most `count` quick tests that pass, from all suites as evenly as possible. */
export const quick = (count: number, version: Version): ReadonlyArray<Row> => {
  const failures = known(version)
  const suites = new Map<string, Array<Row>>()
  for (const row of list(version)) {
    if ((row.gate !== "1" && row.gate !== "2") || row.seconds >= 0.2 || failures.has(row.test)) continue
    suites.set(suite(row.test), [...suites.get(suite(row.test)) ?? [], row])
  }
  const chosen: Array<Row> = []
  for (let round = 0; chosen.length < count && [...suites.values()].some((rows) => rows.length > round); round++) {
    for (const rows of suites.values()) {
      if (rows[round] !== undefined && chosen.length < count) chosen.push(rows[round]!)
    }
  }
  return chosen
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

const children = new Set<Child>()

/** Ends a child and all processes that it has started. */
const end = (child: Child): void => {
  if (!children.delete(child)) return
  try {
    process.kill(-child.pid!, "SIGKILL")
  } catch {
    // It has ended already.
  }
}

/** The folders in which smbtorture runs: it creates a folder there, and leaves it when it is ended. */
const folders = new Set<string>()

const makeFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), "smbtorture-"))
  folders.add(folder)
  return folder
}

const removeFolder = (folder: string): void => {
  rmSync(folder, { recursive: true, force: true })
  folders.delete(folder)
}

const endAll = (): void => {
  for (const child of Array.from(children)) end(child)
  for (const folder of Array.from(folders)) removeFolder(folder)
}

process.once("exit", endAll)
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    endAll()
    process.kill(process.pid, signal)
  })
}

/** Each child leads its own process group: the processes that it starts end with it. */
const start = (command: string, args: ReadonlyArray<string>, cwd?: string): Child => {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], detached: true, cwd })
  child.stdin.on("error", () => {})
  if (child.pid !== undefined) children.add(child)
  return child
}

/** Gives servers with empty shares. Its process is started at the first use. */
export class Target {
  private readonly host: string
  private child: Child | undefined
  private said = ""

  constructor(host: string) {
    this.host = host
  }

  /** A server with empty shares. Fails if the server does not start. */
  fresh(): Promise<{ readonly host: string; readonly port: number }> {
    this.said = ""
    const child = this.child ??= this.spawn()
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        finish()
        this.stop()
        reject(new Error(`the server did not start: ${why}\n${this.said}`))
      }
      const limit = setTimeout(() => fail("nothing in 20 s"), 20_000)
      const listening = () => {
        const match = /^\{"event":"listening",.*\}$/m.exec(this.said)
        if (match === null) return
        finish()
        this.said = this.said.replace(match[0], "").trim()
        resolve(JSON.parse(match[0]) as { host: string; port: number })
      }
      const ended = (code: number | null) => fail(`it ended with ${code}`)
      const broken = (cause: Error) => fail(cause.message)
      const finish = () => {
        clearTimeout(limit)
        child.stdout.off("data", listening)
        child.off("exit", ended)
        child.off("error", broken)
      }
      child.stdout.on("data", listening)
      child.on("exit", ended)
      child.on("error", broken)
      child.stdin.write("fresh\n")
    })
  }

  /** The output of the server since its start. */
  log(): string {
    return this.said
  }

  stop(): void {
    if (this.child !== undefined) end(this.child)
    this.child = undefined
  }

  private spawn(): Child {
    const child = start(process.execPath, [here("serve.ts"), this.host])
    const hear = (chunk: Buffer) => this.said += chunk.toString()
    child.stdout.on("data", hear)
    child.stderr.on("data", hear)
    child.once("exit", () => {
      children.delete(child)
      if (this.child === child) this.child = undefined
    })
    return child
  }
}

/** The timeout in seconds: enough for a busy machine. */
const limitOf = ({ seconds, smbd }: Row): number =>
  smbd === "success" || smbd === "-" ? Math.max(60, seconds * 4 + 20) : smbd === "timeout" ? 20 : seconds * 2 + 20

/** These tests give a file to another user, as an administrator can. On Windows all tests run as an administrator. */
const byAdministrator: ReadonlySet<string> = new Set([
  "smb2.acls.SDFLAGSVSCHOWN",
  "smb2.create.acldir",
  "smb2.create.aclfile"
])

const torture = (
  [program, ...before]: ReadonlyArray<string>,
  row: Row,
  host: string,
  port: number
): Promise<Omit<Outcome, "seconds">> =>
  new Promise((resolve) => {
    const folder = makeFolder()
    const child = start(program!, [
      ...before,
      `//${host}/share`,
      "-p",
      String(port),
      byAdministrator.has(row.test) ? "-Uadm%secret" : "-Ujoe%secret",
      "--option=torture:share2=share2",
      row.test
    ], folder)
    child.stdin.end()
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => output += chunk.toString())
    child.stderr.on("data", (chunk: Buffer) => output += chunk.toString())
    const limit = setTimeout(() => {
      output += "\n(ended by the time limit)\n"
      end(child)
    }, limitOf(row) * 1000)
    const finish = (code: number | null) => {
      clearTimeout(limit)
      end(child)
      removeFolder(folder)
      const skipped = /^skip: /m.test(output) && code === 0
      const passed = /^success: /m.test(output) && code === 0
      resolve({ result: skipped ? "skip" : passed ? "pass" : "fail", output })
    }
    child.once("error", (cause) => {
      output += cause.message
      finish(null)
    })
    child.once("close", finish)
  })

/** Runs one test. The test fails if the server does not start, or ends during the test. */
export const run = async ({ command }: Smbtorture, row: Row, target: Target): Promise<Outcome> => {
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  try {
    const { host, port } = await target.fresh()
    const { output, result } = await torture(command, row, host, port)
    const log = target.log()
    // The next test must not meet the files of a failed one.
    if (result === "fail") target.stop()
    return { result, output: log === "" ? output : `${output}\nserver: ${log}\n`, seconds: seconds() }
  } catch (cause) {
    return { result: "fail", output: (cause as Error).message, seconds: seconds() }
  }
}

/** The version of an smbtorture, such as `4.17.12`, by its own words; undefined if it cannot be started. */
const asked = (command: ReadonlyArray<string>): Promise<string | undefined> =>
  new Promise((resolve) => {
    const child = start(command[0]!, [...command.slice(1), "--version"])
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => output += chunk.toString())
    child.once("error", () => resolve(undefined))
    child.once("close", () => {
      children.delete(child)
      resolve(/Version (\d+\.\d+\.\d+)/.exec(output)?.[1])
    })
  })

/** An smbtorture of this machine. */
export interface Smbtorture {
  readonly command: ReadonlyArray<string>
  /** The whole version, such as `4.22.11`. */
  readonly release: string
  readonly version: Version
}

/**
 * The smbtorture in the root folder that `SMBTORTURE_ROOT` names, such as one that debootstrap made of another Debian;
 * otherwise the one in PATH. Its list of tests is that of its version, or of the last version before. Throws if it is missing.
 */
export const find = async (root = process.env.SMBTORTURE_ROOT): Promise<Smbtorture> => {
  const command = root === undefined || root === "" ? ["smbtorture"] : ["chroot", root, "smbtorture"]
  const release = await asked(command)
  if (release === undefined) throw new Error(`${command.join(" ")} does not start; install samba-testsuite`)
  const minor = (text: string) => Number(text.split(".")[1])
  // Another version, such as Ubuntu's, has nearly the tests of the list before it.
  const version = versions.findLast((one) => minor(one) <= minor(release)) ?? versions[0]
  return { command, release, version }
}
