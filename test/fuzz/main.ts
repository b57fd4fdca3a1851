/**
 * The fuzzers as a command: `npm run fuzz -- [target ...] [--executions N] [--seed S]`. docs/reliability.md has the
 * options and the figures.
 */
import { parseArgs } from "node:util"
import { SHARE_ENV, Worker } from "node:worker_threads"
import * as Corpus from "./Corpus.ts"
import type { Report, Target } from "./Engine.ts"
import { sessions, targets } from "./targets/index.ts"
import { hasKerberos } from "./targets/Kerberos.ts"

const usage = `npm run fuzz -- [target ...] [options]

targets: ${targets.map(({ name }) => name).join(", ")}; none: all

  --executions N  inputs of each target; default: 100000, and 1000 for ${sessions.map(({ name }) => name).join(", ")}
  --minutes M     the most time for each target; without --executions, that alone
  --seed S        default: another one each time; it is printed
  --no-coverage   changes the recorded inputs alone, and keeps none: twice as fast, and the same again for a seed
  --input LINE    runs one target with one input, as it was printed
  --save          keeps inputs that reached new code in test/fuzz/corpus
  --json          prints one line of JSON for each target`

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    executions: { type: "string" },
    minutes: { type: "string" },
    seed: { type: "string" },
    "no-coverage": { type: "boolean", default: false },
    input: { type: "string" },
    save: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false }
  }
})

const fail = (message: string): never => {
  console.error(`${message}\n\n${usage}`)
  process.exit(2)
}

const whole = (text: string, name: string): number =>
  /^\d{1,12}$/.test(text) ? Number(text) : fail(`--${name} is a whole number, not ${text}`)

/** Milliseconds without an execution after which a thread hangs: a client may wait long for a hostile server. */
const hang = 120_000

/** Megabytes of the heap of a thread: more than any target needs. */
const heap = 512

type Ended =
  | { readonly _tag: "Report"; readonly report: Report & { readonly heap: number } }
  | { readonly _tag: "Broken"; readonly error: string; readonly input: Uint8Array }

const run = (target: Target, seed: number, executions: number, minutes: number | undefined): Promise<Ended> =>
  new Promise((resolve) => {
    const shared = new SharedArrayBuffer(8 + 64 * 1024)
    const head = new Int32Array(shared, 0, 2)
    const input = () => new Uint8Array(shared, 8).slice(0, head[1])
    const worker = new Worker(new URL("Worker.ts", import.meta.url), {
      workerData: { target: target.name, seed, executions, minutes, coverage: !values["no-coverage"], shared },
      resourceLimits: { maxOldGenerationSizeMb: heap },
      // The Kerberos library reads the environment of the process.
      env: SHARE_ENV
    })
    let [count, since] = [0, performance.now()]
    const end = (ended: Ended) => {
      clearInterval(watch)
      void worker.terminate()
      resolve(ended)
    }
    const watch = setInterval(() => {
      const now = Atomics.load(head, 0)
      if (now !== count) [count, since] = [now, performance.now()]
      else if (performance.now() - since > hang) {
        end({ _tag: "Broken", error: `nothing happened for ${hang / 1000} s`, input: input() })
      }
    }, 500)
    worker.on("message", (report) => end({ _tag: "Report", report }))
    worker.on("error", (error) => end({ _tag: "Broken", error: String(error), input: input() }))
    worker.on("exit", (code) => end({ _tag: "Broken", error: `the thread ended with ${code}`, input: input() }))
  })

const tell = (target: Target, input: Uint8Array, error: string): void => {
  const line = Corpus.format(target, input)
  console.error(`${target.name}: ${error}\n\n  npm run fuzz -- ${target.name} --input '${line}'\n`)
}

const main = async (): Promise<void> => {
  if (values.help) return console.log(usage)
  const chosen = positionals.length === 0 ?
    targets :
    positionals.map((name) => targets.find((target) => target.name === name) ?? fail(`no target has the name ${name}`))
  if (values.input !== undefined) {
    if (chosen.length !== 1) fail("--input needs one target")
    const input = Corpus.parse(chosen[0]!, values.input) ?? fail("no decoder has that name")
    const running = await chosen[0]!.open()
    await running.run(input, 0)
    await running.close?.()
    return console.log("this input keeps all promises")
  }
  const seed = values.seed === undefined ? 1 + Math.floor(Math.random() * 0x7fff_fffe) : whole(values.seed, "seed")
  if (positionals.length === 0 && !hasKerberos) {
    console.error("kerberos is left out: this machine has no Kerberos library (libgssapi-krb5-2)")
  }
  const minutes = values.minutes === undefined ? undefined : whole(values.minutes, "minutes")
  if (!values.json) console.log(`seed ${seed}`)
  for (const target of chosen) {
    const usual = minutes !== undefined ? Number.MAX_SAFE_INTEGER : sessions.includes(target) ? 1000 : 100_000
    const executions = values.executions === undefined ? usual : whole(values.executions, "executions")
    const began = performance.now()
    const ended = await run(target, seed, executions, minutes)
    const seconds = (performance.now() - began) / 1000
    if (ended._tag === "Broken") {
      tell(target, ended.input, ended.error)
      process.exitCode = 1
      continue
    }
    const { blocks, findings, kept, packets, report } = { report: ended.report, ...ended.report }
    if (values.json) {
      const line = {
        target: target.name,
        seed,
        executions: report.executions,
        packets,
        blocks,
        kept: kept.length,
        findings: findings.length,
        seconds: Number(seconds.toFixed(1))
      }
      console.log(JSON.stringify(line))
    } else {
      console.log(
        `${target.name}: ${report.executions} executions${packets === 0 ? "" : `, ${packets} packets`} in ` +
          `${seconds.toFixed(0)} s, ${blocks} blocks reached, ${kept.length} inputs kept, ${findings.length} findings`
      )
    }
    for (const { error, input } of findings) tell(target, input, error)
    if (findings.length > 0) process.exitCode = 1
    if (values.save) Corpus.write(target, [...Corpus.read(target), ...kept])
  }
}

await main()
