/**
 * How `get` treats names that differ only in case: which names are one name by Windows' table of capitals, and which
 * file is written on a local disk that does or does not tell them apart (a map stands for the disk).
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as CaseClash from "../../src/Transfer/internal/CaseClash.ts"

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

  it.effect("replaces the files of an earlier copy on a disk that is case-sensitive", () =>
    Effect.gen(function*() {
      const { identity, write } = disk((path) => path)
      yield* write("d/a")
      yield* write("d/A")
      const places = new CaseClash.Places(identity)
      for (const path of ["d/a", "d/A"]) assert.isUndefined(yield* places.make(path, write(path)))
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

  it.effect.each([true, false])(
    "foretells the same in a dry run, by the folder above (the disk ignores case: %s)",
    (ignores) =>
      Effect.gen(function*() {
        const { files, identity, write } = disk((path) => ignores ? path.toLowerCase() : path)
        yield* write("/mnt")
        yield* write("/mnt/Here")
        const places = new CaseClash.Places(identity, true)
        assert.isUndefined(yield* places.make("/mnt/Here/2/a", Effect.void))
        assert.strictEqual(yield* places.make("/mnt/Here/2/A", Effect.void), ignores ? "/mnt/Here/2/a" : undefined)
        // No folder above has letters: nothing is known.
        const bare = new CaseClash.Places(identity, true)
        for (const path of ["/2/a", "/2/A"]) assert.isUndefined(yield* bare.make(path, Effect.void))
        assert.deepStrictEqual([...files.values()], ["/mnt", "/mnt/Here"])
      })
  )

  it.effect("writes a name again that comes twice, without a wait for its first file", () =>
    Effect.gen(function*() {
      const { identity } = disk((path) => path.toLowerCase())
      const places = new CaseClash.Places(identity)
      const first = yield* Effect.forkChild(places.make("d/a", Effect.never), { startImmediately: true })
      let written = 0
      for (let i = 0; i < 2; i++) assert.isUndefined(yield* places.make("d/a", Effect.sync(() => void written++)))
      assert.strictEqual(written, 2)
      yield* Fiber.interrupt(first)
    }))

  it.effect("lets no name wait for one that was not written", () =>
    Effect.gen(function*() {
      // The first two are one file, and the third is another one, as after a link that somebody has made.
      const keys: Record<string, string> = { "d/ab": "1", "d/aB": "1", "d/AB": "2" }
      const { files, identity, write } = disk((path) => keys[path]!)
      const places = new CaseClash.Places(identity)
      assert.isUndefined(yield* places.make("d/ab", write("d/ab")))
      assert.strictEqual(yield* places.make("d/aB", write("d/aB")), "d/ab")
      assert.isUndefined(yield* places.make("d/AB", write("d/AB")))
      assert.deepStrictEqual([...files.values()], ["d/ab", "d/AB"])
    }))

  it.effect("knows a local file by what it is: one for two names of it, and none for a name without a file", () =>
    Effect.gen(function*() {
      const here = yield* Effect.acquireRelease(
        Effect.sync(() => Fs.mkdtempSync(join(tmpdir(), "clash-"))),
        (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true }))
      )
      Fs.writeFileSync(join(here, "a"), "")
      Fs.linkSync(join(here, "a"), join(here, "b"))
      Fs.writeFileSync(join(here, "c"), "")
      const [a, b, c, d] = yield* Effect.forEach(["a", "b", "c", "d"], (name) => CaseClash.identityOf(join(here, name)))
      assert.isDefined(a)
      assert.strictEqual(a, b)
      assert.notStrictEqual(a, c)
      assert.isUndefined(d)
    }).pipe(Effect.scoped))
})
