/**
 * Runs all checks in one command: types, lint, format, then the tests; arguments go to vitest, for example `npm test --
 * test/Codec`. The lab's tests start real servers. If they cannot run, one line says so; with `LAB=required` in the
 * environment that is a failure. `LAB=off` leaves them out.
 *
 * The last line is `N passed, N failed`: it counts tests, and every check or test file that failed as a whole.
 */
import { spawnSync } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { missing, missingDomain, missingMounts } from "./lab.mjs"

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** The programs of node_modules. Windows cannot start the links to them, so Node starts each by its path. */
const programs = {
  tsc: "typescript/bin/tsc",
  oxlint: "oxlint/bin/oxlint",
  vitest: "vitest/vitest.mjs"
}

const run = (command, args) => {
  const program = programs[command] === undefined ? [] : [join(root, "node_modules", programs[command])]
  const { error, status } = spawnSync(process.execPath, [...program, ...args], { stdio: "inherit", cwd: root })
  if (error) console.error(`${command}: ${error.message}`)
  return status === 0
}

const checks = [
  ["types", "tsc", ["-p", "."]],
  ["lint", "oxlint", ["--deny-warnings"]],
  ["barrels", "node", ["scripts/barrels.mjs", "--check"]],
  ["words", "node", ["scripts/words.mjs"]],
  ["format", "node", ["scripts/format.mjs", "--check"]]
]
let passed = 0
let failed = 0
for (const [name, command, args] of checks) {
  const good = run(command, args)
  console.log(`${good ? "ok" : "FAILED"}: ${name}`)
  if (!good) failed++
}

const lab = process.env.LAB ?? "auto"
const reason = lab === "off" ? "LAB=off" : missing()
const folder = mkdtempSync(join(tmpdir(), "effect-smb-test-"))
try {
  const report = join(folder, "report.json")
  const good = run("vitest", [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
    ...process.argv.slice(2)
  ])
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")) : undefined
  passed += counts?.numPassedTests ?? 0
  let broken = counts?.numFailedTests ?? 0
  // A file that does not load has no failed test in it.
  for (const file of counts?.testResults ?? []) {
    if (file.status === "failed" && file.assertionResults.every((test) => test.status !== "failed")) broken++
  }
  failed += good ? broken : Math.max(broken, 1)
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const domainReason = reason === undefined ? missingDomain() : undefined
if (domainReason !== undefined) {
  console.log(`Left out: the tests on a whole domain in test/lab/Domain.test.ts, because ${domainReason}.`)
  if (lab === "required") {
    console.log("FAILED: LAB=required")
    failed++
  }
}
if (reason !== undefined) {
  console.log(`Left out: the tests against real servers in test/lab, because ${reason}.`)
  if (lab === "required") {
    console.log("FAILED: LAB=required")
    failed++
  }
}
const mountReason = lab === "off" ? "LAB=off" : missingMounts()
if (mountReason !== undefined) {
  console.log(
    `Left out: the tests of file systems that are mounted in test/store/Mounts.test.ts, because ${mountReason}.`
  )
  if (lab === "required") {
    console.log("FAILED: LAB=required")
    failed++
  }
}
console.log(`\n${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
