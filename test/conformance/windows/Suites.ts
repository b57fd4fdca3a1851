/**
 * Runs the test suites that `build.ts` has built, by `dotnet vstest`. Each run has its own copy of the suites, with its own
 * settings, so that several runs can use one build at the same time.
 */
import { type ChildProcess, spawn } from "node:child_process"
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import * as Ptfconfig from "./Ptfconfig.ts"

/** The libraries of the suites, by the name of the suite. */
export const libraries = {
  SMB2: "MS-SMB2_ServerTestSuite.dll",
  FSA: "MS-FSA_ServerTestSuite.dll",
  DFSC: "MS-DFSC_ServerTestSuite.dll",
  Auth: "Auth_ServerTestSuite.dll"
} as const

export type Suite = keyof typeof libraries

const isSetting = (name: string): boolean => name.endsWith(".ptfconfig")

/** Copies a folder. Settings are copies; other files are links to the originals where the file system allows that. */
const copy = (from: string, to: string): void => {
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) copy(source, target)
    else if (isSetting(entry.name)) copyFileSync(source, target)
    else if (!entry.name.includes("TestLog")) {
      try {
        linkSync(source, target)
      } catch {
        copyFileSync(source, target)
      }
    }
  }
}

/** Copies built suites to a folder, and writes the settings for a place. Returns the settings that the suites do not have. */
export const prepare = (built: string, folder: string, place: Ptfconfig.Place): ReadonlyArray<string> => {
  const bin = existsSync(join(built, "bin")) ? join(built, "bin") : built
  if (!existsSync(join(bin, libraries.SMB2))) {
    throw new Error(`${built} has no ${libraries.SMB2}; build the suites with test/conformance/windows/build.ts`)
  }
  copy(bin, folder)
  const unknown: Array<string> = []
  for (const [name, values] of Object.entries(Ptfconfig.settings(place))) {
    const path = join(folder, name)
    const applied = Ptfconfig.apply(readFileSync(path, "utf8"), values)
    unknown.push(...applied.unknown.map((setting) => `${name}: ${setting}`))
    writeFileSync(path, applied.text)
  }
  const common = join(folder, "CommonTestSuite.ptfconfig")
  writeFileSync(common, Ptfconfig.withoutPowerShell(readFileSync(common, "utf8")))
  return unknown
}

const running = new Set<ChildProcess>()

/** The test host is a child of dotnet: the whole group ends. */
const end = (child: ChildProcess): void => {
  if (!running.delete(child) || child.pid === undefined) return
  try {
    process.kill(-child.pid, "SIGKILL")
  } catch {
    // It has ended already.
  }
}

process.once("exit", () => Array.from(running).forEach(end))
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    Array.from(running).forEach(end)
    process.kill(process.pid, signal)
  })
}

/**
 * The log of each step of the last suite that ran in a prepared folder. The suites write it to `.\\TestLog`: on Linux, the
 * backslash is a part of the folder's name.
 */
export const log = (folder: string): string | undefined =>
  [".\\TestLog", "TestLog"].map((name) => join(folder, name, "FileServer_DEBUG.txt")).find((path) => existsSync(path))

/** Where dotnet runs: the command before it, and variables. */
export interface Surroundings {
  readonly command?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
}

/**
 * Runs a suite in a prepared folder, with a filter of vstest, or all its tests. Shows each test's line while the suite
 * runs, and returns the text of its TRX. Asynchronous: the server in this process has to respond.
 */
export const run = async (
  folder: string,
  suite: Suite,
  filter: string | undefined,
  { command = [], env = {} }: Surroundings = {}
): Promise<string> => {
  const results = join(folder, "results")
  const path = join(results, `${suite}.trx`)
  rmSync(path, { force: true })
  const [program, ...args] = [
    ...command,
    "dotnet",
    "vstest",
    join(folder, libraries[suite]),
    `--logger:trx;LogFileName=${suite}.trx`,
    `--ResultsDirectory:${results}`,
    ...(filter === undefined ? [] : [`--TestCaseFilter:${filter}`])
  ]
  const child = spawn(program!, args, {
    cwd: folder,
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
    env: { ...process.env, DOTNET_CLI_TELEMETRY_OPTOUT: "1", DOTNET_NOLOGO: "1", ...env }
  })
  running.add(child)
  const error = await new Promise<Error | undefined>((resolve) => {
    child.once("error", resolve)
    child.once("close", () => resolve(undefined))
  })
  end(child)
  if (error !== undefined) throw new Error(`${program} cannot be started: ${error.message}`)
  if (!existsSync(path)) throw new Error(`${suite} wrote no results; its output is above`)
  return readFileSync(path, "utf8")
}
