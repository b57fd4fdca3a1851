/**
 * `npm run bench -- scale`: a store over SQLite and a folder of chunks next to the folder store, by the same calls and in
 * turn. Large files are written, flushed and read in pieces of 1 MiB; small ones are made, and opened and read whole.
 */
import * as Effect from "effect/Effect"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import type { ShareStore, StoreError } from "../src/Server/ShareStore.ts"
import * as LocalStore from "../src/Server/Store/LocalStore.ts"
import * as ObjectStore from "../src/Server/Store/ObjectStore.ts"
import type { Contender } from "./Measure.ts"
import * as Workload from "./Workload.ts"

const mebibyte = 1024 * 1024
const pieces = 256
const largeBytes = pieces * mebibyte
const files = 1000
const smallBytes = 10_240

const piece = new Uint8Array(mebibyte).map((_, i) => i % 251)
const small = piece.subarray(0, smallBytes)

const existing = { mode: "existing", type: "file", forData: true } as const
const either = { mode: "either", type: "file", forData: true } as const
const names = Array.from({ length: files }, (_, i) => `file-${i}.txt`)

const writeLarge = (store: ShareStore, flush: boolean) =>
  Effect.scoped(Effect.gen(function*() {
    const { file } = yield* store.open(["large"], either)
    for (let i = 0; i < pieces; i++) yield* file.write(BigInt(i * mebibyte), piece)
    if (flush) yield* file.flush
  }))

const readLarge = (store: ShareStore) =>
  Effect.scoped(Effect.gen(function*() {
    const { file } = yield* store.open(["large"], existing)
    const target = new Uint8Array(mebibyte)
    for (let i = 0; i < pieces; i++) {
      if ((yield* file.readInto!(BigInt(i * mebibyte), target)) !== mebibyte) {
        return yield* Effect.die(new Error("the file was not read whole"))
      }
    }
  }))

const writeSmall = (store: ShareStore) =>
  Effect.forEach(
    names,
    (name) => Effect.scoped(Effect.flatMap(store.open([name], either), ({ file }) => file.write(0n, small))),
    { concurrency: 16, discard: true }
  )

const readSmall = (store: ShareStore) =>
  Effect.forEach(names, (name) =>
    Effect.scoped(Effect.gen(function*() {
      const { file } = yield* store.open([name], existing)
      yield* file.stat
      if ((yield* file.read(0n, smallBytes)).length !== smallBytes) {
        return yield* Effect.die(new Error("a file was not read whole"))
      }
    })), { concurrency: 16, discard: true })

const removeAll = (store: ShareStore) =>
  Effect.forEach([...names, "large"], (name) => Effect.ignore(store.remove([name])), { discard: true })

/** Both stores, each in its own temporary folder: ours first. */
const contenders = (
  round: (store: ShareStore) => Effect.Effect<unknown, StoreError>,
  before: (store: ShareStore) => Effect.Effect<unknown, StoreError>
) =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(Path.join(tmpdir(), "effect-smb-scale-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
    )
    const stores = [
      ["ObjectStore", yield* ObjectStore.inFolder(Path.join(folder, "objects"))],
      [
        "LocalStore",
        yield* Effect.andThen(
          Effect.promise(() => mkdtemp(Path.join(folder, "local-"))),
          LocalStore.make
        )
      ]
    ] as const
    return stores.map(([name, store]): Contender<StoreError, never> => ({
      name,
      round: round(store),
      before: before(store)
    }))
  })

/** The workloads of docs/scale.md. */
export const workloads = (rounds: number): ReadonlyArray<Workload.Workload> => {
  const large = { amount: largeBytes / mebibyte, unit: "MiB", bytes: largeBytes, goal: 0.6 }
  const smalls = { amount: files, unit: "files", goal: 0.5 }
  return [
    Workload.rate(
      "scale: write a large file",
      rounds,
      large,
      contenders((store) => writeLarge(store, false), removeAll)
    ),
    Workload.rate(
      "scale: write and flush a large file",
      rounds,
      large,
      contenders((store) => writeLarge(store, true), removeAll)
    ),
    Workload.rate(
      "scale: read a large file",
      rounds,
      large,
      contenders(readLarge, (store) => writeLarge(store, false))
    ),
    Workload.rate("scale: make small files", rounds, smalls, contenders(writeSmall, removeAll)),
    Workload.rate("scale: read small files", rounds, smalls, contenders(readSmall, writeSmall))
  ]
}
