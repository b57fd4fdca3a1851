/**
 * The start of the command as an installed package has it: `--version` beside an empty program of Node by processor
 * time, `ls` of an empty share beside smbclient, and the round trips of short commands.
 */
import { Effect } from "effect"
import { mkdir, symlink } from "node:fs/promises"
import { basename, join } from "node:path"
import * as Header from "../src/Smb2/Header.ts"
import { Command } from "../src/Smb2/Message/Constants.ts"
import * as Lab from "../test/lab/Lab.ts"
import { inTurn, median } from "./Measure.ts"
import * as Peer from "./Peer.ts"
import type * as Row from "./Row.ts"
import { type Setting, temporary } from "./Setting.ts"
import { emptied } from "./small.ts"
import type { Workload } from "./Workload.ts"

/** A round has so many starts, because the processor time of one start is a few steps of the system's clock. */
const starts = 5

const several = (program: Effect.Effect<void>) => Effect.replicateEffect(program, starts, { discard: true })

/** Packs the package and installs it into a folder of its own; what it needs comes from the checkout. */
const installed = (parent: string) =>
  Effect.gen(function*() {
    const folder = yield* temporary(parent)
    const modules = join(folder, "node_modules")
    yield* Effect.promise(async () => {
      await mkdir(join(modules, "effect-smb"), { recursive: true })
      const { stdout } = await Lab.mustExecute(
        "npm",
        ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder],
        { cwd: Peer.checkout, timeout: 120_000 }
      )
      const archive = join(folder, basename(stdout.trim()))
      await Lab.mustExecute("tar", ["-xzf", archive, "-C", join(modules, "effect-smb"), "--strip-components=1"])
      for (const name of ["effect", "@effect", "picomatch", "ldapts"]) {
        await symlink(join(Peer.checkout, "node_modules", name), join(modules, name))
      }
    })
    return join(modules, "effect-smb", "bin", "effect-smb.js")
  })

const versionRow = (setting: Setting) =>
  Effect.gen(function*() {
    const program = yield* installed(setting.local)
    const [ours, node] = yield* inTurn(setting.rounds, [
      { name: "effect-smb", round: several(Peer.effectSmb(["--version"], { program })) },
      { name: "node -e 0", round: several(Peer.run(process.execPath, ["-e", "0"])) }
    ])
    const milliseconds = (values: ReadonlyArray<number>) => median(values) * 1000 / starts
    const times = milliseconds(ours!.processor) / milliseconds(node!.processor)
    return [
      {
        name: "--version, CPU",
        unit: "× node -e 0",
        ours: times,
        goal: { most: 4 },
        note: `${milliseconds(ours!.processor).toFixed(0)} ms beside ${milliseconds(node!.processor).toFixed(0)} ms`
      }
    ] satisfies ReadonlyArray<Row.Row>
  })

const emptyShare = (setting: Setting) => Effect.tap(setting.smbd, ({ folder }) => emptied(join(folder, "empty")))

const lsRow = (setting: Setting) =>
  Effect.gen(function*() {
    const program = yield* installed(setting.local)
    const { host, share } = yield* emptyShare(setting)
    const [ours, smbclient] = yield* inTurn(setting.rounds, [
      { name: "effect-smb", round: several(Peer.effectSmb(["ls", `//${host}/data/empty`], { program })) },
      { name: "smbclient", round: several(Peer.smbclient(share, "ls empty/*")) }
    ])
    const milliseconds = (values: ReadonlyArray<number>) => median(values) * 1000 / starts
    return [
      {
        name: "ls of an empty folder, start included",
        unit: "× smbclient",
        ours: milliseconds(ours!.seconds) / milliseconds(smbclient!.seconds),
        goal: { most: 3.5 },
        note: [ours!, smbclient!].map(({ name, processor, seconds }) =>
          `${name} ${milliseconds(seconds).toFixed(0)} ms, CPU ${milliseconds(processor).toFixed(0)} ms`
        ).join("; ")
      }
    ] satisfies ReadonlyArray<Row.Row>
  })

const proxied = "127.0.20.7"

/** Whether a packet of the client begins with a request that ends its use of a share or its session. */
const endsUse = (bytes: Uint8Array): boolean => {
  const command = bytes.length >= 68 ? Header.read(Header.view(bytes.subarray(4))).command : undefined
  return command === Command.TREE_DISCONNECT || command === Command.LOGOFF
}

/**
 * How often a program waits for an answer: requests that are sent after an answer begin a new round trip. Our command
 * does not wait for the answers to what it sends at its end, so that is not counted.
 */
const roundTrips = (server: string, program: Effect.Effect<void>, waitsAtEnd: boolean) =>
  Effect.gen(function*() {
    let turns = 0
    let ended = false
    let last: Lab.Direction = "toClient"
    yield* Lab.proxy({
      listen: { address: proxied },
      target: { address: server },
      onPacket: ({ bytes, direction }) => {
        ended ||= !waitsAtEnd && direction === "toServer" && endsUse(bytes)
        if (direction === "toServer" && last === "toClient" && !ended) turns++
        last = direction
        return bytes
      }
    })
    yield* program
    return turns
  }).pipe(Effect.scoped)

const tripRows = (setting: Setting) =>
  Effect.gen(function*() {
    const { folder, host } = yield* emptyShare(setting)
    yield* Effect.promise(() => Lab.mustExecute("sh", ["-c", `echo text > "$0"; chmod 666 "$0"`, join(folder, "text")]))
    const share = `\\\\${proxied}\\data`
    const commands = [
      ["ls", ["ls", `//${proxied}/data/empty`], "ls empty/*"],
      ["stat", ["stat", `//${proxied}/data/text`], "allinfo text"],
      ["cat", ["cat", `//${proxied}/data/text`], "get text /dev/null"]
    ] as const
    return yield* Effect.forEach(commands, ([name, args, theirs]) =>
      Effect.map(
        Effect.all([
          roundTrips(host, Peer.effectSmb(args), false),
          roundTrips(host, Peer.smbclient(share, theirs), true)
        ]),
        ([ours, smbclient]): Row.Row => ({
          name: `round trips of ${name}`,
          unit: "trips",
          ours,
          peer: { name: "smbclient", value: smbclient },
          goal: { most: 7 }
        })
      ))
  })

/** The workloads with the start of the command. */
export const workloads = (setting: Setting): ReadonlyArray<Workload> => [
  { name: "start: --version", rows: versionRow(setting) },
  { name: "start: ls", rows: lsRow(setting) },
  { name: "start: round trips", rows: tripRows(setting) }
]
