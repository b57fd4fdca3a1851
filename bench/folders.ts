/** Listings of large folders and walks through many, beside smbclient on the same smbd. */
import { Effect, Stream } from "effect"
import { chmod, mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as SmbClient from "../src/Client/SmbClient.ts"
import * as Peer from "./Peer.ts"
import { client, modes, type Served, type Setting } from "./Setting.ts"
import { rate, type Workload } from "./Workload.ts"

/** Makes a folder of empty files, once for a server. */
export const makeEntries = async (folder: string, count: number): Promise<void> => {
  if (await mkdir(folder, { recursive: true }) === undefined) return
  await chmod(folder, 0o777)
  for (let i = 0; i < count; i++) await writeFile(join(folder, `entry-${i}.txt`), "", { mode: 0o666 })
}

/** A tree of a hundred folders with 99 folders each, and one file in each of those: 10,000 folders. */
const makeTree = async (folder: string): Promise<void> => {
  if (await mkdir(folder, { recursive: true }) === undefined) return
  for (let i = 0; i < 100; i++) {
    for (let j = 0; j < 99; j++) {
      const path = join(folder, `folder-${i}`, `folder-${j}`)
      await mkdir(path, { recursive: true })
      await writeFile(join(path, "file.txt"), "")
    }
  }
}

const treeEntries = 100 + 2 * 9900

const counted = (entries: Stream.Stream<unknown, unknown>, expected: number) =>
  Effect.flatMap(
    Stream.runCount(entries),
    (count) => count === expected ? Effect.void : Effect.die(new Error(`${count} entries were listed`))
  )

const prepared = (server: Effect.Effect<Served>, make: (folder: string) => Promise<void>) =>
  Effect.tap(server, ({ folder }) => Effect.promise(() => make(folder)))

/** The workloads with folders. */
export const workloads = ({ rounds, smbd }: Setting): ReadonlyArray<Workload> => {
  const { args, options } = modes.signed
  return [
    ...[50_000, 200_000].map((count) =>
      rate(
        `list a folder of ${count}`,
        rounds,
        { amount: count, unit: "entries", goal: 1.5 },
        Effect.map(
          prepared(smbd, (folder) => makeEntries(join(folder, `list-${count}`), count)),
          ({ share }) => [
            {
              name: "effect-smb",
              round: Effect.flatMap(SmbClient.SmbClient, (smb) => counted(smb.list(`${share}\\list-${count}`), count))
                .pipe(Effect.provide(client(options)))
            },
            { name: "smbclient", round: Peer.smbclient(share, `cd list-${count}; ls`, args) }
          ]
        )
      )
    ),
    rate(
      "walk 10000 folders",
      rounds,
      { amount: 10_000, unit: "folders", goal: 3 },
      Effect.map(prepared(smbd, (folder) => makeTree(join(folder, "tree"))), ({ share }) => [
        {
          name: "effect-smb",
          round: Effect.flatMap(SmbClient.SmbClient, (smb) => counted(smb.walk(`${share}\\tree`), treeEntries)).pipe(
            Effect.provide(client(options))
          )
        },
        { name: "smbclient", round: Peer.smbclient(share, "cd tree; recurse; ls", args) }
      ])
    )
  ]
}
