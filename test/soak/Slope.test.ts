/**
 * Proves that the judgement of a soak notices a leak below the noise of its samples, is not deceived by single slow
 * samples or by the warm-up, and that one round of the load works on a real server.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Redacted, Scope } from "effect"
import * as SmbServer from "../../src/Server/SmbServer.ts"
import * as MemoryStore from "../../src/Server/Store/MemoryStore.ts"
import * as UserStore from "../../src/Server/UserStore.ts"
import { random } from "../random.ts"
import { worker } from "./Load.ts"
import { judge, percentile, type Sample, slope } from "./Slope.ts"

const tolerance = { part: 0.1, absolute: 2 }

const run = (value: (minute: number) => number): ReadonlyArray<Sample> =>
  Array.from({ length: 120 }, (_, i) => ({ at: i / 4, value: value(i / 4) }))

describe("a value of a soak", () => {
  const noise = random(5)

  it("is flat if it only changes around a level", () => {
    const verdict = judge(run(() => 60 + noise(20)), tolerance)
    assert.isTrue(verdict.flat)
    assert.closeTo(verdict.median, 70, 4)
  })

  it("grows if it leaks less in a minute than its noise", () => {
    const verdict = judge(run((minute) => 60 + noise(10) + minute), tolerance)
    assert.isFalse(verdict.flat)
    assert.closeTo(verdict.growth, 22.5, 4)
  })

  it("is flat with some samples that are ten times as large, and after a warm-up that grows", () => {
    assert.isTrue(judge(run((minute) => (minute % 5 === 4 ? 700 : 70)), tolerance).flat)
    assert.isTrue(judge(run((minute) => Math.min(minute * 10, 70)), tolerance).flat)
  })

  it("has a slope of nothing if there are no two samples at different times", () => {
    assert.strictEqual(slope([]), 0)
    assert.strictEqual(slope([{ at: 1, value: 3 }, { at: 1, value: 9 }]), 0)
    assert.strictEqual(slope([{ at: 1, value: 3 }, { at: 3, value: 9 }]), 3)
  })

  it("has percentiles of its samples in any order, and 0 without samples", () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i)
    assert.deepStrictEqual([0.5, 0.95, 0.99].map((part) => percentile(values, part)), [51, 96, 100])
    assert.strictEqual(percentile([], 0.5), 0)
  })
})

it("the load of a soak gets the bytes that it wrote, with clients of each kind", async () => {
  const scope = Scope.makeUnsafe()
  const store = MemoryStore.make({ capacity: 64 * 1024 * 1024 })
  const server = await Effect.runPromise(
    SmbServer.make({
      host: "127.0.0.1",
      port: 0,
      users: UserStore.inMemory({ joe: Redacted.make("secret") }),
      shares: { memory: store, disk: store }
    }).pipe(Scope.provide(scope))
  )
  const seen = new Set<string>()
  let count = 0
  await Promise.all([0, 1, 2].map((number) =>
    worker({
      port: server.port,
      number,
      seed: 3,
      isOver: () => count >= 150,
      onDone: ({ name }) => {
        count++
        seen.add(name)
      }
    })
  ))
  await Effect.runPromise(Scope.close(scope, Exit.void))
  assert.strictEqual(seen.size, 8)
})
