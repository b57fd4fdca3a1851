/**
 * Runs smbtorture against this server and compares with `KNOWN_FAILURES.md`.
 *
 * Arguments: `--gate N` for a gate's tests (repeatable; all of the list where nothing is said), `--quick`, or tests or
 * suites by name; `--jobs N` runs so many at a time; `--verbose` shows what smbtorture said of failures; `--write` puts the
 * counts into `docs/conformance.md`, adds new failures to the known ones and takes out those that pass. Prints one line a
 * test and a summary by suite. Ends with code 1 where a test fails that was not known to, or one passes that was. What
 * smbd itself does not pass may fail.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import * as Runner from "./Runner.ts"

/** How a test ended. `known` and `new` are failures, `fixed` is a known one that passes. */
type Verdict = "pass" | "skip" | "known" | "new" | "fixed"

const args = process.argv.slice(2)
const valued = new Set(["--gate", "--jobs"])
const option = (name: string): Array<string> => args.flatMap((arg, i) => (arg === name ? [args[i + 1]!] : []))
const names = args.filter((arg, i) => !arg.startsWith("--") && !valued.has(args[i - 1] ?? ""))
const gates = option("--gate")
const jobs = Number(option("--jobs")[0] ?? Math.min(2, availableParallelism()))
const verbose = args.includes("--verbose")
const all = Runner.list()

const rows = (): ReadonlyArray<Runner.Row> => {
  if (args.includes("--quick")) return Runner.quick(60)
  const found = names.length === 0 ? all : names.flatMap((name) => {
    const some = all.filter((row) => row.test === name || row.test.startsWith(`${name}.`))
    return some.length > 0 ? some : [{ test: name, smbd: "-", gate: "-", seconds: 0 }]
  })
  if (gates.length > 0) return found.filter((row) => gates.includes(row.gate))
  // Those that smbd was not asked either hold something open until they are ended, or measure.
  return names.length > 0 ? found : found.filter((row) => row.smbd !== "not-run")
}

const expected = Runner.known()
const verdicts = new Map<string, Verdict>()
const queue = [...rows()]

/** Left out is as bad as failed where nobody knew of it: what is no longer announced is no longer tested. */
const judge = (row: Runner.Row, result: Runner.Outcome["result"]): Verdict => {
  const kind = expected.get(row.test)?.kind
  if (result === "pass") return kind === undefined ? "pass" : "fixed"
  if (result === "skip") return kind === "skipped" || row.gate === "-" ? "skip" : "new"
  return row.gate !== "-" && (kind === undefined || kind === "skipped") ? "new" : "known"
}

const results = new Map<string, Runner.Outcome["result"]>()

const work = async (worker: number): Promise<void> => {
  const target = new Runner.Target(`127.0.28.${10 + worker}`)
  for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
    const { output, result, seconds } = await Runner.run(row, target)
    const verdict = judge(row, result)
    verdicts.set(row.test, verdict)
    results.set(row.test, result)
    console.log(`${verdict.padEnd(5)} ${seconds.toFixed(1).padStart(6)}s gate ${row.gate} ${row.test}`)
    if (verbose && result !== "pass") console.log(output.replace(/^/gm, "    "))
  }
  target.stop()
}

await Promise.all(Array.from({ length: jobs }, (_, worker) => work(worker)))

const verdictNames = ["pass", "skip", "known", "new", "fixed"] as const
const rowOf = (test: string): Runner.Row =>
  all.find((one) => one.test === test) ?? { test, smbd: "-", gate: "-", seconds: 0 }

/** How many of each there are, by a group that each test is in. */
const count = <K extends string>(
  of: ReadonlyMap<string, K>,
  group: (row: Runner.Row) => string
): ReadonlyMap<string, { readonly [key in K]?: number }> => {
  const groups = new Map<string, { [key in K]?: number }>()
  for (const [test, key] of [...of].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const name = group(rowOf(test))
    const counts = groups.get(name) ?? ({} as { [key in K]?: number })
    counts[key] = (counts[key] ?? 0) + 1
    groups.set(name, counts)
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)))
}
const suiteOf = (row: Runner.Row): string => Runner.suite(row.test)
const gateOf = (row: Runner.Row): string => (row.gate === "-" ? "no gate" : `gate ${row.gate}`)
const everything = () => "all"

console.log(`\n${"suite".padEnd(29)} ${verdictNames.map((name) => name.padStart(5)).join(" ")}`)
for (const group of [suiteOf, gateOf, everything]) {
  for (const [name, counts] of count(verdicts, group)) {
    const cells = verdictNames.map((verdict) => String(counts[verdict] ?? 0).padStart(5))
    console.log(`${name.padEnd(29)} ${cells.join(" ")}`)
  }
}

/** How many tests of each group smbd passes. */
const smbd = (group: (row: Runner.Row) => string): ReadonlyMap<string, { readonly success?: number }> =>
  count(new Map([...results.keys()].map((test) => [test, rowOf(test).smbd as "success"])), group)

const table = (title: string, groups: ReadonlyArray<(row: Runner.Row) => string>): string =>
  [
    `| ${title} | tests | passed | skipped | failed | smbd passes |`,
    "| --- | --: | --: | --: | --: | --: |",
    ...groups.flatMap((group) => {
      const theirs = smbd(group)
      return [...count(results, group)].map(([name, { fail = 0, pass = 0, skip = 0 }]) =>
        `| ${name} | ${pass + skip + fail} | ${pass} | ${skip} | ${fail} | ${theirs.get(name)?.success ?? 0} |`
      )
    })
  ].join("\n")

if (args.includes("--write")) {
  writeFileSync(
    Runner.here("../../docs/conformance.md"),
    `# Conformance of the server

Written by \`npm run conformance\`: smbtorture ${await Runner
      .version()} against the server with memory stores, each test with
a server and shares of its own. The list of tests, with how smbd 4.17.12 itself does, is
[smbtorture-4.17.tsv](../test/conformance/smbtorture-4.17.tsv); gate 1 is what a small server should pass, gate 2 what a full
one does, gate 3 what else smbd passes; what smbd does not pass, in the setting that the list was made in, has no gate.
What fails of the gates is named with its reason in [KNOWN_FAILURES.md](../test/conformance/KNOWN_FAILURES.md). A skipped
test is one that smbtorture itself left out, because the server does not announce what it is about.

${table("gate", [gateOf, everything])}

${table("suite", [suiteOf])}
`
  )
  const path = Runner.here("KNOWN_FAILURES.md")
  const [head = ""] = readFileSync(path, "utf8").split("| test |")
  for (const [test, verdict] of verdicts) {
    if (verdict === "fixed") expected.delete(test)
    if (verdict !== "new") continue
    expected.set(
      test,
      results.get(test) === "skip"
        ? { kind: "skipped", reason: "smbtorture leaves it out here" }
        : { kind: "to do", reason: "not looked into" }
    )
  }
  const lines = [...expected].sort(([a], [b]) => (a < b ? -1 : 1))
    .sort(([, a], [, b]) => (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : 0))
    .map(([test, { kind, reason }]) => `| \`${test}\` | ${kind} | ${reason} |\n`)
  writeFileSync(path, `${head}| test | kind | reason |\n| --- | --- | --- |\n${lines.join("")}`)
}
process.exitCode = [...verdicts.values()].some((verdict) => verdict === "new" || verdict === "fixed") ? 1 : 0
