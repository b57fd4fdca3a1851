/**
 * Which calls to a file system are made at once: those of a local disk or of memory, until one of them takes long.
 */
import { assert, describe, it } from "@effect/vitest"
import { never, PromptCalls } from "../../src/Server/Store/internal/PromptCalls.ts"

/** Calls on a clock that the test moves. */
const timed = (prompt = true) => {
  let now = 1000
  const calls = new PromptCalls(prompt, () => now)
  const wait = (millis: number) => {
    now += millis
  }
  const which = () => calls.either(() => "at once", () => Promise.resolve("in the thread pool"))
  return { calls, wait, which }
}

describe("calls of a prompt file system", () => {
  it("are made at once, and give their result", async () => {
    const { calls, which } = timed()
    assert.isTrue(calls.areShort)
    assert.strictEqual(await which(), "at once")
    assert.strictEqual(calls.run(() => 7), 7)
  })

  it("reject with the error of a call", async () => {
    const { calls } = timed()
    const failed = calls.either(() => {
      throw new Error("no space")
    }, () => Promise.resolve())
    assert.strictEqual(await failed.catch((error: Error) => error.message), "no space")
  })

  it("are made in the thread pool for a second after one that took more than 5 ms", async () => {
    const { calls, wait, which } = timed()
    calls.run(() => wait(5))
    assert.strictEqual(await which(), "at once")
    calls.run(() => wait(6))
    assert.strictEqual(await which(), "in the thread pool")
    wait(999)
    assert.isFalse(calls.areShort)
    wait(1)
    assert.strictEqual(await which(), "at once")
  })

  it("count as long also if they fail", () => {
    const { calls, wait } = timed()
    assert.throws(() =>
      calls.run(() => {
        wait(20)
        throw new Error("too late")
      }), "too late")
    assert.isFalse(calls.areShort)
  })
})

it("calls of other file systems are always made in the thread pool", async () => {
  assert.strictEqual(await timed(false).which(), "in the thread pool")
  assert.isFalse(never.areShort)
})
