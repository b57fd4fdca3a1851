/**
 * Proves which calls wait for a file that is being made, until when, and that none waits for a file that could not be
 * made.
 */
import { assert, describe, it } from "@effect/vitest"
import { FilesBeingMade } from "../../src/Server/Store/internal/FilesBeingMade.ts"
import type { Volume } from "../../src/Server/Store/internal/LocalVolume.ts"

const [here, elsewhere] = [{}, {}] as [Volume, Volume]

/** A file that is made step by step. */
const begin = (files: FilesBeingMade, volume: Volume = here) => {
  const { promise, reject, resolve } = Promise.withResolvers<string>()
  let is: (identity: string) => void = () => assert.fail("the body has not begun")
  const done = files.run(volume, (tell) => {
    is = tell
    return promise
  })
  done.catch(() => {})
  return { is: (identity: string) => is(identity), resolve, reject, done }
}

/** The result of a wait so far. */
const seen = async (promise: Promise<boolean>): Promise<boolean | "waits"> => {
  let now: boolean | "waits" = "waits"
  const settle = (value: boolean) => {
    now = value
  }
  promise.then(settle, () => {})
  await new Promise((resolve) => setImmediate(resolve))
  return now
}

describe("files that are being made", () => {
  it("let a call for the file wait until it is complete, and then look again", async () => {
    const files = new FilesBeingMade()
    assert.isTrue(files.isIdle)
    const made = begin(files)
    assert.isFalse(files.isIdle)
    made.is("1")
    const waiting = files.settled(here, "1")
    assert.strictEqual(await seen(waiting), "waits")
    made.resolve("made")
    assert.strictEqual(await made.done, "made")
    assert.isTrue(files.isIdle)
    assert.strictEqual(await seen(waiting), true)
    assert.strictEqual(await seen(files.settled(here, "1")), false)
  })

  it("let each call of its file system wait until its identity is known, and no call of another one", async () => {
    const files = new FilesBeingMade()
    const made = begin(files)
    const [one, other, far] = [files.settled(here, "1"), files.settled(here, "2"), files.settled(elsewhere, "1")]
    assert.deepStrictEqual([await seen(one), await seen(other), await seen(far)], ["waits", "waits", false])
    made.is("1")
    assert.deepStrictEqual([await seen(one), await seen(other)], ["waits", false])
    made.resolve("")
    assert.strictEqual(await seen(one), true)
  })

  for (const known of [true, false]) {
    it(`let no call wait for a file that could not be made${known ? "" : ", also without an identity"}`, async () => {
      const files = new FilesBeingMade()
      const made = begin(files)
      if (known) made.is("1")
      const waiting = files.settled(here, "1")
      assert.strictEqual(await seen(waiting), "waits")
      made.reject(new Error("full"))
      assert.strictEqual(await made.done.catch((error) => error.message), "full")
      assert.isTrue(files.isIdle)
      // Whether it was this file is known only with an identity.
      assert.strictEqual(await seen(waiting), known)
      assert.strictEqual(await seen(files.settled(here, "1")), false)
    })
  }

  it("are told apart when several are made at the same time", async () => {
    const files = new FilesBeingMade()
    const [one, two, far] = [begin(files), begin(files), begin(files, elsewhere)]
    one.is("1")
    two.is("2")
    const [first, second, third] = [files.settled(here, "1"), files.settled(here, "2"), files.settled(here, "3")]
    assert.deepStrictEqual([await seen(first), await seen(second), await seen(third)], ["waits", "waits", false])
    two.resolve("")
    assert.deepStrictEqual([await seen(first), await seen(second)], ["waits", true])
    one.resolve("")
    assert.strictEqual(await seen(first), true)
    assert.isFalse(files.isIdle)
    far.resolve("")
    await far.done
    assert.isTrue(files.isIdle)
  })
})
