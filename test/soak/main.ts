/**
 * A soak as a command: `npm run soak -- [--minutes 30]`. A server and clients work for that time, and memory, open files
 * and the percentiles of the time that work takes must not grow. docs/reliability.md has the tolerances and the figures.
 */
import { fork } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import * as Curve from "../../bench/Curve.ts"
import { worker } from "./Load.ts"
import { type Held, held } from "./Memory.ts"
import type { Told } from "./serve.ts"
import { judge, percentile, type Sample, type Tolerance, warmUp } from "./Slope.ts"

const usage = `npm run soak -- [options]

  --minutes N    default: 30
  --workers N    default: 8
  --seed S       default: another one each time; it is printed
  --out FOLDER   where the plots go; default: docs/reliability`

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    workers: { type: "string", default: "8" },
    seed: { type: "string" },
    out: { type: "string", default: fileURLToPath(new URL("../../docs/reliability", import.meta.url)) },
    help: { type: "boolean", default: false }
  }
})

const positive = (text: string, name: string): number => {
  const value = Number(text)
  if (Number.isFinite(value) && value > 0) return value
  console.error(`--${name} is a positive number, not ${text}\n\n${usage}`)
  process.exit(2)
}

/** How many times the values are taken in a run. */
const samples = 120

const mebibyte = 1024 * 1024

/** Each value, how much it may grow over the whole run without its beginning, and the plot that shows it. */
const rules: Readonly<Record<string, Tolerance & { readonly plot: "memory" | "handles" | "latency" | "processor" }>> = {
  "client heap, MiB": { part: 0.1, absolute: 2, plot: "memory" },
  "client buffers, MiB": { part: 0.25, absolute: 8, plot: "memory" },
  "client RSS, MiB": { part: 0.1, absolute: 16, plot: "memory" },
  "server heap, MiB": { part: 0.1, absolute: 2, plot: "memory" },
  "server buffers, MiB": { part: 0.25, absolute: 8, plot: "memory" },
  "server RSS, MiB": { part: 0.1, absolute: 16, plot: "memory" },
  "client files": { part: 0, absolute: 2, plot: "handles" },
  "client resources": { part: 0, absolute: 2, plot: "handles" },
  "server files": { part: 0, absolute: 2, plot: "handles" },
  "server resources": { part: 0, absolute: 2, plot: "handles" },
  "server opens": { part: 0, absolute: 2, plot: "handles" },
  "client processor, ms a piece of work": { part: 0.25, absolute: 0.5, plot: "processor" },
  "server processor, ms a piece of work": { part: 0.25, absolute: 0.5, plot: "processor" },
  "p50, ms": { part: 0.25, absolute: 1, plot: "latency" },
  "p95, ms": { part: 0.5, absolute: 2, plot: "latency" },
  "p99, ms": { part: 0.5, absolute: 5, plot: "latency" }
}

type ServerHeld = Extract<Told, { readonly _tag: "Held" }>

/** The server, in its own process. */
const startServer = async (folder: string) => {
  const child = fork(fileURLToPath(new URL("serve.ts", import.meta.url)), [folder])
  const next = () =>
    new Promise<Told>((resolve, reject) => {
      const gone = () => reject(new Error("the server's process ended"))
      child.once("exit", gone)
      child.once("message", (told) => {
        child.off("exit", gone)
        resolve(told as Told)
      })
    })
  const first = await next()
  if (first._tag !== "Port") throw new Error("the server told no port")
  return {
    port: first.port,
    held: async (): Promise<ServerHeld> => {
      child.send("held")
      return await next() as ServerHeld
    },
    stop: async (): Promise<void> => {
      child.disconnect()
      await new Promise((resolve) => child.once("exit", resolve))
    }
  }
}

const sizes = (
  who: string,
  { buffers, files, heap, resources, rss }: Held
): ReadonlyArray<readonly [string, number]> => [
  [`${who} heap, MiB`, heap / mebibyte],
  [`${who} buffers, MiB`, buffers / mebibyte],
  [`${who} RSS, MiB`, rss / mebibyte],
  [`${who} files`, files],
  [`${who} resources`, resources]
]

const main = async (): Promise<void> => {
  if (values.help) return console.log(usage)
  const minutes = positive(values.minutes, "minutes")
  const workers = positive(values.workers, "workers")
  const seed = values.seed === undefined
    ? 1 + Math.floor(Math.random() * 0x7fff_fffe)
    : positive(values.seed, "seed")
  console.log(`seed ${seed}, ${minutes} minutes, ${workers} workers`)
  const folder = mkdtempSync(join(tmpdir(), "effect-smb-soak-"))
  const server = await startServer(folder)
  const series = new Map<string, Array<Sample>>(Object.keys(rules).map((name) => [name, []]))
  const times: Array<number> = []
  const state: { done: number; over: boolean; failure: unknown } = { done: 0, over: false, failure: undefined }
  const running = Array.from({ length: workers }, (_, number) =>
    worker({
      port: server.port,
      number,
      seed,
      isOver: () => state.over,
      onDone: ({ millis }) => {
        state.done++
        times.push(millis)
      }
    }).catch((error) => {
      state.failure ??= error
      state.over = true
    }))
  const began = performance.now()
  let [client, there] = [held(), await server.held()]
  for (let i = 1; i <= samples && !state.over; i++) {
    await sleep(Math.max(began + i * minutes * 60_000 / samples - performance.now(), 1))
    const taken = times.splice(0)
    const [clientBefore, serverBefore] = [client, there]
    there = await server.held()
    client = held()
    const now: ReadonlyArray<readonly [string, number]> = [
      ...sizes("client", client),
      ...sizes("server", there),
      ["server opens", there.opens],
      // A short run on a busy machine has intervals in which nothing ended.
      ...taken.length === 0 ? [] : [
        ["client processor, ms a piece of work", (client.processor - clientBefore.processor) / taken.length],
        ["server processor, ms a piece of work", (there.processor - serverBefore.processor) / taken.length],
        ["p50, ms", percentile(taken, 0.5)],
        ["p95, ms", percentile(taken, 0.95)],
        ["p99, ms", percentile(taken, 0.99)]
      ] as const
    ]
    const at = (performance.now() - began) / 60_000
    for (const [name, value] of now) series.get(name)!.push({ at, value })
  }
  state.over = true
  await Promise.all(running)
  // The clients have gone: the server may take a moment to notice.
  let left = await server.held()
  for (let i = 0; i < 200 && left.connections + left.sessions + left.opens > 0; i++) {
    await sleep(50)
    left = await server.held()
  }
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
  if (state.failure !== undefined) throw state.failure
  report(series, state.done)
  if (left.connections + left.sessions + left.opens > 0) {
    console.error(`left at the server: ${left.connections} connections, ${left.sessions} sessions, ${left.opens} opens`)
    process.exitCode = 1
  }
}

/** Draws the plots, prints a row for each value, and fails for one that grew. */
const report = (series: ReadonlyMap<string, ReadonlyArray<Sample>>, done: number): void => {
  mkdirSync(values.out, { recursive: true })
  const titles = {
    memory: "MiB after a garbage collection",
    handles: "files and sockets",
    latency: "time of work, ms",
    processor: "processor time, ms"
  }
  for (const [plot, title] of Object.entries(titles)) {
    const shown = [...series].filter(([name]) => rules[name]!.plot === plot).map(([name, points]) => ({
      name,
      points: points.map(({ at, value }) => ({ x: at, y: value }))
    }))
    writeFileSync(join(values.out, `soak-${plot}.svg`), Curve.overTime({ title, x: "minutes", series: shown }))
  }
  console.log(`${done} pieces of work; the first ${warmUp * 100} % of the time do not count below\n`)
  console.log("| value | median | growth | allowed | |\n| --- | ---: | ---: | ---: | --- |")
  for (const [name, points] of series) {
    const { allowed, flat, growth, median } = judge(points, rules[name]!)
    const row = [name, median.toFixed(1), growth.toFixed(1), allowed.toFixed(1), flat ? "flat" : "**grows**"]
    console.log(`| ${row.join(" | ")} |`)
    if (!flat) process.exitCode = 1
  }
}

await main()
