/**
 * What a store that offers `changes` tells of other programs' changes: all of them, soon, and none of its own.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Latch, type Scope, Stream } from "effect"
import type { ShareStore, StoreChange, StorePath } from "../../src/Server/ShareStore.ts"

/** Another program's hand in the storage. */
export interface Outside {
  readonly write: (path: StorePath, content: string) => void
  readonly makeDirectory: (path: StorePath) => void
  readonly remove: (path: StorePath) => void
}

const text = (value: string) => new TextEncoder().encode(value)

const change = (store: ShareStore, path: StorePath, content: string) =>
  Effect.scoped(
    Effect.flatMap(
      store.open(path, { mode: "either", type: "file" }),
      ({ file }) => Effect.andThen(file.truncate(0n), file.write(0n, text(content)))
    )
  )

/** What is told while `run` runs. */
const listening = Effect.fnUntraced(function*(store: ShareStore, directory: StorePath, recursive: boolean) {
  const seen: Array<string> = []
  const started = yield* Latch.make()
  yield* Effect.forkScoped(
    Stream.runForEach(
      store.changes!(directory, { recursive, onStart: () => Effect.asVoid(started.open) }),
      ({ action, path }: StoreChange) => Effect.sync(() => seen.push(`${action} ${path.join("/")}`))
    )
  )
  yield* started.await
  /** Waits until these were told. */
  const until = (...lines: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      for (let i = 0; i < 200 && !lines.every((line) => seen.includes(line)); i++) yield* Effect.sleep(20)
      assert.includeMembers(seen, [...lines])
      seen.length = 0
    })
  return { seen, until }
})

/** Longer than a storage takes to tell. */
const quiet = Effect.sleep(200)

export const tellsOfOthers = (
  make: Effect.Effect<ShareStore, unknown, Scope.Scope>,
  outsideOf: (store: ShareStore) => Outside
): void => {
  describe("changes of others", () => {
    it.live("are told by what happened", () =>
      Effect.gen(function*() {
        const store = yield* make
        const outside = outsideOf(store)
        const { until } = yield* listening(store, [], false)
        outside.write(["f"], "1")
        yield* until("added f")
        outside.write(["f"], "22")
        yield* until("modified f")
        outside.remove(["f"])
        yield* until("removed f")
        outside.makeDirectory(["d"])
        yield* until("added d")
      }).pipe(Effect.scoped))

    it.live("below are told to those who ask for them", () =>
      Effect.gen(function*() {
        const store = yield* make
        const outside = outsideOf(store)
        outside.makeDirectory(["D"])
        outside.makeDirectory(["D", "E"])
        const root = yield* listening(store, [], false)
        const whole = yield* listening(store, [], true)
        const part = yield* listening(store, ["d"], true)
        outside.write(["D", "E", "f"], "1")
        yield* whole.until("added D/E/f")
        yield* part.until("added E/f")
        yield* quiet
        assert.isFalse(root.seen.some((line) => line.includes("f")), root.seen.join(", "))
      }).pipe(Effect.scoped))

    it.live("are told, and those through the store are not", () =>
      Effect.gen(function*() {
        const store = yield* make
        const outside = outsideOf(store)
        outside.write(["theirs"], "x")
        const { seen, until } = yield* listening(store, [], true)
        yield* Effect.scoped(store.open(["d"], { mode: "new", type: "directory" }))
        yield* change(store, ["d", "f"], "1")
        yield* change(store, ["theirs"], "2")
        yield* store.rename(["d", "f"], ["d", "g"], { replace: false })
        yield* change(store, ["h"], "3")
        yield* store.rename(["h"], ["d", "g"], { replace: true })
        yield* store.remove(["d", "g"])
        yield* store.remove(["d"])
        yield* quiet
        assert.deepStrictEqual(seen, [])
        // At once after a change of our own to the same file.
        yield* change(store, ["theirs"], "4")
        yield* Effect.sleep(20)
        outside.write(["theirs"], "5")
        yield* until("modified theirs")
        yield* change(store, ["ours"], "6")
        yield* Effect.sleep(20)
        outside.remove(["ours"])
        yield* until("removed ours")
        yield* change(store, ["ours"], "7")
        yield* store.remove(["ours"])
        yield* Effect.sleep(20)
        outside.write(["ours"], "8")
        yield* until("added ours")
      }).pipe(Effect.scoped))

    it.live("of many files at once are told one by one", () =>
      Effect.gen(function*() {
        const store = yield* make
        const outside = outsideOf(store)
        const { until } = yield* listening(store, [], false)
        const names = Array.from({ length: 200 }, (_, i) => `f${i}`)
        for (const name of names) outside.write([name], "x")
        yield* until(...names.map((name) => `added ${name}`))
      }).pipe(Effect.scoped))

    it.live("cannot be asked for where there is no directory", () =>
      Effect.gen(function*() {
        const store = yield* make
        let started = false
        const onStart = () =>
          Effect.sync(() => {
            started = true
          })
        const error = yield* Effect.flip(Stream.runDrain(store.changes!(["nothing"], { recursive: true, onStart })))
        assert.deepStrictEqual([error.reason, started], ["NotFound", false])
      }).pipe(Effect.scoped))
  })
}
