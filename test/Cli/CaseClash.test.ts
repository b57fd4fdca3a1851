/**
 * How `get` treats names that differ only in case: which names are one name by Windows' table of capitals, and which
 * file is written on a local disk that does or does not tell them apart (a map stands for the disk).
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import * as CaseClash from "../../src/Cli/CaseClash.ts"

describe("CaseClash", () => {
  it("finds names of a folder that are one name by Windows' table, and not by JavaScript's", () => {
    assert.deepStrictEqual([...CaseClash.within(["Makefile", "makefile", "MAKEFILE", "x"])], [
      ["makefile", "Makefile"],
      ["MAKEFILE", "Makefile"]
    ])
    // Unicode has more pairs than Windows: these are two names on a server.
    assert.strictEqual(CaseClash.within(["ß", "ẞ", "İ", "i̇", "გ", "Გ"]).size, 0)
    assert.strictEqual(CaseClash.within(["ΟΔΟΣ", "οδος", "οδοσ"]).size, 2)
  })

  /** A disk that identifies a file by `key` of its path: the path itself, or the path without case. */
  const disk = (key: (path: string) => string) => {
    const files = new Map<string, string>()
    const identity = (path: string) => Effect.sync(() => files.has(key(path)) ? key(path) : undefined)
    const write = (path: string) => Effect.sync(() => void files.set(key(path), path))
    return { files, identity, write }
  }

  it.effect("writes all files on a disk that is case-sensitive", () =>
    Effect.gen(function*() {
      const { files, identity, write } = disk((path) => path)
      const places = new CaseClash.Places(identity)
      for (const path of ["d/a", "d/A", "D/a", "d/b"]) {
        assert.isUndefined(yield* places.make(path, write(path)))
      }
      assert.strictEqual(files.size, 4)
    }))

  it.effect("on a case-insensitive disk lets the second file wait, does not write it, and names the first", () =>
    Effect.gen(function*() {
      const { files, identity, write } = disk((path) => path.toLowerCase())
      const places = new CaseClash.Places(identity)
      const go = yield* Deferred.make<void>()
      const first = yield* Effect.forkChild(places.make("d/a", Effect.andThen(Deferred.await(go), write("d/a"))))
      yield* Effect.yieldNow
      const second = yield* Effect.forkChild(places.make("d/A", write("d/A")))
      yield* Effect.yieldNow
      assert.strictEqual(files.size, 0)
      yield* Deferred.succeed(go, undefined)
      assert.isUndefined(yield* Fiber.join(first))
      assert.strictEqual(yield* Fiber.join(second), "d/a")
      assert.deepStrictEqual([...files.values()], ["d/a"])
      // If the first file could not be written, the name is free.
      yield* Effect.ignore(places.make("d/x", Effect.fail("no")))
      assert.isUndefined(yield* places.make("d/X", write("d/X")))
    }))
})
