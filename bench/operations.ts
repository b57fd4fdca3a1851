/**
 * Many small operations on this server and on smbd, by this client: one client and 64 at once, each with its own
 * connection; random reads and writes of 4 KiB in a file of 64 MiB for each client, and `stat` (open, query, close).
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { chmod, mkdir, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as OpenMode from "../src/Client/OpenMode.ts"
import * as SmbClient from "../src/Client/SmbClient.ts"
import { median } from "./Measure.ts"
import type * as Row from "./Row.ts"
import { client, mebibyte, modes, type Served, type Setting } from "./Setting.ts"
import type { Workload } from "./Workload.ts"

const block = 4096
const fileSize = 64 * mebibyte
const operations = 8192

/** One operation of one client, which is run many times. */
type Operation = Effect.Effect<unknown, unknown>

/** Numbers that look random and are the same in each run. */
const random = (seed: number) => {
  let state = seed * 2_654_435_761 >>> 0
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

const files = async ({ folder }: Served, clients: number) => {
  const path = join(folder, "operations")
  await mkdir(path, { recursive: true })
  await chmod(path, 0o777)
  for (let i = 0; i < clients; i++) {
    const file = join(path, `client-${i}.bin`)
    await writeFile(file, Buffer.alloc(mebibyte, i), { mode: 0o666 })
    await chmod(file, 0o666)
    await truncate(file, fileSize)
  }
}

type Prepare = (
  smb: SmbClient.Client,
  path: string,
  next: () => number
) => Effect.Effect<Operation, unknown, Scope.Scope>

const readsAndWrites: Prepare = (smb, path, next) =>
  Effect.map(smb.open(path, OpenMode.readWrite), (file) => {
    const buffer = Buffer.alloc(block, 7)
    return Effect.suspend(() => {
      const offset = BigInt(Math.floor(next() * (fileSize / block)) * block)
      return next() < 0.5 ? file.read(offset, block) : file.write(offset, buffer)
    })
  })

const stats: Prepare = (smb, path) => Effect.succeed(smb.stat(path))

/** The clients of one server, connected and with their files open. */
const connected = (server: Served, clients: number, prepare: Prepare) =>
  Effect.gen(function*() {
    yield* Effect.promise(() => files(server, clients))
    return yield* Effect.forEach(
      Array.from({ length: clients }, (_, i) => i),
      (i) =>
        Effect.gen(function*() {
          const context = yield* Layer.build(client(modes.signed.options))
          const smb = Context.get(context, SmbClient.SmbClient)
          const path = `${server.share}\\operations\\client-${i}.bin`
          yield* smb.stat(path)
          return yield* prepare(smb, path, random(i + 1))
        }),
      { concurrency: 8 }
    )
  })

/** One round: all clients at once, each with one operation after the other. */
const round = (all: ReadonlyArray<Operation>) =>
  Effect.gen(function*() {
    const times: Array<number> = []
    const start = performance.now()
    yield* Effect.forEach(
      all,
      (operation) =>
        Effect.gen(function*() {
          for (let i = 0; i < operations / all.length; i++) {
            const begun = performance.now()
            yield* operation
            times.push(performance.now() - begun)
          }
        }),
      { concurrency: "unbounded", discard: true }
    )
    const seconds = (performance.now() - start) / 1000
    return { rate: times.length / seconds, slowest: times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]! }
  })

const compared = (setting: Setting, name: string, clients: number, goal: number, prepare: Prepare): Workload => ({
  name,
  rows: Effect.gen(function*() {
    const [ours, smbd] = yield* Effect.all([setting.ours, setting.smbd])
    const contenders = [yield* connected(ours, clients, prepare), yield* connected(smbd, clients, prepare)] as const
    const results = contenders.map(() => [] as Array<Effect.Success<ReturnType<typeof round>>>)
    for (let i = -1; i < setting.rounds; i++) {
      for (const [index, all] of contenders.entries()) {
        const result = yield* round(all)
        if (i >= 0) results[index]!.push(result)
      }
    }
    const row = (
      title: string,
      unit: string,
      value: (one: Effect.Success<ReturnType<typeof round>>) => number,
      better: (ours: number, peer: number) => number
    ): Row.Row => {
      const [mine, theirs] = results.map((all) => all.map(value))
      const ratios = mine!.map((one, i) => better(one, theirs![i]!))
      return {
        name: title,
        unit,
        ours: median(mine!),
        peer: { name: "smbd", value: median(theirs!) },
        ratio: better(median(mine!), median(theirs!)),
        spread: [Math.min(...ratios), Math.max(...ratios)],
        goal: { ratio: goal }
      }
    }
    return [
      row(name, "operations/s", ({ rate }) => rate, (one, other) => one / other),
      row(`${name}, slowest hundredth`, "ms", ({ slowest }) => slowest, (one, other) => other / one)
    ]
  })
})

/** The workloads with many small operations. */
export const workloads = (setting: Setting): ReadonlyArray<Workload> =>
  [1, 64].flatMap((clients) => {
    const who = clients === 1 ? "1 client" : `${clients} clients`
    return [
      compared(setting, `server: ${who}, read and write 4 KiB`, clients, 1.2, readsAndWrites),
      compared(setting, `server: ${who}, stat`, clients, 1, stats)
    ]
  })
