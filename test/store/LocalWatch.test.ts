/**
 * Proves that a store's own change is not reported if it happens while the watcher looks at the name, and that a report
 * of another program's change comes even if the store's own change of that name never ends. The test holds the look.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import * as Fs from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { StoreChange } from "../../src/Server/ShareStore.ts"
import * as LocalWatch from "../../src/Server/Store/internal/LocalWatch.ts"

const folder = Effect.acquireRelease(
  Effect.promise(async () => Fs.realpathSync(await Fs.promises.mkdtemp(join(tmpdir(), "effect-smb-watch-")))),
  (path) => Effect.promise(() => Fs.promises.rm(path, { recursive: true, force: true }))
)

/** Calls `begin` before each look at `path`, and gives its result to `answer`, which passes it on. */
const heldLooks = (
  path: string,
  answer: (look: number, pass: () => void) => void,
  begin: (look: number) => void = () => {}
) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const native = process.getBuiltinModule("node:fs")
      const { lstat } = native
      let looks = 0
      Object.assign(native, {
        lstat: (at: string, done: (...result: ReadonlyArray<unknown>) => void) => {
          if (at !== path) return lstat(at, done)
          const look = ++looks
          begin(look)
          lstat(at, (...result) => answer(look, () => done(...result)))
        }
      })
      syncBuiltinESMExports()
      return () => {
        Object.assign(native, { lstat })
        syncBuiltinESMExports()
      }
    }),
    (restore) => Effect.sync(restore)
  )

/** A watched folder, with what is reported. */
const watched = Effect.gen(function*() {
  const path = yield* folder
  const own = new LocalWatch.OwnChanges()
  const told: Array<StoreChange> = []
  const begun = Promise.withResolvers<void>()
  const fiber = yield* Effect.forkScoped(Stream.runForEach(
    LocalWatch.changes({
      find: Effect.succeed({ place: path, path: [], all: true }),
      reserved: ".effect-smb",
      recursive: false,
      own,
      onStart: () => Effect.sync(() => begun.resolve())
    }),
    (change) => Effect.sync(() => void told.push(change))
  ))
  yield* Effect.promise(() => begun.promise)
  /** Waits until the report of another program's file: every report before it has come. */
  const last = Effect.promise(async () => {
    Fs.writeFileSync(join(path, "last"), "")
    while (!told.some((change) => change.path[0] === "last")) await new Promise((resolve) => setTimeout(resolve, 5))
    return told.filter((change) => change.path[0] !== "last")
  })
  yield* Effect.addFinalizer(() => Fiber.interrupt(fiber))
  return { path, at: (name: string) => join(path, name), own, told, last }
})

describe.skipIf(process.platform !== "linux")("a watcher of a folder", () => {
  for (const [when, isHeard] of [["before", true], ["after", false]] as const) {
    it.live(`reports no removal by the store during a look that ends ${when} the platform reports the removal`, () =>
      Effect.gen(function*() {
        const { at, last, own, path } = yield* watched
        const [over, heard] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
        let isRemoved = false
        yield* Effect.acquireRelease(
          // It hears each change after the watcher, which is older.
          Effect.sync(() => Fs.watch(path, (_event, name) => isRemoved && name === "f" ? heard.resolve() : undefined)),
          (watch) => Effect.sync(() => watch.close())
        )
        yield* heldLooks(at("f"), (look, pass) => {
          if (look > 1) {
            pass()
            return over.resolve()
          }
          isRemoved = true
          void own.during([], () => Fs.promises.rm(at("f")), [["f"]])
            .then(() => isHeard ? heard.promise : undefined).then(pass)
        })
        yield* Effect.promise(() => own.during([["f"]], () => Fs.promises.writeFile(at("f"), "own")))
        yield* Effect.promise(() => over.promise)
        assert.deepStrictEqual(yield* last, [])
      }).pipe(Effect.scoped))
  }

  it.live("reports no removal by the store that still runs when the look ends", () =>
    Effect.gen(function*() {
      const { at, last, own } = yield* watched
      const [over, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      let removing: Promise<void> | undefined
      yield* heldLooks(at("f"), (look, pass) => {
        pass()
        if (look === 1) end.resolve()
        else over.resolve()
      }, (look) => {
        if (look > 1) return
        // The name is gone, and the store does not know yet that its removal succeeded.
        removing = own.during([], () => end.promise, [["f"]])
        Fs.rmSync(at("f"))
      })
      yield* Effect.promise(() => own.during([["f"]], () => Fs.promises.writeFile(at("f"), "own")))
      yield* Effect.promise(() => over.promise)
      yield* Effect.promise(() => removing!)
      assert.deepStrictEqual(yield* last, [])
    }).pipe(Effect.scoped))

  it.live("reports another program's change although the store's own change of that name does not end", () =>
    Effect.gen(function*() {
      const { at, own, told } = yield* watched
      const end = Promise.withResolvers<void>()
      const running = own.during([["f"]], () => end.promise)
      Fs.writeFileSync(at("f"), "theirs")
      yield* Effect.promise(async () => {
        while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      })
      assert.deepStrictEqual(told, [{ path: ["f"], action: "added" }])
      end.resolve()
      yield* Effect.promise(() => running)
    }).pipe(Effect.scoped))
})
