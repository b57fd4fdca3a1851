/**
 * A storm: rounds of work on shared files, each with a fault, and after each the checks.
 *
 * - Every acknowledged byte is there, and nothing happened twice: the history of each file is judged by `Check`.
 * - Nothing hangs: each step, each end of a client and each server's release of its opens has a limit.
 * - Nothing is left: no file, lock, request, fiber, timer or socket in the clients, and no open at the server.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pause } from "../lab/Process.ts"
import * as Clients from "./Clients.ts"
import * as Faults from "./Faults.ts"
import { History } from "./History.ts"
import { jumping } from "./JumpingClock.ts"
import * as Lines from "./Lines.ts"
import * as Objects from "./Objects.ts"
import * as Plan from "./Plan.ts"
import * as Programs from "./Programs.ts"
import * as Target from "./Target.ts"
import * as Workload from "./Workload.ts"

/** Milliseconds after which a step, the end of a client or the release of opens counts as hanging. */
const limits = { step: 120_000, end: 30_000, release: 30_000, settle: 10_000 } as const

/** What went wrong in a round. */
export interface Violation {
  readonly pairing: Plan.Pairing
  readonly round: number
  readonly fault: Plan.Fault
  readonly what: string
}

/** What a pairing went through. */
export interface Totals {
  rounds: number
  /** Faults that happened, by their names. A fault at a byte that never came is not counted. */
  readonly faults: Record<string, number>
  /** What this project's clients told of lost connections, by the tags of their notices. */
  readonly notices: Record<string, number>
  readonly operations: { ok: number; failed: number; unknown: number }
  readonly violations: Array<Violation>
}

/** The options of a storm on one pairing. */
export interface Options {
  readonly seed: number
  readonly pairing: Plan.Pairing
  /** The number of faults that must happen. */
  readonly faults: number
  /** The faults to choose from. */
  readonly kinds: ReadonlyArray<Plan.Fault["_tag"]>
  /** The first round. */
  readonly from: number
  /** The storm ends with the round that is under way then, in milliseconds of `performance.now()`. */
  readonly deadline: number
  readonly log: (line: string) => void
}

/** What a promise gave, or that it took longer than its limit. */
const within = async <A>(promise: Promise<A>, milliseconds: number): Promise<A | "hangs"> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<"hangs">((resolve) => {
    timer = setTimeout(() => resolve("hangs"), milliseconds)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What keeps this process alive, by kind, without the sockets of the lines. */
const resources = (lines: Lines.Lines): Record<string, number> => {
  const counts: Record<string, number> = { TCPSocketWrap: -lines.sockets() }
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

/** Waits until `find` finds nothing; what it found at last, as text. */
const settled = async (find: () => Record<string, number>): Promise<string | undefined> => {
  const end = performance.now() + limits.settle
  for (;;) {
    const found = find()
    if (Object.keys(found).length === 0) return undefined
    if (performance.now() > end) return JSON.stringify(found)
    await pause(20)
  }
}

/** Resources of this process that were not there before. */
const more = (lines: Lines.Lines, before: Record<string, number>) => () =>
  Object.fromEntries(
    Object.entries(resources(lines))
      .filter(([kind, count]) => /TCP|Timeout|Immediate|GetAddrInfo/.test(kind) && count > (before[kind] ?? 0))
  )

const indexes = Array.from({ length: Plan.clients }, (_, i) => i)

/** The third bytes of the addresses, one for each pairing: they could run at the same time. */
const places: Record<Plan.Pairing, { readonly server: string; readonly prefix: string; readonly first: number }> = {
  "client-smbd": { server: "127.0.62.1", prefix: "127.0.62", first: 11 },
  "client-server": { server: "127.0.62.2", prefix: "127.0.62", first: 21 },
  "smbclient-server": { server: "127.0.62.3", prefix: "127.0.62", first: 31 },
  "kernel-server": { server: "127.0.62.4", prefix: "127.0.62", first: 41 }
}

/** Runs one pairing until its faults have happened, its time is over, or something is wrong. */
export const run = async (options: Options): Promise<Totals> => {
  const { pairing } = options
  const place = places[pairing]
  const totals: Totals = {
    rounds: 0,
    faults: {},
    notices: {},
    operations: { ok: 0, failed: 0, unknown: 0 },
    violations: []
  }
  const target = pairing === "client-smbd" ? await Target.smbd(place.server) : await Target.own(place.server)
  const lines = await Lines.make(place.server, place.prefix, place.first, Plan.clients)
  const scratch = mkdtempSync(join(tmpdir(), "smb-storm-local-"))
  try {
    await storm(options, totals, target, lines, scratch)
  } catch (error) {
    // Such as a server that ended by itself. Its own output was printed.
    const round = options.from + totals.rounds
    const what = `the storm broke off: ${error instanceof Error ? error.message : String(error)}`
    totals.violations.push({
      pairing,
      round,
      fault: Plan.round(options.seed, pairing, round, options.kinds).fault,
      what
    })
  } finally {
    await lines.end()
    await target.end()
    rmSync(scratch, { recursive: true, force: true })
  }
  return totals
}

const storm = async (
  { deadline, faults, from, kinds, log, pairing, seed }: Options,
  totals: Totals,
  target: Target.Target,
  lines: Lines.Lines,
  scratch: string
): Promise<void> => {
  const clock = jumping()
  let password = target.password
  let passwords = 0
  const scene: Faults.Scene = {
    target,
    lines,
    learn: (next) => {
      password = next
    },
    nextPassword: () => `Next-${++passwords}-7c2e!`,
    jump: clock.jump
  }
  const lengths = await Objects.begin(target)
  let ids = 1000
  const nextId = (length: number) => {
    lengths.set(++ids, length)
    return ids
  }
  let states = Objects.look(target, lengths)
  const idle = resources(lines)
  let clients: ReadonlyArray<Clients.StormClient> = []
  const ours = pairing.startsWith("client-")
  const access = (i: number): Programs.Access => ({
    address: () => lines.of(i).address(),
    user: target.user,
    password: () => password
  })

  const told = (notice: string) => {
    totals.notices[notice] = (totals.notices[notice] ?? 0) + 1
  }

  let happened = 0
  for (let number = from; happened < faults && performance.now() < deadline; number++) {
    const round = Plan.round(seed, pairing, number, kinds)
    const history = new History()
    const wrong = (what: string) => {
      totals.violations.push({ pairing, round: number, fault: round.fault, what })
    }
    // While they work.
    if (ours && clients.length === 0) {
      clients = await Promise.all(indexes.map((i) => Clients.make(i, { ...access(i), clock: clock.clock, told })))
    }
    const programs = ours
      ? []
      : await Promise.all(
        indexes.map((i) =>
          pairing === "kernel-server" ? Programs.kernel(i, access(i)) : Programs.smbclient(i, access(i))
        )
      )
    const working = new AbortController()
    const work = async (i: number) => {
      const name = `client ${i}`
      const common = { name, own: Objects.own(i), history, nextId }
      for (const step of round.steps[i]!) {
        const stop = new AbortController()
        const promise = ours
          ? clients[i]!.run(
            Workload.run({ ...common, smb: clients[i]!.smb, path: (file) => `//storm/data/${file}`, lengths }, step),
            stop.signal
          )
          : Programs.run({ ...common, program: programs[i]!, folder: join(scratch, String(i)) }, step)
        const ended = await within(
          promise.then(() => "done" as const, (error: unknown) => ({ defect: error })),
          limits.step
        )
        if (ended === "hangs") {
          stop.abort()
          wrong(`${name} hangs in ${JSON.stringify(step)}`)
          return
        }
        if (typeof ended === "object") {
          wrong(`${name} has a defect in ${JSON.stringify(step)}: ${String(ended.defect)}`)
          return
        }
      }
    }
    const works = Promise.all(indexes.map(work)).then(() => working.abort())
    const struck = await Faults.strike(scene, round.fault, working.signal)
    await lines.heal()
    await works
    for (const program of programs) await program.end()

    // What may still be on its way would change the files after they were looked at.
    const counts = history.counts()
    if (counts.unknown > 0) await lines.cutAll()
    const held = await Target.released(target, limits.release, counts.unknown > 0)
    if (held !== undefined) {
      wrong(`the server still holds ${JSON.stringify(held)}, and the lines have ${lines.sockets()} sockets`)
    }

    const after = Objects.look(target, lengths)
    history.check(states, after).forEach(wrong)
    states = after
    for (const [i, client] of clients.entries()) {
      const left = await settled(client.held)
      if (left !== undefined) wrong(`client ${i} still holds ${left}`)
    }
    if (!round.keeps) {
      for (const [i, client] of clients.entries()) {
        if (await within(client.end(), limits.end) === "hangs") wrong(`client ${i} does not end`)
        const left = await settled(client.left)
        if (left !== undefined) wrong(`client ${i} has left ${left}`)
      }
      clients = []
      const left = await settled(more(lines, idle))
      if (left !== undefined) wrong(`this process still has ${left}`)
    }

    totals.rounds++
    if (struck) {
      happened++
      totals.faults[round.fault._tag] = (totals.faults[round.fault._tag] ?? 0) + 1
    }
    for (const outcome of ["ok", "failed", "unknown"] as const) totals.operations[outcome] += counts[outcome]
    if (totals.violations.length > 0) break
    if (totals.rounds % 25 === 0) log(`${pairing}: ${happened} of ${faults} faults, round ${number}`)
  }
  await Promise.all(clients.map((client) => within(client.end(), limits.end)))
}
