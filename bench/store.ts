/**
 * What fibers below the folder store would cost: the same calls to Node, in the same order, by promises (as
 * `LocalStore` has them) and by Effects, and `LocalStore` itself. docs/adr/0018 has the figures and the decision.
 *
 * Each file is found in a kept directory, opened, described, read to its end and closed: what the server does for a
 * client that fetches a small file.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fs from "node:fs"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import { type StoreError, storeError } from "../src/Server/ShareStore.ts"
import * as Local from "../src/Server/Store/internal/Local.ts"
import { never } from "../src/Server/Store/internal/PromptCalls.ts"
import * as LocalStore from "../src/Server/Store/LocalStore.ts"
import { inTurn, median } from "./Measure.ts"
import type * as Row from "./Row.ts"
import type { Workload } from "./Workload.ts"

const files = 1000
const size = 10_240
const rounds = 9

/** A kept directory, as `LocalTree` has it. */
interface Directory {
  readonly place: string
  users: number
}

/** The chain by promises: one Effect around all of it. */
const byPromises = (directory: Directory) => {
  const within = async <A>(body: (directory: Directory) => Promise<A>): Promise<A> => {
    const found = await acquire()
    try {
      return await body(found)
    } finally {
      found.users--
    }
  }
  const acquire = async () => {
    directory.users++
    return directory
  }
  const lookup = async (name: string) => {
    const stats = await Local.orMissing(Local.lstat(`${directory.place}/${name}`))
    return stats === undefined ? undefined : { name, stats }
  }
  const resolve = async (found: { readonly name: string; readonly stats: Fs.BigIntStats }) =>
    found.stats.isFile() ? found : Local.refuse("AccessDenied")
  const find = (name: string) =>
    within(async () => {
      const found = await lookup(name)
      return found === undefined ? Local.refuse("NotFound") : resolve(found)
    })
  const use = async <A>(fd: number, body: (fd: number) => Promise<A>): Promise<A> => body(fd)
  const readAll = async (fd: number, target: Uint8Array) => {
    let at = 0
    while (at < target.length) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const count = await Local.call<number>((done) => Fs.read(fd, target, at, target.length - at, at, done))
      if (count === 0) break
      at += count
    }
    return at
  }
  const open = async (name: string) => {
    const found = await find(name)
    return Local.openFile(never, `${directory.place}/${found.name}`, false)
  }
  return (name: string) =>
    Effect.flatMap(
      Local.run(() => open(name)),
      (fd) =>
        Local.run(() => use(fd, Local.fstat)).pipe(
          Effect.flatMap(() => Local.run(() => use(fd, (fd) => readAll(fd, new Uint8Array(size))))),
          Effect.flatMap((count) => Effect.as(Local.run(() => Local.close(fd)), count))
        )
    )
}

/** One callback of Node as an Effect. */
const call = <A>(start: (done: (error: Error | null, value: A) => void) => void): Effect.Effect<A, StoreError> =>
  Effect.callback((resume) => {
    start((error, value) =>
      resume(error === null || error === undefined ? Exit.succeed(value) : Exit.fail(Local.toStoreError(error)))
    )
  })

const refuse = (reason: "NotFound" | "AccessDenied") => Effect.fail(storeError(reason))

/** The chain by Effects. */
const byEffects = (directory: Directory) => {
  const lstat = (path: string) => call<Fs.BigIntStats>((done) => Fs.lstat(path, { bigint: true }, done))
  const within = <A>(body: (directory: Directory) => Effect.Effect<A, StoreError>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        directory.users++
        return directory
      }),
      body,
      (found) =>
        Effect.sync(() => {
          found.users--
        })
    )
  const lookup = Effect.fnUntraced(function*(name: string) {
    const stats = yield* Effect.catchIf(
      lstat(`${directory.place}/${name}`),
      (error) => error.reason._tag === "NotFound",
      () => Effect.undefined
    )
    return stats === undefined ? undefined : { name, stats }
  })
  const resolve = (found: { readonly name: string; readonly stats: Fs.BigIntStats }) =>
    found.stats.isFile() ? Effect.succeed(found) : refuse("AccessDenied")
  const find = (name: string) =>
    within(Effect.fnUntraced(function*() {
      const found = yield* lookup(name)
      return found === undefined ? yield* refuse("NotFound") : yield* resolve(found)
    }))
  const use = <A>(fd: number, body: (fd: number) => Effect.Effect<A, StoreError>) => body(fd)
  const readAll = Effect.fnUntraced(function*(fd: number, target: Uint8Array) {
    let at = 0
    while (at < target.length) {
      const count = yield* call<number>((done) => Fs.read(fd, target, at, target.length - at, at, done))
      if (count === 0) break
      at += count
    }
    return at
  })
  const open = Effect.fnUntraced(function*(name: string) {
    const found = yield* find(name)
    return yield* call<number>((done) =>
      Fs.open(`${directory.place}/${found.name}`, Fs.constants.O_RDONLY | Local.openFlags.file, undefined, done)
    )
  })
  return (name: string) =>
    Effect.flatMap(
      Effect.uninterruptible(open(name)),
      (fd) =>
        Effect.uninterruptible(use(fd, (fd) => call<Fs.BigIntStats>((done) => Fs.fstat(fd, { bigint: true }, done))))
          .pipe(
            Effect.flatMap(() => Effect.uninterruptible(use(fd, (fd) => readAll(fd, new Uint8Array(size))))),
            Effect.flatMap((count) =>
              Effect.as(Effect.uninterruptible(call<void>((done) => Fs.close(fd, (error) => done(error)))), count)
            )
          )
    )
}

/** Seconds of this process's own threads, without the kernel's work. */
const userSeconds = () => process.cpuUsage().user / 1e6

const micro = (seconds: number) => seconds * 1e6 / files

const measure = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(
    Effect.promise(() => mkdtemp(Path.join(tmpdir(), "effect-smb-"))),
    (folder) => Effect.promise(() => rm(folder, { recursive: true }))
  )
  const names = Array.from({ length: files }, (_, i) => `file-${i}.txt`)
  yield* Effect.promise(() =>
    Promise.all(names.map((name) => writeFile(Path.join(folder, name), Buffer.alloc(size, "small "))))
  )
  const store = yield* LocalStore.make(folder)
  const byStore = (name: string) =>
    Effect.scoped(
      Effect.gen(function*() {
        const { file } = yield* store.open([name], { mode: "existing", type: "file", forData: true })
        yield* file.stat
        return (yield* file.read(0n, size)).length
      })
    )
  const directory = { place: folder, users: 0 }
  const contender = (name: string, one: (name: string) => Effect.Effect<number, StoreError>) => ({
    name,
    processor: userSeconds,
    round: Effect.gen(function*() {
      const counts = yield* Effect.forEach(names, one, { concurrency: 16 })
      if (counts.some((count) => count !== size)) return yield* Effect.die(new Error("a file was not read whole"))
    })
  })
  const measured = yield* inTurn(rounds, [
    contender("promises", byPromises(directory)),
    contender("effects", byEffects(directory)),
    contender("LocalStore", byStore)
  ])
  return measured.map(({ name, processor, seconds }): Row.Row => ({
    name: `calls of the folder store: ${name}`,
    unit: "µs a file",
    ours: micro(median(seconds)),
    note: `CPU ${micro(median(processor)).toFixed(0)} µs`
  }))
})

/** The workload of docs/adr/0018. */
export const workloads: ReadonlyArray<Workload> = [{ name: "folder store", rows: measure }]
