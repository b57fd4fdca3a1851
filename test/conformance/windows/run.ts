/**
 * Runs Microsoft's Windows Protocol Test Suites for file servers against this server and compares with `KNOWN_FAILURES.md`.
 * The suites run in a container (`compose.yaml`): this needs Docker, and rights for port 445.
 *
 * Arguments: `--filter EXPRESSION` for the tests to run, as the suites' own runner reads it (default: `TestCategory=BVT`);
 * `--host ADDRESS` to listen on (default: 127.0.28.40); `--trx FILE` to run nothing and read the results of a file
 * (repeatable); `--archive FILE` writes the results as JSON; `--verbose` shows the messages of failed tests; `--write` adds
 * new failures to the known ones and removes known ones that pass. Prints one line for each test and a summary by suite.
 * Ends with code 1 if there is a new failure, or a known failure passes; with 2 if there are no results.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Summary from "../Summary.ts"
import * as Trx from "./Trx.ts"

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const args = process.argv.slice(2)
const option = (name: string): ReadonlyArray<string> => args.flatMap((arg, i) => (arg === name ? [args[i + 1]!] : []))
const host = option("--host")[0] ?? "127.0.28.40"
const filter = option("--filter")[0] ?? "TestCategory=BVT"

/** The server is loaded only if the suites run. */
const run = async (): Promise<ReadonlyArray<string>> => (await import("./Container.ts")).run(host, filter)

const main = async (): Promise<void> => {
  const named = option("--trx")
  const files = named.length > 0 ? named.map((path) => readFileSync(path, "utf8")) : await run()
  const known = Summary.readKnown(here("KNOWN_FAILURES.md"))
  const verdicts = new Map<string, Summary.Verdict>()
  for (const test of files.flatMap(Trx.parse)) {
    const verdict = Summary.judge(known.get(test.name), test.result, "are free")
    verdicts.set(test.name, verdict)
    console.log(`${verdict.padEnd(5)} ${test.seconds.toFixed(1).padStart(6)}s ${test.outcome} ${test.name}`)
    if (args.includes("--verbose") && test.result === "fail") console.log(test.message.replace(/^/gm, "    "))
  }
  if (verdicts.size === 0) throw new Error("there are no results")
  console.log(`\n${Summary.table(verdicts, [Trx.suite, () => "all"]).join("\n")}`)
  const [path] = option("--archive")
  if (path !== undefined) Summary.archive(path, `Windows Protocol Test Suites, ${filter}`, verdicts)
  if (args.includes("--write")) {
    for (const [test, verdict] of verdicts) {
      if (verdict === "fixed") known.delete(test)
      if (verdict === "new") known.set(test, { kind: "to do", reason: "not looked into" })
    }
    Summary.writeKnown(here("KNOWN_FAILURES.md"), known)
  }
  process.exitCode = Summary.exitCode(verdicts)
}

main().catch((cause: unknown) => {
  console.error(cause instanceof Error ? cause.message : cause)
  process.exitCode = 2
})
