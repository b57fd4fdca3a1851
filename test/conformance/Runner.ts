/**
 * Runs smbtorture against this server: the list of tests, a server with empty shares for each test, one process for
 * each test with its own timeout. The owner of a `Target` stops it. All children end with this process, no matter how
 * it ends.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { lstatSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
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
  /** The share of the server that it is for. Default: `share`. */
  readonly share?: string
}

/** How a test went. */
export interface Outcome {
  readonly result: Summary.Result
  /** The output of smbtorture, followed by the output of the server. */
  readonly output: string
  readonly seconds: number
}

export const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** The suite of a test. A variant belongs to the suite of its variant. */
export const suite = (test: string): string => variantOf(test)?.name ?? test.split(".").slice(0, 2).join(".")

/** What the whole list counts: all tests of smb2, those of remote procedure calls, or the variants. */
export const family = (test: string): string =>
  variantOf(test) !== undefined ? "all variants" : test.startsWith("rpc.") ? "all of rpc" : "all of smb2"

const encrypted = "--client-protection=encrypt"

/**
 * Ways to run a test once more: encrypted, with each cipher, and with each signing algorithm. A variant of a test is named
 * by the test and the variant in brackets, as in `smb2.rw.rw1 (AES-128-CCM)`.
 */
const variants: ReadonlyMap<string, ReadonlyArray<string>> = new Map<string, ReadonlyArray<string>>([
  ["encrypted", [encrypted]],
  ...["AES-128-CCM", "AES-128-GCM", "AES-256-CCM", "AES-256-GCM"].map((cipher) =>
    [cipher, [encrypted, `--option=client smb3 encryption algorithms=${cipher}`]] as const
  ),
  ...["HMAC-SHA256", "AES-128-CMAC", "AES-128-GMAC"].map((algorithm) =>
    [
      `signed by ${algorithm}`,
      ["--client-protection=sign", `--option=client smb3 signing algorithms=${algorithm}`]
    ] as const
  )
])

const variantOf = (test: string) => {
  const match = /^(.*) \((.*)\)$/.exec(test)
  const options = match === null ? undefined : variants.get(match[2]!)
  return options === undefined ? undefined : { test: match![1]!, name: match![2]!, options }
}

/** The versions whose tests and failures are known. The last one is the yardstick. */
export const versions = ["4.17", "4.22"] as const

export type Version = typeof versions[number]

/** The heading of the known failures of a version. */
export const heading = (version: Version): string => `smbtorture ${version}`

/** Every test of a version of smbtorture. */
export const list = (version: Version): ReadonlyArray<Row> =>
  readFileSync(here(`smbtorture-${version}.tsv`), "utf8").split("\n")
    .filter((line) => /^(smb2|rpc)\./.test(line))
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

/**
 * Some tests have several channels, and block some of them by rules of iptables. The server and the test are in a network
 * namespace, so that the rules reach neither the machine nor another test.
 */
const blocksChannels = (test: string): boolean =>
  /^smb2\.(multichannel|replay\.dhv2-pending3|oplock\.batch22b)/.test(test)

/** Gives servers with empty shares. Its process is started at the first use. */
export class Target {
  private readonly host: string
  private readonly ownNetwork: boolean
  private child: Child | undefined
  private said = ""

  constructor(host: string, ownNetwork = false) {
    this.host = host
    this.ownNetwork = ownNetwork
  }

  /** A command in the network of the server. */
  inNetwork(command: ReadonlyArray<string>): ReadonlyArray<string> {
    return this.ownNetwork ? ["nsenter", `--net=/proc/${this.child!.pid}/ns/net`, "--", ...command] : command
  }

  /** The target for the tests that block channels. The owner stops only this one. */
  get isolated(): Target {
    return this.other ??= new Target(this.host, true)
  }

  private other: Target | undefined

  /** A server with empty shares. Fails if the server does not start. */
  fresh(signing: "enabled" | "required" = "enabled"): Promise<{ readonly host: string; readonly port: number }> {
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
      child.stdin.write(`${signing}\n`)
    })
  }

  /** The output of the server since its start. */
  log(): string {
    return this.said
  }

  stop(): void {
    this.other?.stop()
    if (this.child !== undefined) end(this.child)
    this.child = undefined
  }

  private spawn(): Child {
    // One test connects to port 445 itself.
    const address = this.ownNetwork ? `${this.host}:445` : this.host
    const server = [process.execPath, here("serve.ts"), address]
    const [program, ...args] = this.ownNetwork
      ? ["unshare", "--net", "--", "sh", "-c", `ip link set lo up && exec "$@"`, "sh", ...server]
      : server
    const child = start(program!, args)
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

/** The arguments of smbtorture for a test. Remote procedure calls are made by an administrator, as on Windows. */
const argumentsOf = (
  { share = "share", test: name }: Row,
  host: string,
  port: number
): ReadonlyArray<string> => {
  const variant = variantOf(name)
  const test = variant?.test ?? name
  const rpc = test.startsWith("rpc.")
  return [
    rpc ? `ncacn_np:${host}` : `//${host}/${share}`,
    "-p",
    String(port),
    rpc || byAdministrator.has(test) ? "-Uadm%secret" : "-Ujoe%secret",
    "--option=torture:share2=share2",
    // One test makes a file of this name.
    "--option=torture:filename=sparse.dat",
    ...blocksChannels(test) ? ["--option=torture:use_iptables=yes"] : [],
    ...variant?.options ?? [],
    test
  ]
}

const torture = (
  [program, ...before]: ReadonlyArray<string>,
  row: Row,
  host: string,
  port: number
): Promise<Omit<Outcome, "seconds">> =>
  new Promise((resolve) => {
    const folder = makeFolder()
    const child = start(program!, [...before, ...argumentsOf(row, host, port)], folder)
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
export const run = async ({ blocks, command }: Smbtorture, row: Row, shared: Target): Promise<Outcome> => {
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  const target = blocks && blocksChannels(row.test) ? shared.isolated : shared
  try {
    const { host, port } = await target.fresh(
      row.test.startsWith("smb2.session-require-signing.") ? "required" : "enabled"
    )
    const { output, result } = await torture(target.inNetwork(command), row, host, port)
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
  /** Whether its tests can block channels: that needs iptables where it runs, and the rights of root. */
  readonly blocks: boolean
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
  // A link, whose target is below that root.
  const iptables = lstatSync(join(root || "/", "usr/sbin/iptables"), { throwIfNoEntry: false })
  const blocks = process.getuid?.() === 0 && iptables !== undefined
  return { command, release, version, blocks }
}
