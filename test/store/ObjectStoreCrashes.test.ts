/**
 * Proves what becomes of the files of an ObjectStore if the process ends at any call of the database or of the blobs:
 * each change has happened, or has not, nothing flushed is lost, and no blob without use stays after `collect`. Proves
 * the same if a call fails and the store goes on, and if it is not known whether a transaction was committed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope, Stream } from "effect"
import { SqlClient, SqlError, Statement } from "effect/sql"
import * as BlobStore from "../../src/Server/BlobStore.ts"
import { type ShareStore, type StoreError, storeError, type StorePath } from "../../src/Server/ShareStore.ts"
import * as ObjectStore from "../../src/Server/Store/ObjectStore.ts"
import * as SqliteClient from "../../src/Server/Store/SqliteClient.ts"

const chunkSize = 4096
const options = { chunkSize, inlineSize: 100 }

const text = (value: string) => new TextEncoder().encode(value)
const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte)
const file = { mode: "existing", type: "file" } as const
const newFile = { mode: "new", type: "file" } as const

type Step = (store: ShareStore) => Effect.Effect<unknown, StoreError, Scope.Scope>

/** Opens a file, changes it and flushes it. */
const flushed = (
  path: StorePath,
  change: (
    file: Effect.Success<ReturnType<ShareStore["open"]>>["file"]
  ) => Effect.Effect<unknown, StoreError, Scope.Scope>
): Step =>
(store) => Effect.flatMap(store.open(path, file), (opened) => Effect.andThen(change(opened.file), opened.file.flush))

/** Changes that are visible whole or not at all: each is one transaction. */
const steps: ReadonlyArray<Step> = [
  (store) => store.open(["d"], { mode: "new", type: "directory" }),
  (store) => store.open(["a"], newFile),
  flushed(["a"], (a) => a.write(0n, filled(3 * chunkSize + 50, 1))),
  // In the middle of two chunks, and in a new one.
  flushed(["a"], (a) => Effect.andThen(a.write(4000n, filled(200, 2)), a.write(20_000n, text("end")))),
  flushed(["a"], (a) => Effect.andThen(a.zero({ offset: 100n, length: 5000n }), a.truncate(15_000n))),
  (store) => store.open(["b"], newFile),
  (store) =>
    Effect.gen(function*() {
      const { file: a } = yield* store.open(["a"], file)
      const { file: b } = yield* store.open(["b"], file)
      yield* b.copyFrom!(a, { offset: 0n, length: 12_000n }, 1000n)
    }),
  (store) => store.open(["b"], { ...newFile, stream: "s" }),
  (store) =>
    Effect.flatMap(
      store.open(["b"], { ...file, stream: "s" }),
      ({ file }) => Effect.andThen(file.write(0n, filled(5000, 7)), file.flush)
    ),
  flushed(["b"], (b) => b.setBlob("SecurityDescriptor", text("who may"))),
  (store) => store.link!(["b"], ["d", "l"], { replace: false }),
  (store) => store.rename(["a"], ["d", "A"], { replace: false }),
  (store) => store.open(["c"], newFile),
  flushed(["c"], (c) => c.write(0n, filled(6000, 9))),
  (store) => store.rename(["c"], ["d", "a"], { replace: true }),
  (store) => store.remove(["b"], { stream: "s" }),
  (store) => store.remove(["b"]),
  (store) => store.remove(["d", "l"])
]

/** What clients see, without times and numbers. */
const seen = (store: ShareStore, path: StorePath = []): Effect.Effect<ReadonlyArray<string>, StoreError> =>
  Effect.scoped(Effect.gen(function*() {
    const lines: Array<string> = []
    for (const node of yield* Stream.runCollect(store.list(path))) {
      const at = [...path, node.name]
      if (node.type === "directory") {
        lines.push(`${at.join("/")}/`, ...yield* seen(store, at))
        continue
      }
      const { file: opened } = yield* store.open(at, file)
      const hash = (bytes: Uint8Array) =>
        `${bytes.length} bytes, ${bytes.reduce((sum, byte, i) => sum + byte * (i + 1), 0)}`
      const bytes = yield* opened.read(0n, 100_000)
      assert.strictEqual(BigInt(bytes.length), node.size)
      const blob = yield* opened.getBlob("SecurityDescriptor")
      lines.push(
        `${at.join("/")}: ${hash(bytes)}, ${node.numberOfLinks} names${blob === undefined ? "" : ", descriptor"}`
      )
      for (const { name } of yield* opened.streams) {
        const { file: stream } = yield* store.open(at, { ...file, stream: name })
        lines.push(`${at.join("/")}:${name}: ${hash(yield* stream.read(0n, 100_000))}`)
      }
    }
    return lines
  }))

/** A database and blobs that outlive the stores over them. */
const storage = Effect.gen(function*() {
  const services = yield* Layer.build(SqliteClient.layer())
  const blobs = yield* BlobStore.memory()
  const sql = yield* Effect.provide(SqlClient.SqlClient, services)
  const open = (of: BlobStore.Blobs = blobs, client: SqlClient.SqlClient = sql) =>
    ObjectStore.make(options).pipe(
      Effect.provideService(BlobStore.BlobStore, of),
      Effect.provideService(SqlClient.SqlClient, client)
    )
  return { blobs, open, sql }
})

/** Counts calls of the storage. */
const counter = () => {
  let count = 0
  return {
    get count() {
      return count
    },
    next: () => ++count
  }
}

/** Calls `before` in front of each statement and each call of the blobs. A put has kept a part of its bytes by then. */
const observed = (blobs: BlobStore.Blobs, before: Effect.Effect<void, StoreError>): BlobStore.Blobs => ({
  ...blobs,
  put: (id, pieces, how) =>
    Effect.catchCause(
      before,
      (cause) => Effect.andThen(blobs.put(id, [pieces[0]!.subarray(0, 10)], how), Effect.failCause(cause))
    ).pipe(
      Effect.andThen(blobs.put(id, pieces, how))
    ),
  readInto: (...of) => Effect.andThen(before, blobs.readInto(...of)),
  persist: (ids) => Effect.andThen(before, blobs.persist(ids)),
  remove: (id) => Effect.andThen(before, blobs.remove(id))
})

const statements = (before: Effect.Effect<void>) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Statement.CurrentTransformer, (statement) => Effect.as(before, statement))

const crashed = new Error("the process has ended")

/** Does the steps in one store until the call with that number, where the process ends. Returns the steps that were done. */
const runUntil = Effect.fnUntraced(function*(
  { blobs, open }: Effect.Success<typeof storage>,
  faulty: number
) {
  const calls = counter()
  // After it, nothing runs any more: not what the ends of scopes would do.
  const before = Effect.suspend(() => calls.next() >= faulty ? Effect.die(crashed) : Effect.void)
  let done = 0
  yield* Effect.gen(function*() {
    const store = yield* open(observed(blobs, before))
    for (const step of steps) {
      yield* Effect.scoped(step(store))
      done++
    }
  }).pipe(Effect.scoped, statements(before), Effect.exit)
  return { calls: calls.count, done }
})

/** What is seen before all steps, and after each. */
const expected = Effect.scoped(Effect.gen(function*() {
  const store = yield* (yield* storage).open()
  const all = [yield* seen(store)]
  for (const step of steps) {
    yield* Effect.scoped(step(store))
    all.push(yield* seen(store))
  }
  return all
}))

describe("an ObjectStore", () => {
  it.live(
    "whose process ends at any call shows each change whole or not at all, and nothing flushed is lost",
    () =>
      Effect.gen(function*() {
        const states = yield* expected
        assert.strictEqual(new Set(states.map((state) => state.join())).size, states.length)
        const all = yield* Effect.scoped(Effect.flatMap(storage, (made) => runUntil(made, Infinity)))
        assert.strictEqual(all.done, steps.length)
        assert.isAbove(all.calls, 100)
        for (let faulty = 1; faulty <= all.calls; faulty++) {
          yield* Effect.scoped(Effect.gen(function*() {
            const made = yield* storage
            const { done } = yield* runUntil(made, faulty)
            const store = yield* made.open()
            const what = `the process ended at call ${faulty}, after ${done} steps`
            const state = yield* seen(store)
            const possible = states.slice(done, done + 2)
            assert.include(possible.map((lines) => lines.join("\n")), state.join("\n"), what)
            yield* store.collect
            assert.deepInclude(yield* store.check, { unused: 0, problems: [] }, what)
            const kept = yield* Stream.runCollect(made.blobs.list)
            const [row] = yield* made.sql<{ chunks: number }>`
            SELECT count(*) AS chunks FROM smb_chunk WHERE bytes IS NULL`
            assert.strictEqual(kept.length, row!.chunks, what)
            // And goes on from there.
            for (
              const step of steps.slice(possible.findIndex((lines) => lines.join() === state.join()) + done)
            ) {
              yield* Effect.scoped(step(store))
            }
            assert.deepStrictEqual(yield* seen(store), states.at(-1), what)
          }))
        }
      }),
    60_000
  )

  it.live(
    "in which one call of the blobs fails goes on: what was written is there after the next flush",
    () =>
      Effect.gen(function*() {
        const states = yield* expected
        const run = (faulty: number) =>
          Effect.scoped(Effect.gen(function*() {
            const calls = counter()
            let isOver = false
            const before = Effect.suspend(() =>
              !isOver && calls.next() === faulty ? Effect.fail(storeError("Busy")) : Effect.void
            )
            const made = yield* storage
            const store = yield* made.open(observed(made.blobs, before))
            for (const step of steps) yield* Effect.scoped(Effect.retry(step(store), { times: 1 }))
            isOver = true
            assert.deepStrictEqual(yield* seen(store), states.at(-1), `call ${faulty} failed`)
            yield* store.collect
            assert.deepInclude(yield* store.check, { unused: 0, problems: [] }, `call ${faulty} failed`)
            return calls.count
          }))
        const count = yield* run(Infinity)
        assert.isAbove(count, 10)
        for (let faulty = 1; faulty <= count; faulty++) yield* run(faulty)
      }),
    60_000
  )

  it.live("that does not know whether a transaction was committed keeps all bytes at the next flush", () =>
    Effect.scoped(Effect.gen(function*() {
      for (const committed of [true, false]) {
        let isFaulty = false
        const made = yield* storage
        const { sql } = made
        const lost = new SqlError.SqlError({
          reason: new SqlError.ConnectionError({ cause: new Error("the connection was lost") })
        })
        const client = new Proxy(sql, {
          get: (target, key) =>
            key !== "withTransaction" ? Reflect.get(target, key) : <A, E, R>(body: Effect.Effect<A, E, R>) => {
              if (!isFaulty) return sql.withTransaction(body)
              isFaulty = false
              return committed
                ? Effect.andThen(sql.withTransaction(body), Effect.fail(lost))
                : sql.withTransaction(Effect.andThen(body, Effect.fail(lost)))
            }
        })
        const store = yield* made.open(made.blobs, client)
        const { file: opened } = yield* store.open(["f"], newFile)
        yield* opened.write(0n, filled(3 * chunkSize, 1))
        yield* opened.flush
        yield* opened.write(5000n, filled(5000, 2))
        isFaulty = true
        assert.strictEqual((yield* Effect.flip(opened.flush)).reason._tag, "Busy")
        const content = filled(3 * chunkSize, 1).fill(2, 5000, 10_000)
        assert.deepStrictEqual(yield* opened.read(0n, 100_000), content)
        yield* opened.write(0n, filled(10, 3))
        yield* opened.flush
        content.fill(3, 0, 10)
        assert.deepStrictEqual(yield* opened.read(0n, 100_000), content)
        yield* store.collect
        assert.deepInclude(yield* store.check, { unused: 0, problems: [] })
        const again = yield* made.open()
        const { file: reopened } = yield* again.open(["f"], file)
        assert.deepStrictEqual(yield* reopened.read(0n, 100_000), content)
      }
    })))

  it.live("whose blobs fail at a close keeps the bytes in memory, and uploads them when it ends", () =>
    Effect.scoped(Effect.gen(function*() {
      const made = yield* storage
      let isFull = true
      const scope = yield* Scope.make()
      const before = Effect.suspend(() => isFull ? Effect.fail(storeError("Full")) : Effect.void)
      const store = yield* Scope.provide(made.open(observed(made.blobs, before)), scope)
      yield* Effect.scoped(
        Effect.flatMap(store.open(["f"], newFile), ({ file }) => file.write(0n, filled(9000, 4)))
      )
      assert.strictEqual((yield* store.stat(["f"])).size, 9000n)
      const { file: opened } = yield* Scope.provide(store.open(["f"], file), scope)
      assert.deepStrictEqual(yield* opened.read(0n, 10_000), filled(9000, 4))
      assert.strictEqual((yield* Effect.flip(opened.flush)).reason._tag, "Full")
      isFull = false
      yield* Scope.close(scope, Exit.void)
      const again = yield* made.open()
      const { file: reopened } = yield* again.open(["f"], file)
      assert.deepStrictEqual(yield* reopened.read(0n, 10_000), filled(9000, 4))
    })))

  it.live("removes at its start a file that had lost its name while it was open", () =>
    Effect.scoped(Effect.gen(function*() {
      const made = yield* storage
      const lost = yield* made.open()
      const { file: opened } = yield* lost.open(["f"], newFile)
      yield* opened.write(0n, filled(9000, 4))
      yield* opened.flush
      yield* lost.remove(["f"])
      assert.deepStrictEqual(yield* opened.read(0n, 10_000), filled(9000, 4))
      assert.strictEqual((yield* lost.check).files, 2)
      // The process has ended without a close; another one opens the volume.
      const store = yield* made.open()
      yield* store.collect
      assert.deepStrictEqual(yield* store.check, { files: 1, chunks: 0, unused: 0, problems: [] })
      assert.deepStrictEqual(yield* Stream.runCollect(made.blobs.list), [])
    })))
})
