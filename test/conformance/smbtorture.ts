/**
 * Runs smbtorture against this server and compares with `KNOWN_FAILURES.md`.
 *
 * Arguments: `--gate N` for a gate's tests (repeatable; default: all of the list), `--quick`, or tests or suites by name;
 * `--jobs N` runs N tests at a time; `--verbose` shows the output of smbtorture for failures; `--write` writes the counts to
 * its part of `docs/conformance.md`, adds new failures to the known ones and removes known ones that pass; `--archive FILE` writes the
 * results as JSON. Prints one line for each test and a summary by suite. Ends with code 1 if there is a new failure, or a
 * known failure passes. A test that smbd itself does not pass may fail.
 */
import { availableParallelism } from "node:os"
import * as Page from "./Page.ts"
import * as Runner from "./Runner.ts"
import * as Summary from "./Summary.ts"

const args = process.argv.slice(2)
const valued = new Set(["--gate", "--jobs", "--archive"])
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
  // The tests that were not run with smbd wait until they are ended, or measure.
  return names.length > 0 ? found : found.filter((row) => row.smbd !== "not-run")
}

const expected = Runner.known()
const verdicts = new Map<string, Summary.Verdict>()
const queue = [...rows()]

/** A test that smbd itself does not pass has no gate, and may fail. */
const judge = (row: Runner.Row, result: Runner.Outcome["result"]): Summary.Verdict => {
  const known = expected.get(row.test)
  if (row.gate !== "-") return Summary.judge(known, result, "are known")
  return known === undefined && result === "fail" ? "known" : Summary.judge(known, result, "are free")
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

const rowOf = (test: string): Runner.Row =>
  all.find((one) => one.test === test) ?? { test, smbd: "-", gate: "-", seconds: 0 }
const gateOf = (test: string): string => {
  const { gate } = rowOf(test)
  return gate === "-" ? "no gate" : `gate ${gate}`
}
const everything = () => "all"

console.log(`\n${Summary.table(verdicts, [Runner.suite, gateOf, everything]).join("\n")}`)

const [archive] = option("--archive")
if (archive !== undefined) Summary.archive(archive, `smbtorture ${await Runner.version()}`, verdicts)

/** The number of tests of each group that smbd passes. */
const smbd = (group: (test: string) => string): ReadonlyMap<string, { readonly success?: number }> =>
  Summary.count(new Map([...results.keys()].map((test) => [test, rowOf(test).smbd as "success"])), group)

const table = (title: string, groups: ReadonlyArray<(test: string) => string>): string =>
  Page.table(
    [title, "tests", "passed", "skipped", "failed", "smbd passes"],
    groups.flatMap((group) => {
      const theirs = smbd(group)
      return [...Summary.count(results, group)].map(([name, { fail = 0, pass = 0, skip = 0 }]) => [
        name,
        pass + skip + fail,
        pass,
        skip,
        fail,
        theirs.get(name)?.success ?? 0
      ])
    })
  )

if (args.includes("--write")) {
  Page.writePart(
    "smbtorture",
    `Smbtorture ${await Runner
      .version()} against the server with memory stores. Each test has its own server and shares. The list of tests,
with the results of smbd 4.17.12 itself, is [smbtorture-4.17.tsv](../test/conformance/smbtorture-4.17.tsv).
A small server should pass the tests of gate 1, and a full server those of gate 2. Gate 3 has the other tests that smbd
passes. Tests that smbd does not pass, in the setting of the list, have no gate.
[KNOWN_FAILURES.md](../test/conformance/KNOWN_FAILURES.md) names each failure of the gates with its reason. smbtorture
itself skips a test if the server does not announce the feature.
Three tests give files to others and run as an administrator (\`byAdministrator\` in Runner.ts); all others run as a plain user.

${table("gate", [gateOf, everything])}

${table("suite", [Runner.suite])}
`
  )
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
  Summary.writeKnown(Runner.here("KNOWN_FAILURES.md"), expected)
}
process.exitCode = Summary.exitCode(verdicts)
