/**
 * Tests of a store that offers `changes`: it reports every change by another program within 4 seconds, and no change
 * through the store itself.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import type { ShareStore, StoreChange, StorePath } from "../../../Server/ShareStore.ts"
import type { Outside } from "../../StoreTraits.ts"
import { assert } from "./Assertions.ts"
import { type Kit, text } from "./Kit.ts"

const change = (store: ShareStore, path: StorePath, content: string) =>
  Effect.scoped(
    Effect.flatMap(
      store.open(path, { mode: "either", type: "file" }),
      ({ file }) => Effect.andThen(file.truncate(0n), file.write(0n, text(content)))
    )
  )

/** Collects the changes of a directory that the store reports, as `action path`. */
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
  /** Waits until the store has reported these changes, for up to 4 seconds. */
  const until = (...lines: ReadonlyArray<string>) =>
    Effect.gen(function*() {
      for (let i = 0; i < 200 && !lines.every((line) => seen.includes(line)); i++) yield* Effect.sleep(20)
      assert.includeMembers(seen, [...lines])
      seen.length = 0
    })
  return { seen, until }
})

/** A wait that is longer than a storage needs to report a change. */
const quiet = Effect.sleep(200)

/** Tests of a store with `changes`. */
export const testChangesByOthers = ({ gen }: Kit, outsideOf: (store: ShareStore) => Outside): void => {
  gen("are reported as added, modified and removed", function*(store) {
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
  })

  gen("in subdirectories are reported to recursive watches only", function*(store) {
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
  })

  gen("are reported, also right after changes through the store, which are not reported", function*(store) {
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
    // Another program changes the same file right after a change through the store.
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
  })

  gen("of 200 files at once are reported for each file", function*(store) {
    const outside = outsideOf(store)
    const { until } = yield* listening(store, [], false)
    const names = Array.from({ length: 200 }, (_, i) => `f${i}`)
    for (const name of names) outside.write([name], "x")
    yield* until(...names.map((name) => `added ${name}`))
  })

  gen("of a missing directory cannot be watched: NotFound", function*(store) {
    let started = false
    const onStart = () =>
      Effect.sync(() => {
        started = true
      })
    const error = yield* Effect.flip(Stream.runDrain(store.changes!(["nothing"], { recursive: true, onStart })))
    assert.deepStrictEqual([error.reason._tag, started], ["NotFound", false])
  })
}
