/**
 * Runs smbtorture against this server: one test a process with its own time limit, a server with fresh shares for each.
 *
 * Arguments: `--gate N` for a gate's tests (repeatable), `--all`, or tests by name; `--jobs N` runs so many at a time;
 * `--verbose` shows what smbtorture said of failures. Prints one line a test and a summary by suite. Ends with code 1 where
 * a test fails that `KNOWN_FAILURES.md` does not name, or one passes that it does.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { fileURLToPath } from "node:url"

/** How a test ended. `new` is a failure that nobody knew of, `fixed` a known one that passes. */
type Verdict = "pass" | "fail" | "skip" | "known" | "new" | "fixed"

interface Row {
  readonly test: string
  readonly gate: string
  readonly seconds: number
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url))

const list = (): ReadonlyArray<Row> =>
  readFileSync(here("smbtorture-4.17.tsv"), "utf8").split("\n")
    .filter((line) => line.startsWith("smb2."))
    .map((line) => {
      const [test, , seconds, gate] = line.split("\t")
      return { test: test!, gate: gate!, seconds: Number(seconds) || 0 }
    })

const known = (): ReadonlySet<string> => {
  const path = here("KNOWN_FAILURES.md")
  if (!existsSync(path)) return new Set()
  return new Set(
    readFileSync(path, "utf8").split("\n").flatMap((line) => {
      const match = /^\| `(smb2\.[^`]+)` \|/.exec(line)
      return match === null ? [] : [match[1]!]
    })
  )
}

const serve = (host: string, port: number): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [here("serve.ts"), host, String(port)], { stdio: ["ignore", "pipe", "pipe"] })
    let said = ""
    child.stderr.on("data", (chunk: Buffer) => said += chunk.toString())
    child.stdout.on("data", (chunk: Buffer) => {
      if (chunk.toString().includes("\"listening\"")) resolve(child)
    })
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}: ${said}`)))
  })

interface Outcome {
  readonly result: "pass" | "fail" | "skip"
  readonly output: string
  readonly millis: number
}

const torture = (row: Row, host: string, port: number): Promise<Outcome> =>
  new Promise((resolve) => {
    const began = performance.now()
    const child = spawn("smbtorture", [
      `//${host}/share`,
      "-p",
      String(port),
      "-Ujoe%secret",
      "--option=torture:share2=share2",
      row.test
    ], { stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => output += chunk.toString())
    child.stderr.on("data", (chunk: Buffer) => output += chunk.toString())
    const limit = setTimeout(() => {
      output += "\n(ended by the time limit)\n"
      child.kill("SIGKILL")
    }, Math.max(20, row.seconds * 2 + 10) * 1000)
    child.on("close", (code) => {
      clearTimeout(limit)
      const result = /^skip: /m.test(output) && code === 0
        ? "skip"
        : code === 0 && /^success: /m.test(output)
        ? "pass"
        : "fail"
      resolve({ result, output, millis: performance.now() - began })
    })
  })

const args = process.argv.slice(2)
const option = (name: string): Array<string> => args.flatMap((arg, i) => (arg === name ? [args[i + 1]!] : []))
const gates = option("--gate")
const jobs = Number(option("--jobs")[0] ?? Math.min(2, availableParallelism()))
const verbose = args.includes("--verbose")
const names = args.filter((arg, i) => arg.startsWith("smb2.") && args[i - 1] !== "--gate")
const all = list()
const rows = names.length > 0
  ? names.flatMap((name) => {
    const found = all.filter((row) => row.test === name || row.test.startsWith(`${name}.`))
    return found.length > 0 ? found : [{ test: name, gate: "-", seconds: 0 }]
  }).filter((row) => gates.length === 0 || gates.includes(row.gate))
  : all.filter((row) => args.includes("--all") || gates.includes(row.gate))
const expected = known()
const verdicts = new Map<string, Verdict>()

const run = async (worker: number): Promise<void> => {
  for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
    const host = `127.0.28.${10 + worker}`
    const port = 4470 + worker
    const server = await serve(host, port)
    server.on("error", () => {})
    let log = ""
    server.stdout!.on("data", (chunk: Buffer) => log += chunk.toString())
    server.stderr!.on("data", (chunk: Buffer) => log += chunk.toString())
    const { millis, output, result } = await torture(row, host, port)
    server.removeAllListeners("exit")
    await new Promise<void>((resolve) => {
      server.on("exit", () => resolve())
      server.kill("SIGKILL")
    })
    const isKnown = expected.has(row.test)
    const verdict: Verdict = result === "fail" ? (isKnown ? "known" : "new") : isKnown ? "fixed" : result
    verdicts.set(row.test, verdict)
    console.log(`${verdict.padEnd(5)} ${(millis / 1000).toFixed(1).padStart(6)}s gate ${row.gate} ${row.test}`)
    if (verbose && result !== "pass") console.log(output.replace(/^/gm, "    "))
    if (log !== "") console.log(log.replace(/^/gm, "    server: "))
  }
}

const queue = [...rows]
await Promise.all(Array.from({ length: jobs }, (_, worker) => run(worker)))

const suites = new Map<string, Record<Verdict, number>>()
const none = (): Record<Verdict, number> => ({ pass: 0, fail: 0, skip: 0, known: 0, new: 0, fixed: 0 })
const total = none()
for (const [test, verdict] of verdicts) {
  const suite = test.split(".").slice(0, 2).join(".")
  const counts = suites.get(suite) ?? none()
  counts[verdict]++
  total[verdict]++
  suites.set(suite, counts)
}
console.log("\nsuite                          pass  skip known   new fixed")
for (const [suite, counts] of [...[...suites].sort(), ["all", total] as const]) {
  const cells = [counts.pass, counts.skip, counts.known, counts.new, counts.fixed].map((n) => String(n).padStart(5))
  console.log(`${suite.padEnd(29)} ${cells.join(" ")}`)
}
process.exitCode = total.new > 0 || total.fixed > 0 ? 1 : 0
