/**
 * Compares this server, as its built command runs it, with smbd: the same smbclient, the same work, in the same run.
 * Both serve a folder, in memory if /dev/shm exists. The processor seconds are those of the servers.
 */
import { Effect } from "effect"
import { join } from "node:path"
import { makeEntries } from "./folders.ts"
import { withLarge } from "./large.ts"
import * as Peer from "./Peer.ts"
import { gibibyte, makeSmall, modes, type Served, type Setting } from "./Setting.ts"
import { emptied, expectFiles, mget, mput } from "./small.ts"
import { rate, type Workload } from "./Workload.ts"

const small = 1000
const entries = 50_000

/** The workloads of the server with one smbclient. */
export const workloads = ({ large, local, ours, rounds, smbd }: Setting): ReadonlyArray<Workload> => {
  const target = join(local, "fetched")
  const source = join(local, `small-${small}`)
  const both = Effect.tap(
    Effect.all([withLarge(ours, large), withLarge(smbd, large)]),
    Effect.forEach(({ folder }) => Effect.promise(() => makeSmall(join(folder, `small-${small}`), small)))
  )
  const beside = (
    name: string,
    of: { readonly amount: number; readonly unit: string; readonly bytes?: number; readonly goal: number },
    round: (server: Served) => {
      readonly round: Effect.Effect<void>
      readonly before?: Effect.Effect<void>
      readonly after?: Effect.Effect<void>
    }
  ) =>
    rate(
      `server: ${name}`,
      rounds,
      of,
      Effect.map(both, ([one, other]) => [
        { name: "effect-smb", processor: one.processor, ...round(one) },
        { name: "smbd", processor: other.processor, ...round(other) }
      ])
    )
  const megabytes = { amount: gibibyte / 1e6, unit: "MB", bytes: gibibyte }
  return [
    ...(["plain", "signed"] as const).flatMap((mode) => {
      const { args } = modes[mode]
      return [
        beside(`read 1 GiB, ${mode}`, { ...megabytes, goal: 1.2 }, ({ share }) => ({
          round: Peer.smbclient(share, "get large.bin /dev/null", args)
        })),
        beside(`write 1 GiB, ${mode}`, { ...megabytes, goal: 1 }, ({ share }) => ({
          round: Effect.flatMap(large, (file) => Peer.smbclient(share, `put ${file} written.bin`, args))
        }))
      ]
    }),
    beside(`fetch ${small} small files`, { amount: small, unit: "files", goal: 1 }, ({ share }) => ({
      before: emptied(target),
      round: Peer.smbclient(share, mget(`small-${small}`, target), modes.signed.args),
      after: expectFiles(target, small)
    })),
    beside(`create ${small} small files`, { amount: small, unit: "files", goal: 1 }, ({ folder, share }) => ({
      before: Effect.andThen(emptied(join(folder, "created")), Effect.promise(() => makeSmall(source, small))),
      round: Peer.smbclient(share, mput("created", source), modes.signed.args),
      after: expectFiles(join(folder, "created"), small)
    })),
    beside(`list a folder of ${entries}`, { amount: entries, unit: "entries", goal: 1 }, ({ folder, share }) => ({
      before: Effect.promise(() => makeEntries(join(folder, `list-${entries}`), entries)),
      round: Peer.smbclient(share, `cd list-${entries}; ls`, modes.signed.args)
    }))
  ]
}
