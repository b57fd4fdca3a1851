/**
 * Proves which changes a LocalStore remembers as its own, and for how long: a watcher does not report them.
 */
import { assert, describe, it } from "@effect/vitest"
import { afterEach, beforeEach, vi } from "vitest"
import { OwnChanges } from "../../src/Server/Store/internal/LocalWatch.ts"

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: 1_000_000 })
})
afterEach(() => {
  vi.useRealTimers()
})

const watched = () => {
  const own = new OwnChanges()
  own.watchers = 1
  return own
}
const nothing = () => Promise.resolve()

describe("a store's own changes", () => {
  it("are not remembered while no watcher exists, and give the result of the change in any case", async () => {
    const own = new OwnChanges()
    assert.strictEqual(await own.during([["f"]], () => Promise.resolve(5)), 5)
    assert.isUndefined(own.find(["f"]))
    assert.strictEqual(await watched().during([["f"]], () => Promise.resolve(6)), 6)
  })

  it("run until the change has ended, with or without success, and then have its time and whether the name is gone", async () => {
    const own = watched()
    for (const fails of [false, true]) {
      const end = Promise.withResolvers<void>()
      const done = own.during([["d", "f"]], () => end.promise, [["g"]]).catch(() => undefined)
      const other = own.during([["d", "f"]], nothing)
      assert.strictEqual(own.find(["d", "f"])?.running, 2)
      assert.strictEqual(own.find(["g"])?.running, 1)
      await other
      assert.strictEqual(own.find(["d", "f"])?.running, 1)
      vi.setSystemTime(Date.now() + 10)
      if (fails) end.reject(new Error("no"))
      else end.resolve()
      await done
      assert.deepStrictEqual(own.find(["d", "f"]), { running: 0, ended: Date.now(), gone: false })
      assert.deepStrictEqual(own.find(["g"]), { running: 0, ended: Date.now(), gone: true })
      assert.isUndefined(own.find(["d"]))
      assert.isUndefined(own.find(["f"]))
    }
    // The name exists again.
    await own.during([["g"]], nothing)
    assert.isFalse(own.find(["g"])!.gone)
  })

  it("are forgotten 2 seconds after their end, when another change ends, and not while they run", async () => {
    const own = watched()
    const end = Promise.withResolvers<void>()
    const long = own.during([["long"]], () => end.promise)
    await own.during([["a"]], nothing)
    vi.setSystemTime(1_000_500)
    await own.during([["b"]], nothing)
    vi.setSystemTime(1_001_000)
    // The last end counts.
    await own.during([["a"]], nothing)
    vi.setSystemTime(1_002_499)
    await own.during([["c"]], nothing)
    assert.isDefined(own.find(["b"]))
    vi.setSystemTime(1_002_500)
    await own.during([["c"]], nothing)
    assert.isUndefined(own.find(["b"]))
    assert.isDefined(own.find(["a"]))
    assert.strictEqual(own.find(["long"])?.running, 1)
    end.resolve()
    await long
    assert.strictEqual(own.find(["long"])?.ended, 1_002_500)
    vi.setSystemTime(1_004_500)
    await own.during([["d"]], nothing)
    for (const name of ["a", "c", "long"]) assert.isUndefined(own.find([name]))
    assert.isDefined(own.find(["d"]))
  })
})
