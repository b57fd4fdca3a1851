/**
 * Runs smbtorture against this server and compares with `KNOWN_FAILURES.md`. It takes the smbtorture in PATH, or the one in
 * the root folder that the variable `SMBTORTURE_ROOT` names: 4.17 or 4.22, each with its own list and known failures.
 *
 * Arguments: `--gate N` for a gate's tests (repeatable; default: all of the list), `--quick`, or tests or suites by name;
 * `--jobs N` runs N tests at a time; `--verbose` shows the output of smbtorture for failures; `--write` writes the counts to
 * its part of `docs/conformance.md`, adds new failures to the known ones and removes known ones that pass; `--archive FILE` writes the
 * results as JSON, and `--from FILE` reads such a file instead of running tests. Prints one line for each test and a summary by suite. Ends with code 1 if there is a new failure, or a
 * known failure passes. A test that smbd itself does not pass may fail.
 */
import { readFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import * as Page from "./Page.ts"
import * as Runner from "./Runner.ts"
import * as Summary from "./Summary.ts"

const args = process.argv.slice(2)
const valued = new Set(["--gate", "--jobs", "--archive", "--from"])
const option = (name: string): Array<string> => args.flatMap((arg, i) => (arg === name ? [args[i + 1]!] : []))
const names = args.filter((arg, i) => !arg.startsWith("--") && !valued.has(args[i - 1] ?? ""))
const gates = option("--gate")
const jobs = Number(option("--jobs")[0] ?? Math.min(2, availableParallelism()))
const verbose = args.includes("--verbose")
const smbtorture = await Runner.find()
const { version } = smbtorture
if (!smbtorture.blocks) {
  console.log("Some tests of channels will fail: they need iptables next to smbtorture, and the rights of root.")
}
const all = Runner.list(version)

const rows = (): ReadonlyArray<Runner.Row> => {
  if (args.includes("--quick")) return Runner.quick(60, version)
  const found = names.length === 0 ? all : names.flatMap((name) => {
    const some = all.filter((row) => row.test === name || row.test.startsWith(`${name}.`))
    return some.length > 0 ? some : [{ test: name, smbd: "-", gate: "-", seconds: 0 }]
  })
  if (gates.length > 0) return found.filter((row) => gates.includes(row.gate))
  // The tests that were not run with smbd wait until they are ended, or measure.
  return names.length > 0 ? found : found.filter((row) => row.smbd !== "not-run")
}

const expected = Runner.known(version)
const verdicts = new Map<string, Summary.Verdict>()
const queue = [...rows()]

const rowOf = (test: string): Runner.Row =>
  all.find((one) => one.test === test) ?? { test, smbd: "-", gate: "-", seconds: 0 }

/** All failures of 4.22 are known by name. A test that smbd 4.17 itself does not pass has no gate, and may fail. */
const judge = (row: Runner.Row, result: Runner.Outcome["result"]): Summary.Verdict => {
  const known = expected.get(row.test)
  if (version !== "4.17" || row.gate !== "-") return Summary.judge(known, result, "are known")
  return known === undefined && result === "fail" ? "known" : Summary.judge(known, result, "are free")
}

const results = new Map<string, Runner.Outcome["result"]>()

const work = async (worker: number): Promise<void> => {
  const target = new Runner.Target(`127.0.28.${10 + worker}`)
  for (let row = queue.shift(); row !== undefined; row = queue.shift()) {
    const { output, result, seconds } = await Runner.run(smbtorture, row, target)
    const verdict = judge(row, result)
    verdicts.set(row.test, verdict)
    results.set(row.test, result)
    console.log(`${verdict.padEnd(5)} ${seconds.toFixed(1).padStart(6)}s gate ${row.gate} ${row.test}`)
    if (verbose && result !== "pass") console.log(output.replace(/^/gm, "    "))
  }
  target.stop()
}

const [archived] = option("--from")
if (archived === undefined) {
  await Promise.all(Array.from({ length: jobs }, (_, worker) => work(worker)))
} else {
  const { results: before } = JSON.parse(readFileSync(archived, "utf8")) as {
    readonly results: Readonly<Record<string, Runner.Outcome["result"]>>
  }
  for (const [test, result] of Object.entries(before)) {
    results.set(test, result)
    verdicts.set(test, judge(rowOf(test), result))
  }
}

const gateOf = (test: string): string => {
  const { gate } = rowOf(test)
  return gate === "-" ? "no gate" : `gate ${gate}`
}

console.log(`\n${Summary.table(verdicts, [Runner.suite, gateOf, Runner.family]).join("\n")}`)

const [archive] = option("--archive")
if (archive !== undefined) Summary.archive(archive, `smbtorture ${smbtorture.release}`, verdicts, results)

/** The number of tests of each group that smbd passes. Of 4.22, only the numbers of its suites are known. */
const smbd = (group: (test: string) => string): ReadonlyMap<string, number> => {
  if (version === "4.22") {
    const suites = Runner.smbdBySuite()
    return new Map([...suites, ["all of smb2", [...suites.values()].reduce((sum, passed) => sum + passed, 0)]])
  }
  const passed = new Map([...results.keys()].map((test) => [test, rowOf(test).smbd as "success"]))
  return new Map([...Summary.count(passed, group)].map(([name, { success = 0 }]) => [name, success]))
}

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
        theirs.get(name) ?? "–"
      ])
    })
  )

if (args.includes("--write")) {
  const gates = version === "4.17"
    ? `A small server should pass the tests of gate 1, and a full server those of gate 2. Gate 3 has the other tests that smbd
passes. Tests that smbd does not pass, in the setting of the list, have no gate.

${table("gate", [gateOf, Runner.family])}

`
    : ""
  Page.writePart(
    `smbtorture ${version}`,
    `Smbtorture ${smbtorture.release} against the server with memory stores; [the list of
tests](../test/conformance/smbtorture-${version}.tsv).

${gates}${table("suite", version === "4.17" ? [Runner.suite] : [Runner.family, Runner.suite])}
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
  Summary.writeKnown(Runner.here("KNOWN_FAILURES.md"), expected, Runner.heading(version))
}
process.exitCode = Summary.exitCode(verdicts)
