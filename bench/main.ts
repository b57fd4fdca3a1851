/**
 * `npm run bench`: measures this project beside smbclient, rclone and smbd, in turn and in one run, and says which goals
 * it reaches. `npm run bench -- read` runs the workloads with "read" in their names.
 *
 * `--rounds N` sets the number of rounds (default: 5), `--list` lists the workloads, `--json FILE` and `--markdown FILE`
 * write the results, and `--write` puts them into docs/speed.md.
 */
import { NodeServices } from "@effect/platform-node"
import { Console, Effect, References } from "effect"
import { mkdir, readFile, writeFile } from "node:fs/promises"
import { availableParallelism, cpus, loadavg } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import * as Curve from "./Curve.ts"
import * as Delayed from "./delayed.ts"
import * as Dfs from "./dfs.ts"
import * as Folders from "./folders.ts"
import * as Growth from "./growth.ts"
import * as Large from "./large.ts"
import * as Memory from "./memory.ts"
import * as Operations from "./operations.ts"
import * as Peer from "./Peer.ts"
import * as Row from "./Row.ts"
import * as Scale from "./scale.ts"
import * as Server from "./server.ts"
import * as Setting from "./Setting.ts"
import * as Small from "./small.ts"
import * as Start from "./start.ts"
import * as Store from "./store.ts"
import type { Workload } from "./Workload.ts"

const { positionals: wanted, values: flags } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "5" },
    list: { type: "boolean", default: false },
    json: { type: "string" },
    markdown: { type: "string" },
    write: { type: "boolean", default: false }
  }
})

const machine = () => ({
  processor: cpus()[0]?.model ?? "unknown CPU",
  cores: availableParallelism(),
  load: Number(loadavg()[0]!.toFixed(1)),
  node: process.version,
  date: new Date().toISOString().slice(0, 10)
})

/** Curves become pictures beside docs/speed.md if the results are to be written there. */
const draw = (curve: Curve.Curve) =>
  flags.write
    ? Effect.promise(async () => {
      const folder = join(Peer.checkout, "docs", "speed")
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, `${curve.name}.svg`), Curve.svg(curve))
    })
    : Effect.void

const allWorkloads = (setting: Setting.Setting): ReadonlyArray<Workload> => [
  ...Large.workloads(setting),
  ...Small.workloads(setting),
  ...Folders.workloads(setting),
  ...Delayed.workloads(setting),
  ...Server.workloads(setting),
  ...Operations.workloads(setting),
  ...Start.workloads(setting),
  ...Memory.workloads(setting),
  ...Growth.workloads(setting, draw),
  ...Store.workloads,
  ...Scale.workloads(setting.rounds),
  ...Dfs.workloads
]

/** Replaces what stands between two comments of docs/speed.md. */
const writePage = async (content: string) => {
  const page = join(Peer.checkout, "docs", "speed.md")
  const text = await readFile(page, "utf8")
  const between = /(<!-- measured by `npm run bench -- --write` -->\n)[\s\S]*(<!-- end -->)/
  if (!between.test(text)) throw new Error(`${page} has no place for the results`)
  await writeFile(page, text.replace(between, (_, begin: string, end: string) => `${begin}${content}\n${end}`))
}

const program = Effect.gen(function*() {
  const before = machine()
  const rounds = Number(flags.rounds)
  if (!Number.isInteger(rounds) || rounds < 1) return yield* Effect.die(new Error("--rounds needs a number from 1"))
  const setting = yield* Setting.make(rounds)
  const workloads = allWorkloads(setting).filter(({ name }) =>
    wanted.length === 0 || wanted.some((word) => name.includes(word))
  )
  if (workloads.length === 0) return yield* Effect.die(new Error(`no workload has ${wanted.join(" or ")} in its name`))
  if (flags.list) return yield* Console.log(workloads.map(({ name }) => name).join("\n"))
  yield* Setting.build
  yield* Console.log(
    `${before.processor}, ${before.cores} cores, load ${before.load}, Node ${before.node}, ${rounds} rounds`
  )
  const results: Array<Row.Row> = []
  for (const { name, rows } of workloads) {
    const measured = yield* Effect.scoped(rows).pipe(
      Effect.mapError((cause) => new Error(`the workload "${name}" failed`, { cause }))
    )
    for (const row of measured) {
      results.push(row)
      yield* Console.log(Row.text(row))
    }
  }
  const missed = results.filter((row) => !Row.reaches(row))
  yield* Console.log(`${results.length} rows, ${missed.length} goals missed`)
  const json = flags.json
  const markdown = flags.markdown
  if (json !== undefined) {
    yield* Effect.promise(() => writeFile(json, JSON.stringify({ machine: before, rounds, rows: results }, null, 2)))
  }
  const page = [
    `Measured on ${before.date}: ${before.processor}, ${before.cores} cores, load ${before.load} before the run, ` +
    `Node ${before.node}, ${rounds} rounds.`,
    "",
    Row.markdown(results)
  ].join("\n")
  if (markdown !== undefined) yield* Effect.promise(() => writeFile(markdown, `${page}\n`))
  if (flags.write) yield* Effect.promise(() => writePage(page))
})

await Effect.runPromise(program.pipe(
  Effect.scoped,
  Effect.provide(NodeServices.layer),
  // Each of the many clients would warn that SMB 1 is insecure.
  Effect.provideService(References.MinimumLogLevel, "Error")
))
