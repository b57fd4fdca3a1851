/**
 * The breaker of targets is a simple model: each server, and each share of a server, has a count of failures and a time
 * until which it is avoided. Random operations must give the same answers as this model.
 */
import { assert, describe, it } from "@effect/vitest"
import * as TargetHealth from "../../src/Dfs/TargetHealth.ts"

const breaker = { cooldown: 1000, longest: 6000 }
const names = ["a", "A", "b"]

/** The model: what a reader of the module's first lines would write. */
class Model {
  private readonly troubles = new Map<string, { failures: number; until: number }>()
  private keys([server, share]: readonly [string, string]) {
    return [server.toUpperCase(), `${server}/${share}`.toUpperCase()]
  }
  isAvoided(at: readonly [string, string], now: number) {
    return this.keys(at).some((key) => (this.troubles.get(key)?.until ?? 0) > now)
  }
  fails(at: readonly [string, string], what: "server" | "share", now: number) {
    const key = this.keys(at)[what === "server" ? 0 : 1]!
    const failures = (this.troubles.get(key)?.failures ?? 0) + 1
    const waits = [1000, 2000, 4000, 6000]
    this.troubles.set(key, { failures, until: now + waits[Math.min(failures, 4) - 1]! })
  }
  isTried(at: readonly [string, string], now: number) {
    for (const key of this.keys(at)) {
      const trouble = this.troubles.get(key)
      if (trouble !== undefined && now >= trouble.until) trouble.until = now + 1000
    }
  }
  works(at: readonly [string, string]) {
    for (const key of this.keys(at)) this.troubles.delete(key)
  }
}

describe("TargetHealth", () => {
  it("agrees with a model for random failures, attempts and successes", () => {
    let seed = 7
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 0x8000_0000
      return Math.floor(seed / 65536) % below
    }
    for (let round = 0; round < 60; round++) {
      const model = new Model()
      let health = TargetHealth.none
      let now = 0
      for (let step = 0; step < 60; step++) {
        const at: readonly [string, string] = [names[random(3)]!, names[random(3)]!]
        switch (random(5)) {
          case 0:
          case 1: {
            const what = random(2) === 0 ? "server" : "share"
            model.fails(at, what, now)
            health = TargetHealth.failed(health, at, what, now, breaker)
            break
          }
          case 2:
            model.isTried(at, now)
            health = TargetHealth.probing(health, at, now, breaker)
            break
          case 3:
            // Few successes, so that failures add up.
            if (random(4) === 0) {
              model.works(at)
              health = TargetHealth.worked(health, at)
            }
            break
          default:
            now += [1, 999, 1000, 1001, 2500][random(5)]!
        }
        for (const server of names) {
          for (const share of names) {
            for (const when of [now, now + 999, now + 1000, now + 1999, now + 2000, now + 4000, now + 5999]) {
              assert.strictEqual(
                TargetHealth.isOpen(health, [server, share], when),
                model.isAvoided([server, share], when),
                `${server}\\${share} at ${when}, round ${round}, step ${step}`
              )
            }
          }
        }
      }
    }
  })

  it("gives the same value when nothing changes, and never changes a given value", () => {
    const at = ["a", "x"]
    assert.strictEqual(TargetHealth.probing(TargetHealth.none, at, 0, breaker), TargetHealth.none)
    assert.strictEqual(TargetHealth.worked(TargetHealth.none, at), TargetHealth.none)
    const failed = TargetHealth.failed(TargetHealth.none, at, "share", 0, breaker)
    assert.strictEqual(TargetHealth.none.size, 0)
    assert.strictEqual(TargetHealth.probing(failed, at, 999, breaker), failed)
    assert.strictEqual(TargetHealth.probing(failed, ["b", "x"], 5000, breaker), failed)
    assert.strictEqual(TargetHealth.worked(failed, ["b", "x"]), failed)
    assert.strictEqual(TargetHealth.worked(failed, at).size, 0)
    TargetHealth.probing(failed, at, 5000, breaker)
    assert.isFalse(TargetHealth.isOpen(failed, at, 1000))
  })

  it("waits the longest time after any number of failures", () => {
    let health = TargetHealth.none
    for (let i = 0; i < 2000; i++) health = TargetHealth.failed(health, ["a", "x"], "server", 0, breaker)
    assert.isTrue(TargetHealth.isOpen(health, ["a", "x"], 5999))
    assert.isFalse(TargetHealth.isOpen(health, ["a", "x"], 6000))
  })

  it("remembers the last 1024 servers and shares, counted from their last failure", () => {
    let health = TargetHealth.none
    const fail = (i: number) => {
      health = TargetHealth.failed(health, [`s${i}`, "x"], "server", 0, breaker)
    }
    for (let i = 0; i < 1024; i++) fail(i)
    fail(0)
    fail(1024)
    const known = [0, 1, 2, 1024].map((i) => TargetHealth.isOpen(health, [`s${i}`, "x"], 1))
    assert.deepStrictEqual(known, [true, false, true, true])
  })
})
