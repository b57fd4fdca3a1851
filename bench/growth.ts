/**
 * How the time grows with sizes and numbers, as curves: files, folders, operations at once, links of a namespace, locks
 * and leases of a file. The files and folders are at smbd and are fetched by smbclient as well; the rest is this
 * project's server with this project's client.
 */
import { Context, Effect, Layer, type Scope, Stream } from "effect"
import { chmod, mkdir, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as OpenMode from "../src/Client/OpenMode.ts"
import * as SmbClient from "../src/Client/SmbClient.ts"
import * as DfsAdapter from "../src/Dfs/DfsAdapter.ts"
import * as DfsResolver from "../src/Dfs/DfsResolver.ts"
import { LeaseState } from "../src/Smb2/Message/Constants.ts"
import * as Curve from "./Curve.ts"
import { makeEntries } from "./folders.ts"
import { median } from "./Measure.ts"
import * as Peer from "./Peer.ts"
import type * as Row from "./Row.ts"
import { client, gibibyte, modes, serve, type Setting, temporary } from "./Setting.ts"
import type { Workload } from "./Workload.ts"

const repeats = 5

/** The median time of one round. */
const seconds = <E, R>(round: Effect.Effect<unknown, E, R>, count = repeats) =>
  Effect.gen(function*() {
    const times: Array<number> = []
    for (let i = 0; i < count; i++) {
      const start = performance.now()
      yield* round
      times.push((performance.now() - start) / 1000)
    }
    return median(times)
  })

/** Measures each point, in the order of the numbers. */
const points = <E, R>(numbers: ReadonlyArray<number>, measure: (x: number) => Effect.Effect<number, E, R>) =>
  Effect.forEach(numbers, (x) => Effect.map(measure(x), (seconds): Curve.Point => ({ x, seconds })))

const connected = Effect.map(
  Layer.build(client(modes.signed.options)),
  (context) => Context.get(context, SmbClient.SmbClient)
)

/** A workload whose first curve may not grow faster than `most`. */
const growth = <E>(
  name: string,
  most: number,
  curve: Effect.Effect<Curve.Curve, E, Scope.Scope>,
  draw: (curve: Curve.Curve) => Effect.Effect<void>
): Workload => ({
  name: `growth: ${name}`,
  rows: Effect.gen(function*() {
    const measured = yield* curve
    yield* draw(measured)
    const own = measured.series[0]!.points
    return [{
      name: `growth: ${name}`,
      unit: "exponent",
      ours: Math.max(0, Curve.exponent(own)),
      goal: { most },
      note: `${own[0]!.x} to ${own.at(-1)!.x}`
    }] satisfies ReadonlyArray<Row.Row>
  })
})

/** Linear, with some tolerance for what is measured. */
const linear = 1.1
/** Does not grow, with the same tolerance. */
const constant = 0.15

const fileSizes = [2 ** 10, 2 ** 13, 2 ** 16, 2 ** 19, 2 ** 22, 2 ** 25, 2 ** 28, gibibyte, 8 * gibibyte]

const files = ({ smbd }: Setting) =>
  Effect.gen(function*() {
    const { folder, share } = yield* smbd
    const smb = yield* connected
    for (const size of fileSizes) {
      yield* Effect.promise(async () => {
        const path = join(folder, `size-${size}`)
        await writeFile(path, "")
        await truncate(path, size)
        await chmod(path, 0o666)
      })
    }
    const repeatsOf = (size: number) => (size >= gibibyte ? 1 : repeats)
    return {
      name: "files",
      title: "Time to read a file, by its size",
      x: "bytes",
      series: [
        {
          name: "effect-smb (connected)",
          points: yield* points(fileSizes, (size) =>
            seconds(smb.readTo(`${share}\\size-${size}`, () => Effect.void), repeatsOf(size)))
        },
        {
          name: "smbclient (with its start)",
          points: yield* points(fileSizes, (size) =>
            seconds(Peer.smbclient(share, `get size-${size} /dev/null`), repeatsOf(size)))
        }
      ]
    } satisfies Curve.Curve
  })

const folderSizes = [10, 100, 1000, 10_000, 50_000, 200_000]

const folders = ({ smbd }: Setting) =>
  Effect.gen(function*() {
    const { folder, share } = yield* smbd
    const smb = yield* connected
    for (const size of folderSizes) yield* Effect.promise(() => makeEntries(join(folder, `list-${size}`), size))
    return {
      name: "folders",
      title: "Time to list a folder, by its entries",
      x: "entries",
      series: [
        {
          name: "effect-smb (connected)",
          points: yield* points(folderSizes, (size) => seconds(Stream.runDrain(smb.list(`${share}\\list-${size}`)), 3))
        },
        {
          name: "smbclient (with its start)",
          points: yield* points(folderSizes, (size) => seconds(Peer.smbclient(share, `cd list-${size}; ls`), 3))
        }
      ]
    } satisfies Curve.Curve
  })

const operations = ({ ours }: Setting) =>
  Effect.gen(function*() {
    const { folder, share } = yield* ours
    const smb = yield* connected
    yield* Effect.promise(() => writeFile(join(folder, "one"), "x", { mode: 0o666 }))
    yield* Effect.replicateEffect(smb.stat(`${share}\\one`), 500, { discard: true })
    return {
      name: "operations",
      title: "Time of operations (stat) that run at once, by their number",
      x: "operations at once",
      series: [{
        name: "effect-smb with its own server",
        points: yield* points([1, 2, 4, 8, 16, 32, 64, 128, 256], (count) =>
          seconds(
            Effect.replicateEffect(smb.stat(`${share}\\one`), count, { concurrency: "unbounded", discard: true }),
            41
          ))
      }]
    } satisfies Curve.Curve
  })

const namespaceSizes = [10, 100, 1000, 10_000, 100_000]
const referralsMost = 500

/** A resolver with an empty cache, and its own connection. */
const resolver = DfsAdapter.layerWithoutDiscovery().pipe(Layer.provide(client(modes.signed.options)))

const namespaces = Effect.gen(function*() {
  const measured = yield* points(namespaceSizes, (size) =>
    Effect.scoped(Effect.gen(function*() {
      const file = join(yield* temporary(process.env["TMPDIR"]!), "namespace.json")
      const links = Object.fromEntries(
        Array.from({ length: size }, (_, i) => [`folder ${i % 100}/link ${i}`, ["//127.0.20.9/data"]])
      )
      yield* Effect.promise(() => writeFile(file, JSON.stringify({ roots: { dfs: { links } } })))
      const { host } = yield* serve("127.0.20.9", yield* temporary(process.env["TMPDIR"]!), {
        args: ["--namespace", file]
      })
      const path = (i: number) => `\\\\${host}\\dfs\\folder ${i % 100}\\link ${i}`
      const ask = Effect.gen(function*() {
        const { resolve } = yield* DfsResolver.DfsResolver
        // The root's referral, the connection and the logon are not measured.
        yield* resolve(`\\\\${host}\\dfs`)
        const start = performance.now()
        // Different links, so that each needs its own referral.
        for (let i = 0; i < Math.min(size, referralsMost); i++) yield* resolve(path((i * 7919) % size))
        return (performance.now() - start) / 1000 / Math.min(size, referralsMost)
      }).pipe(Effect.provide(resolver))
      const times = yield* Effect.replicateEffect(ask, repeats + 1)
      return median(times.slice(1))
    })))
  return {
    name: "namespaces",
    title: "Time of a referral, by the links of the namespace",
    x: "links",
    series: [{ name: "effect-smb with its own server", points: measured }]
  } satisfies Curve.Curve
})

const perFile = [1, 10, 100, 1000]

const locks = ({ ours }: Setting) =>
  Effect.gen(function*() {
    const { folder, share } = yield* ours
    const smb = yield* connected
    yield* Effect.promise(() => writeFile(join(folder, "locked"), "x", { mode: 0o666 }))
    const measured = yield* points(perFile, (count) =>
      Effect.scoped(Effect.gen(function*() {
        const file = yield* smb.open(`${share}\\locked`, OpenMode.readWrite)
        yield* Effect.forEach(
          Array.from({ length: count }, (_, i) => i),
          (i) => file.lock([{ offset: i * 10, length: 5 }], { wait: false }),
          { discard: true, concurrency: 16 }
        )
        const one = Effect.scoped(file.lock([{ offset: Math.floor(count / 2) * 10 + 7, length: 1 }], { wait: false }))
        return (yield* seconds(Effect.replicateEffect(one, 100, { discard: true }))) / 100
      })))
    return {
      name: "locks",
      title: "Time to lock and unlock a range, by the locks that the file has",
      x: "locks of the file",
      series: [{ name: "effect-smb with its own server", points: measured }]
    } satisfies Curve.Curve
  })

const everything = LeaseState.SMB2_LEASE_READ_CACHING | LeaseState.SMB2_LEASE_HANDLE_CACHING |
  LeaseState.SMB2_LEASE_WRITE_CACHING

const opens = ({ ours }: Setting) =>
  Effect.gen(function*() {
    const { folder, share } = yield* ours
    const smb = yield* connected
    const path = join(folder, "many")
    yield* Effect.promise(() => mkdir(path).then(() => chmod(path, 0o777)))
    const measured = yield* points([1, 10, 100, 1000, 10_000], (count) =>
      Effect.scoped(Effect.gen(function*() {
        yield* Effect.forEach(
          Array.from({ length: count }, (_, i) => i),
          (i) => smb.open(`${share}\\many\\file-${i}`, { ...OpenMode.readWrite, lease: { leaseState: everything } }),
          { discard: true, concurrency: 16 }
        )
        return (yield* seconds(Effect.replicateEffect(smb.stat(`${share}\\many\\file-0`), 100, { discard: true }))) /
          100
      })))
    return {
      name: "leases",
      title: "Time to open a file, by the open files with leases",
      x: "open files with leases",
      series: [{ name: "effect-smb with its own server", points: measured }]
    } satisfies Curve.Curve
  })

/** The workloads of growth. `draw` gets each curve. */
export const workloads = (
  setting: Setting,
  draw: (curve: Curve.Curve) => Effect.Effect<void>
): ReadonlyArray<Workload> => [
  growth("read a file, by its size", linear, files(setting), draw),
  growth("list a folder, by its entries", linear, folders(setting), draw),
  growth("operations at once", linear, operations(setting), draw),
  growth("a referral, by the links of the namespace", constant, namespaces, draw),
  growth("a lock, by the locks of the file", constant, locks(setting), draw),
  growth("an open, by the leases of the server", constant, opens(setting), draw)
]
