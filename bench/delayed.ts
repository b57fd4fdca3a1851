/**
 * The command over a slow network, beside smbclient: each packet takes 5 or 25 ms each way, by a proxy between the
 * programs and smbd. Everything is measured from the start of the program to its end.
 */
import { Effect, type Scope } from "effect"
import { chmod, copyFile, truncate } from "node:fs/promises"
import { join } from "node:path"
import * as Lab from "../test/lab/Lab.ts"
import { withLarge } from "./large.ts"
import * as Peer from "./Peer.ts"
import { gibibyte, makeSmall, mebibyte, modes, type Served, type Setting } from "./Setting.ts"
import { emptied, expectFiles, mget } from "./small.ts"
import { rate, type Workload } from "./Workload.ts"

const address = "127.0.20.5"
const small = 200

/** The same server at another address, with this delay each way. */
const slowed = (server: Served, delay: number) =>
  Effect.as(
    Lab.proxy({ listen: { address }, target: { address: server.host }, delay }),
    { ...server, host: address, share: `\\\\${address}\\data` } satisfies Served
  )

/** The command demands signatures if it is not told otherwise, so smbclient does too. */
const signed = modes.signed.args

type Slow = (delay: number) => Effect.Effect<Served, Lab.LabError, Scope.Scope>

const listing = (rounds: number, delay: number, slow: Slow) =>
  rate(
    `${delay} ms each way: ls`,
    rounds,
    { amount: 1, unit: "runs", goal: 1 },
    Effect.gen(function*() {
      const { folder, host, share } = yield* slow(delay)
      yield* emptied(join(folder, "empty"))
      return [
        { name: "effect-smb", round: Peer.effectSmb(["ls", `//${host}/data/empty`]) },
        { name: "smbclient", round: Peer.smbclient(share, "ls empty/*", signed) }
      ]
    })
  )

const sizes = [["32 MiB", 32 * mebibyte, "middle.bin"], ["1 GiB", gibibyte, "large.bin"]] as const

const transfers = ({ local, rounds }: Setting, delay: number, slow: Slow) =>
  sizes.flatMap(([size, bytes, name]) => {
    const amount = { amount: bytes / 1e6, unit: "MB", bytes, goal: 1 }
    const target = join(local, "fetched")
    const source = join(local, name)
    return [
      rate(
        `${delay} ms each way: get ${size}`,
        rounds,
        amount,
        Effect.map(slow(delay), ({ host, share }) => {
          const before = emptied(target)
          const got = join(target, "got.bin")
          return [
            { name: "effect-smb", round: Peer.effectSmb(["get", `//${host}/data/${name}`, got]), before },
            { name: "smbclient", round: Peer.smbclient(share, `get ${name} ${got}`, signed), before }
          ]
        })
      ),
      rate(
        `${delay} ms each way: put ${size}`,
        rounds,
        amount,
        Effect.map(slow(delay), ({ folder, host, share }) => {
          const before = emptied(join(folder, "created"))
          return [
            { name: "effect-smb", round: Peer.effectSmb(["put", source, `//${host}/data/created/put.bin`]), before },
            { name: "smbclient", round: Peer.smbclient(share, `put ${source} created/put.bin`, signed), before }
          ]
        })
      )
    ]
  })

const smallFiles = ({ local, rounds }: Setting, delay: number, slow: Slow) =>
  rate(
    `${delay} ms each way: get -r of ${small} small files`,
    rounds,
    { amount: small, unit: "files", goal: 8 },
    Effect.map(slow(delay), ({ host, share }) => {
      const target = join(local, "fetched")
      const around = { before: emptied(target), after: expectFiles(target, small) }
      const folder = `small-${small}`
      return [
        { name: "effect-smb", round: Peer.effectSmb(["get", "-r", `//${host}/data/${folder}`, target]), ...around },
        { name: "smbclient", round: Peer.smbclient(share, mget(folder, target), signed), ...around }
      ]
    })
  )

/** The workloads with a slow network. */
export const workloads = (setting: Setting): ReadonlyArray<Workload> => {
  const { large, local, rounds, smbd } = setting
  const slow: Slow = (delay) =>
    Effect.gen(function*() {
      const server = yield* withLarge(smbd, large)
      yield* Effect.promise(async () => {
        const middle = join(server.folder, "middle.bin")
        await copyFile(join(server.folder, "large.bin"), middle)
        await truncate(middle, 32 * mebibyte)
        await chmod(middle, 0o666)
        await copyFile(middle, join(local, "middle.bin"))
        await makeSmall(join(server.folder, `small-${small}`), small)
      })
      return yield* slowed(server, delay)
    })
  return [5, 25].flatMap((delay) =>
    [
      [listing(rounds, delay, slow)],
      transfers(setting, delay, slow),
      [smallFiles(setting, delay, slow)]
    ].flat()
  )
}
