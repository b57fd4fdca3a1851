/**
 * `npm run storm`: clients work on shared files while their connections, their server, its disk, its passwords and its
 * clock fail, and after each fault everything that a client was told must be true.
 *
 * `--seed N` repeats a storm's plan (default: another one each time), `--faults N` sets how many faults must happen in all
 * (default: 500), `--minutes M` ends it earlier, `--only PAIRING` runs one of client-smbd, client-server,
 * smbclient-server and kernel-server (repeatable), `--fault NAME` takes only this fault (repeatable), `--from N` begins
 * with a later round, and `--json` prints the totals as JSON. Ends with code 1 if something is wrong, and with code 2 if it could not run.
 *
 * The seed gives the faults, their bytes, and the steps of each client. Which packets are on the way at that moment is
 * up to the machine: so a violation of a seed is likely, not sure, to come again.
 */
import { randomInt } from "node:crypto"
import { parseArgs } from "node:util"
import { missing, missingMounts } from "../../scripts/lab.mjs"
import * as Plan from "./Plan.ts"
import * as Programs from "./Programs.ts"
import * as Storm from "./Storm.ts"

const { values: flags } = parseArgs({
  options: {
    seed: { type: "string" },
    faults: { type: "string", default: "500" },
    minutes: { type: "string" },
    only: { type: "string", multiple: true },
    fault: { type: "string", multiple: true },
    from: { type: "string", default: "0" },
    json: { type: "boolean", default: false }
  }
})

const fail = (message: string): never => {
  console.error(message)
  process.exit(2)
}

const whole = (name: string, text: string): number =>
  /^\d{1,9}$/.test(text) ? Number(text) : fail(`--${name} is a whole number, not ${text}`)

const seed = flags.seed === undefined ? randomInt(1_000_000) : whole("seed", flags.seed)
const faults = whole("faults", flags.faults)
const from = whole("from", flags.from)
const minutes = flags.minutes === undefined ? Infinity : Number(flags.minutes)
if (!(minutes > 0)) fail(`--minutes is a positive number, not ${flags.minutes}`)
const isPairing = (name: string): name is Plan.Pairing => (Plan.pairings as ReadonlyArray<string>).includes(name)
const wanted = (flags.only ?? Plan.pairings).map((name) =>
  isPairing(name) ? name : fail(`--only is one of ${Plan.pairings.join(", ")}, not ${name}`)
)
const isFault = (name: string): name is Plan.Fault["_tag"] => (Plan.faultNames as ReadonlyArray<string>).includes(name)
const kinds = (flags.fault ?? Plan.faultNames).map((name) =>
  isFault(name) ? name : fail(`--fault is one of ${Plan.faultNames.join(", ")}, not ${name}`)
)
const reason = missing() ?? missingMounts()
if (reason !== undefined) fail(`The storm cannot run here: ${reason}`)

const say = (line: string) => {
  if (!flags.json) console.log(line)
}

say(`seed ${seed}`)
const absent: Record<string, string> = {}
if (wanted.includes("kernel-server")) {
  const why = await Programs.withoutKernel()
  if (why !== undefined) absent["kernel-server"] = why
}
for (const pairing of wanted) {
  if (!Plan.has(pairing, kinds)) absent[pairing] ??= "none of the wanted faults can happen to it"
}
const present = wanted.filter((pairing) => absent[pairing] === undefined)
for (const [pairing, why] of Object.entries(absent)) say(`${pairing}: not here, because ${why}`)

const list = (counts: Readonly<Record<string, number>>) =>
  Object.entries(counts).map(([name, one]) => `${name} ${one}`).join(", ")

const began = performance.now()
const totals: Record<string, Storm.Totals> = {}
for (const [i, pairing] of present.entries()) {
  // Each pairing has its part of the faults, and of the time.
  const share = Math.floor(faults / present.length) + (i < faults % present.length ? 1 : 0)
  const deadline = began + minutes * 60_000 * (i + 1) / present.length
  totals[pairing] = await Storm.run({ seed, pairing, faults: share, kinds, from, deadline, log: say })
  const { faults: byName, notices, operations, rounds, violations } = totals[pairing]
  const count = Object.values(byName).reduce((sum, one) => sum + one, 0)
  say(
    `${pairing}: ${count} faults in ${rounds} rounds (${
      list(byName)
    }); ${operations.ok} operations succeeded, ${operations.failed} failed for sure, ${operations.unknown} ` +
      `have an unknown outcome; ${violations.length} violations` +
      (Object.keys(notices).length === 0 ? "" : `; connections: ${list(notices)}`)
  )
  for (const { fault, round, what } of violations) {
    console.error(`VIOLATION ${pairing}, seed ${seed}, round ${round}, fault ${JSON.stringify(fault)}:\n${what}`)
    console.error(
      `again: npm run storm -- --seed ${seed} --only ${pairing} --from ${Math.max(0, round - 1)} --faults 5`
    )
  }
}

const all = Object.values(totals)
const happened = all.flatMap(({ faults }) => Object.values(faults)).reduce((sum, one) => sum + one, 0)
const violations = all.flatMap(({ violations }) => violations).length
const seconds = Math.round((performance.now() - began) / 1000)
if (flags.json) console.log(JSON.stringify({ seed, seconds, faults: happened, violations, absent, pairings: totals }))
say(`${happened} faults, ${violations} violations, ${seconds} s, seed ${seed}`)
process.exit(violations === 0 && present.length > 0 ? 0 : 1)
