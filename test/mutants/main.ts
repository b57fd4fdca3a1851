/**
 * `npm run mutants`: changes one expression or statement at a time in the modules that guard data and rights, and says
 * which changes no unit test notices. docs/adr/0017-mutants.md says by what, and why.
 *
 * Stryker makes the changes in a copy in the system's temporary folder, and removes that at the end. It ends tests that
 * hang. It is installed at the first run, next to what `npm ci` installed, from this folder's package-lock.json.
 */
import { spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join, relative } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { parseArgs } from "node:util"
import * as Changes from "./Changes.ts"
import * as Report from "./Report.ts"
import { choose, type Room } from "./Rooms.ts"

const usage = `usage: npm run mutants -- [options]
  --module NAME   a module (NtlmServer), a path (src/Auth/NtlmServer.ts) or a folder (src/Auth); repeatable. Default: all
  --tests PATH    these tests instead of the room's: a folder or a file; repeatable
  --count NUMBER  changes in each folder, chosen by the seed. Default: 40; 0 makes all
  --seed TEXT     chooses among the changes. Default: today's date
  --jobs NUMBER   tests at the same time. Default: 2
  --report FILE   writes all changes as JSON
  --changes FILE  tries these changes instead: JSON, a list of { "file", "before", "after" }. \`before\` is the text of an
                  expression or a statement; an empty \`after\` takes it out
It fails if fewer than 95 % of the changes that somebody could see are noticed.`

const here = fileURLToPath(new URL("./", import.meta.url))
const checkout = fileURLToPath(new URL("../../", import.meta.url))
const tools = join(checkout, "node_modules/.cache/mutants")

const fail = (message: string): never => {
  console.error(message)
  process.exit(2)
}

const options = () => {
  try {
    const { values } = parseArgs({
      options: {
        module: { type: "string", multiple: true },
        tests: { type: "string", multiple: true },
        count: { type: "string", default: "40" },
        seed: { type: "string", default: new Date().toISOString().slice(0, 10) },
        jobs: { type: "string", default: "2" },
        report: { type: "string" },
        changes: { type: "string" },
        help: { type: "boolean" }
      }
    })
    if (values.help === true) {
      console.log(usage)
      process.exit(0)
    }
    const number = (name: string, text: string) =>
      /^\d+$/.test(text) ? Number(text) : fail(`--${name} ${text}: a number is expected.\n${usage}`)
    const count = number("count", values.count)
    const changes: ReadonlyArray<Changes.Written> | undefined = values.changes === undefined
      ? undefined
      : JSON.parse(readFileSync(values.changes, "utf8"))
    return {
      changes,
      tests: values.tests,
      rooms: choose(values.module ?? [...new Set(changes?.map(({ file }) => file) ?? [])]),
      count: count === 0 ? undefined : count,
      seed: values.seed,
      jobs: Math.max(1, number("jobs", values.jobs)),
      report: values.report
    }
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : error}\n${usage}`)
  }
}

/** Installs Stryker, unless the same versions are installed. */
const install = () => {
  const lock = "package-lock.json"
  const installed = join(tools, lock)
  const wanted = readFileSync(join(here, lock), "utf8")
  if (existsSync(join(tools, "node_modules")) && readFileSync(installed, "utf8") === wanted) return
  mkdirSync(tools, { recursive: true })
  for (const name of ["package.json", lock, ".npmrc"]) cpSync(join(here, name), join(tools, name))
  const { status } = spawnSync("npm", ["ci", "--ignore-scripts"], { cwd: tools, stdio: "inherit" })
  if (status !== 0) fail("Stryker could not be installed: see above.")
}

const chosen = options()
// An end by a signal is an exit too, so that the copy is removed.
for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  process.once(signal, () => process.exit(code))
}
install()
process.chdir(checkout)

const require = createRequire(join(tools, "package.json"))
const load = (path: string) => import(pathToFileURL(join(tools, "node_modules", path)).href)
const babel = require("@babel/core")
const { allMutators } = await load("@stryker-mutator/instrumenter/dist/src/mutators/mutate.js")
const { Stryker } = await load("@stryker-mutator/core/dist/src/index.js")
const instrumenterRequire = createRequire(join(tools, "node_modules/@stryker-mutator/instrumenter/package.json"))
const { default: traverse } = await import(pathToFileURL(instrumenterRequire.resolve("@babel/traverse")).href)
const { parse } = await import(pathToFileURL(instrumenterRequire.resolve("@babel/parser")).href)

const all: ReadonlyArray<Changes.Mutator> = [
  ...allMutators.filter(({ name }: Changes.Mutator) => !Changes.without.has(name)),
  ...Changes.ours(babel.types)
]

/** The changes of a file: Stryker's and ours, or the written ones. */
const mutatorsOf = (file: string): ReadonlyArray<Changes.Mutator> =>
  chosen.changes === undefined ? all : [
    Changes.written(
      chosen.changes.filter((change) => change.file === file),
      readFileSync(file, "utf8"),
      (code) =>
        parse(code, {
          sourceType: "module",
          plugins: ["typescript"],
          allowYieldOutsideFunction: true,
          allowReturnOutsideFunction: true,
          allowAwaitOutsideFunction: true
        }).program.body[0]
    )
  ]

/** The keys of all changes that could be made in a file. */
const keysOf = (file: string): ReadonlyArray<string> => {
  const keys: Array<string> = []
  const collect = mutatorsOf(file).map((mutator) => Changes.limited(mutator, () => file, (key) => keys.push(key) < 0))
  traverse(parse(readFileSync(file, "utf8"), { sourceType: "module", plugins: ["typescript"] }), {
    enter(path: any) {
      if (path.isTSType() || path.isTSInterfaceDeclaration() || path.isImportDeclaration()) return path.skip()
      for (const mutator of collect) for (const _ of mutator.mutate(path)) { /* collects */ }
    }
  })
  return keys
}

/** Makes the changes of one row of the table, and asks its tests. */
const ask = async (room: Room): Promise<ReadonlyArray<Report.Change>> => {
  const files = room.modules.map((module) => `${room.folder}/${module}.ts`)
  const keys = Changes.pick(files.flatMap(keysOf), chosen.seed, chosen.count)
  const wanted = files.filter((file) => [...keys].some((key) => key.startsWith(`${file}:`)))
  // Stryker has no interface for its list of mutators, but reads it again for each file.
  const fileOf = (path: any) => relative(checkout, path.hub.file.opts.filename)
  allMutators.splice(
    0,
    allMutators.length,
    {
      name: "Change",
      *mutate(path: any) {
        const file = fileOf(path)
        for (const mutator of mutatorsOf(file)) {
          yield* Changes.limited(mutator, () => file, (key) => keys.has(key)).mutate(path)
        }
      }
    }
  )
  const folder = mkdtempSync(join(tmpdir(), "effect-smb-mutants-"))
  // Also after an interruption, see below.
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once("exit", remove)
  process.env.MUTANTS_TESTS = (chosen.tests ?? room.tests).join(",")
  try {
    await new Stryker({
      mutate: wanted,
      testRunner: "vitest",
      vitest: { configFile: "test/mutants/vitest.config.ts", pool: "forks" },
      plugins: [
        pathToFileURL(join(tools, "node_modules/@stryker-mutator/vitest-runner/dist/src/index.js")).href,
        new URL("Live.ts", import.meta.url).href
      ],
      coverageAnalysis: "perTest",
      concurrency: chosen.jobs,
      reporters: ["progress-append-only", "json", "live"],
      jsonReporter: { fileName: join(folder, "report.json") },
      // A loaded machine takes longer than the five minutes of the default for the first run of all tests.
      dryRunTimeoutMinutes: 20,
      timeoutMS: 15_000,
      tempDirName: join(folder, "copy"),
      cleanTempDir: "always",
      // TypeScript 7 has no interface for Stryker to read and rewrite a tsconfig.json with.
      tsconfigFile: "no-tsconfig.json",
      checkers: [],
      disableTypeChecks: false,
      logLevel: "warn",
      allowConsoleColors: false,
      packageManager: "npm"
    }).runMutationTest()
    return Report.changesOf(JSON.parse(readFileSync(join(folder, "report.json"), "utf8")))
  } finally {
    remove()
    process.off("exit", remove)
  }
}

const changes: Array<Report.Change> = []
for (const room of chosen.rooms) changes.push(...await ask(room))
const known = JSON.parse(readFileSync(join(here, "known.json"), "utf8"))
console.log(`\nseed ${chosen.seed}\n${Report.text(changes, known)}`)
if (chosen.report !== undefined) writeFileSync(chosen.report, `${JSON.stringify(changes, undefined, 2)}\n`)
process.exitCode = Report.score(Report.summary(changes, known)) >= 95 ? 0 : 1
