/**
 * Runs Microsoft's Windows Protocol Test Suites for file servers against this server and compares with `KNOWN_FAILURES.md`.
 *
 * With `--suites FOLDER` it runs the suites that `build.ts` has built, which needs .NET 10 and rights for port 445.
 * Without it, the suites run in their container (`compose.yaml`), which needs Docker.
 *
 * Arguments:
 *
 * - `--suite SMB2|FSA|DFSC|Auth|BVT`: the suite to run; `BVT` are the build verification tests of all suites. Default: SMB2.
 * - `--filter X`: one test by its name, or an expression of vstest such as `Name~Lease&TestCategory!=BVT`.
 * - `--store memory|folder`: the stores of the shares. Default: `memory`.
 * - `--no-map-names`: with `--store folder`, names with a final period are shown as they are, and not as U+F029.
 * - `--claims`: FSA expects only the features that the server announces, and not all of NTFS.
 * - `--dfs standalone|controller`: `controller` puts the server in the place of a domain controller too. Default:
 *   `standalone`.
 * - `--package Negotiate|Kerberos|Ntlm`: how the users of Auth log on. Auth starts its own domain, which needs Samba.
 * - `--host ADDRESS`: where the server listens. Default: 127.0.28.40. A domain controller is at 127.0.0.1.
 * - `--trx FILE`: runs nothing and reads the results of a file (repeatable).
 * - `--logs FOLDER`: keeps the TRX and the suites' log of each step.
 * - `--archive FILE`: writes the results as JSON.
 * - `--known FILE`: other known failures than `KNOWN_FAILURES.md`.
 * - `--verbose`: shows the messages of failed tests.
 * - `--write`: records the results in `results.tsv`, adds new failures to the known ones, removes known ones that pass, and
 *   writes `docs/conformance.md`.
 * - `--page`: runs nothing, and writes `docs/conformance.md` from the record.
 *
 * Prints one line for each test and a summary by group. Ends with code 1 if there is a new failure, or a known failure
 * passes; with 2 if there are no results.
 */
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Summary from "../Summary.ts"
import * as Report from "./Report.ts"
import * as Results from "./Results.ts"
import * as Trx from "./Trx.ts"

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

const args = process.argv.slice(2)
const option = (name: string): ReadonlyArray<string> => args.flatMap((arg, i) => (arg === name ? [args[i + 1]!] : []))

const oneOf = <const Value extends string>(name: string, values: ReadonlyArray<Value>): Value => {
  const given = option(name)[0] ?? values[0]!
  const found = values.find((value) => value === given)
  if (found === undefined) throw new Error(`${name} ${given}: it is none of ${values.join(", ")}`)
  return found
}

const filterOf = (given: string | undefined): string | undefined =>
  given === undefined || /[=~]/.test(given) ? given : `Name=${given}`

/** The settings of the arguments. Throws if a value is unknown. */
const chosen = () => ({
  suite: oneOf("--suite", ["SMB2", "FSA", "DFSC", "Auth", "BVT"]),
  filter: filterOf(option("--filter")[0]),
  store: oneOf("--store", Results.stores),
  mapNames: !args.includes("--no-map-names"),
  setting: {
    features: args.includes("--claims") ? "claimed" : "ntfs",
    dfs: oneOf("--dfs", ["standalone", "controller"])
  } as const,
  host: option("--host")[0],
  securityPackage: oneOf("--package", ["Negotiate", "Kerberos", "Ntlm"]),
  logs: option("--logs")[0]
})

/** The server is loaded only if the suites run. */
const run = async (choice: ReturnType<typeof chosen>): Promise<ReadonlyArray<string>> => {
  const [suites] = option("--suites")
  if (suites !== undefined) return (await import("./Built.ts")).run(suites, choice)
  return (await import("./Container.ts")).run(choice.host ?? "127.0.28.40", choice.filter ?? "TestCategory=BVT")
}

const knownPath = option("--known")[0] ?? here("KNOWN_FAILURES.md")
const resultsPath = here("results.tsv")

/** Records the results, and writes what follows from them. */
const write = (tests: ReadonlyArray<Trx.TestResult>, setting: Results.Setting, store: Results.Store): void => {
  const rows = Results.record(Results.read(resultsPath), tests, setting, store)
  Results.write(resultsPath, rows)
  for (const section of new Set(tests.map(({ name }) => Results.sectionOf(name, setting)))) {
    for (const [heading, known] of Results.knownAfter(rows, section, readFileSync(knownPath, "utf8"))) {
      if (known.size > 0 || Summary.readKnown(knownPath, [heading]).size > 0) {
        Summary.writeKnown(knownPath, known, heading)
      }
    }
  }
  Report.write()
}

const main = async (): Promise<void> => {
  if (args.includes("--page")) return Report.write()
  const choice = chosen()
  const { setting, store } = choice
  const named = option("--trx")
  const files = named.length > 0 ? named.map((path) => readFileSync(path, "utf8")) : await run(choice)
  const tests = files.flatMap(Trx.parse)
  const verdicts = Results.judge(tests, setting, store, readFileSync(knownPath, "utf8"))
  for (const test of tests) {
    const verdict = verdicts.get(test.name)!
    console.log(`${verdict.padEnd(5)} ${test.seconds.toFixed(1).padStart(6)}s ${test.outcome} ${test.name}`)
    if (args.includes("--verbose") && test.result === "fail") console.log(test.message.replace(/^/gm, "    "))
  }
  if (verdicts.size === 0) throw new Error("there are no results")
  console.log(`\n${Summary.table(verdicts, [Trx.suite, () => "all"]).join("\n")}`)
  for (const verdict of ["new", "fixed"] as const) {
    const names = [...verdicts].filter(([, other]) => other === verdict).map(([test]) => test)
    if (names.length > 0) {
      console.log(`\n${verdict === "new" ? "unknown failures" : "known failures that pass"}:\n  ${names.join("\n  ")}`)
    }
  }
  const [path] = option("--archive")
  if (path !== undefined) {
    const what = [choice.suite, choice.filter, `${store} stores`].filter((part) => part !== undefined).join(", ")
    Summary.archive(path, `Windows Protocol Test Suites, ${what}`, verdicts)
  }
  if (args.includes("--write")) write(tests, setting, store)
  process.exitCode = Summary.exitCode(verdicts)
}

main().catch((cause: unknown) => {
  console.error(cause instanceof Error ? cause.message : cause)
  process.exitCode = 2
})
