/**
 * Small files of 1 to 64 KiB, fetched and created: by the library and by the command beside smbclient and rclone, on
 * the same smbd; and by SMB 1.
 */
import { Effect, Stream } from "effect"
import { chmod, mkdir, readdir, rm } from "node:fs/promises"
import { join } from "node:path"
import * as SmbClient from "../src/Client/SmbClient.ts"
import * as UncPath from "../src/Client/UncPath.ts"
import * as Peer from "./Peer.ts"
import {
  client,
  makeSmall,
  modes,
  type Served,
  type Setting,
  smallBytes,
  smallFolders,
  smallNames,
  smallSize,
  smb1Modes
} from "./Setting.ts"
import { rate, type Workload } from "./Workload.ts"

/** So many operations are under way at once: about as many as a window of credits holds. */
const concurrency = 64

const fetchAll = (share: string, folder: string, options: SmbClient.Options, count: number) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const bytes = yield* smb.walk(`${share}\\${folder}`).pipe(
      Stream.filter((entry) => entry.type === "file"),
      Stream.mapEffect((entry) => smb.readFile(entry.path), { concurrency, unordered: true }),
      Stream.runFold(() => 0, (sum, data) => sum + data.length)
    )
    if (bytes !== smallBytes(count)) return yield* Effect.die(new Error(`${bytes} bytes were read`))
  }).pipe(Effect.provide(client(options)))

const createAll = (share: string, folder: string, options: SmbClient.Options, count: number) =>
  Effect.gen(function*() {
    const smb = yield* SmbClient.SmbClient
    const base = yield* Effect.fromResult(UncPath.parse(`${share}\\${folder}`))
    yield* Effect.forEach(smallFolders(count), (name) => smb.makeDirectory(UncPath.join(base, name)), { discard: true })
    yield* Effect.forEach(
      Array.from({ length: count }, (_, i) => i),
      (i) => smb.writeFile(UncPath.join(base, smallNames(i, count).join("/")), Buffer.alloc(smallSize(i), "small ")),
      { concurrency, discard: true }
    )
  }).pipe(Effect.provide(client(options)))

/** Removes a folder and makes it again, empty and open to everybody. */
export const emptied = (folder: string): Effect.Effect<void> =>
  Effect.promise(async () => {
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    await chmod(folder, 0o777)
  })

/** Dies if a folder does not have so many files. */
export const expectFiles = (folder: string, count: number): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.promise(() => readdir(folder, { recursive: true, withFileTypes: true })),
    (entries) => {
      const { length } = entries.filter((entry) => entry.isFile())
      return length === count ? Effect.void : Effect.die(new Error(`${folder} has ${length} files instead of ${count}`))
    }
  )

/** What is around a round that fills a folder: it is empty before, and has so many files after. */
const withFiles = (folder: string, count: number) => ({ before: emptied(folder), after: expectFiles(folder, count) })

const served = (server: Effect.Effect<Served>, count: number) =>
  Effect.tap(server, ({ folder }) => Effect.promise(() => makeSmall(join(folder, `small-${count}`), count)))

const counts = [1000, 10_000] as const

/** smbclient's commands that fetch a folder and all below it, and that send the files of a local folder. */
export const mget = (folder: string, local: string): string => `cd ${folder}; lcd ${local}; recurse; prompt; mget *`
export const mput = (folder: string, local: string): string => `cd ${folder}; lcd ${local}; recurse; prompt; mput *`

const protocol = modes.signed

const library = ({ local, rounds }: Setting, server: Effect.Effect<Served>, count: number): ReadonlyArray<Workload> => {
  const target = join(local, "fetched")
  const source = join(local, `small-${count}`)
  const { args, options } = protocol
  return [
    rate(
      `fetch ${count} small files, library`,
      rounds,
      { amount: count, unit: "files", goal: 4 },
      Effect.map(server, ({ share }) => [
        { name: "effect-smb", round: fetchAll(share, `small-${count}`, options, count) },
        {
          name: "smbclient",
          round: Peer.smbclient(share, mget(`small-${count}`, target), args),
          ...withFiles(target, count)
        }
      ])
    ),
    rate(
      `create ${count} small files, library`,
      rounds,
      { amount: count, unit: "files", goal: 3 },
      Effect.map(server, ({ folder, share }) => {
        const around = withFiles(join(folder, "created"), count)
        return [
          { name: "effect-smb", round: createAll(share, "created", options, count), ...around },
          { name: "smbclient", round: Peer.smbclient(share, mput("created", source), args), ...around }
        ]
      })
    )
  ]
}

type PeerName = "smbclient" | "rclone"

const command = (
  { local, rounds }: Setting,
  server: Effect.Effect<Served>,
  count: number,
  peer: PeerName
): ReadonlyArray<Workload> => {
  const target = join(local, "fetched")
  const source = join(local, `small-${count}`)
  const small = `small-${count}`
  const of = { amount: count, unit: "files", goal: peer === "rclone" ? 4 : 2 }
  return [
    rate(
      `fetch ${count} small files, get -r (${peer})`,
      rounds,
      of,
      Effect.map(server, ({ host, share }) => {
        const around = withFiles(target, count)
        const args = ["get", "-r", "--signing", "required", `//${host}/data/${small}`, target]
        return [
          { name: "effect-smb", round: Peer.effectSmb(args), ...around },
          {
            name: peer,
            round: peer === "rclone"
              ? Peer.rclone(host, ["copy", `smb:data/${small}`, target])
              : Peer.smbclient(share, mget(small, target), protocol.args),
            ...around
          }
        ]
      })
    ),
    rate(
      `create ${count} small files, put -r (${peer})`,
      rounds,
      of,
      Effect.map(server, ({ folder, host, share }) => {
        const around = withFiles(join(folder, "created"), count)
        const args = ["put", "-r", "--signing", "required", source, `//${host}/data/created`]
        return [
          { name: "effect-smb", round: Peer.effectSmb(args), ...around },
          {
            name: peer,
            round: peer === "rclone"
              ? Peer.rclone(host, ["copy", source, "smb:data/created"])
              : Peer.smbclient(share, mput("created", source), protocol.args),
            ...around
          }
        ]
      })
    )
  ]
}

/** The workloads with small files. */
export const workloads = (setting: Setting): ReadonlyArray<Workload> => {
  const { local, rounds, smb1, smbd } = setting
  const target = join(local, "fetched")
  const peers: ReadonlyArray<PeerName> = Peer.hasRclone() ? ["smbclient", "rclone"] : ["smbclient"]
  const overSmb1 = rate(
    "SMB 1: fetch 1000 small files",
    rounds,
    { amount: 1000, unit: "files", goal: 1 },
    Effect.map(served(smb1, 1000), ({ share }) => [
      { name: "effect-smb", round: fetchAll(share, "small-1000", smb1Modes.signed.options, 1000) },
      {
        name: "smbclient",
        round: Peer.smbclient(share, mget("small-1000", target), smb1Modes.signed.args),
        ...withFiles(target, 1000)
      }
    ])
  )
  return [
    ...counts.flatMap((count) => {
      const server = Effect.tap(
        served(smbd, count),
        () => Effect.promise(() => makeSmall(join(local, `small-${count}`), count))
      )
      return [library(setting, server, count), ...peers.map((peer) => command(setting, server, count, peer))].flat()
    }),
    overSmb1
  ]
}
