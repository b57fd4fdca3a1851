/**
 * Proves that a connection accepts exactly the MessageIds that it granted, each once, against a model that keeps them
 * one by one (MS-SMB2 3.3.1.1).
 */
import { assert, describe, it } from "@effect/vitest"
import { CommandSequenceWindow } from "../../src/Server/internal/Connection/CommandSequenceWindow.ts"
import { random } from "../random.ts"

/** All MessageIds that were granted and are not used, one by one (MS-SMB2 3.3.1.1). */
class Model {
  readonly free = new Set([0])
  next = 1

  take(id: number, charge: number): boolean {
    const ids = Array.from({ length: charge }, (_, i) => id + i)
    if (!ids.every((one) => this.free.has(one))) return false
    for (const one of ids) this.free.delete(one)
    return true
  }

  grant(count: number): void {
    for (let i = 0; i < count; i++) this.free.add(this.next++)
  }

  /** The distance from the lowest free MessageId to the last granted one. */
  get window(): number {
    return this.free.size === 0 ? 0 : this.next - Math.min(...this.free)
  }
}

describe("CommandSequenceWindow", () => {
  it("accepts exactly the granted MessageIds, once and in any order, and grants within its limit", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const next = random(seed * 7919)
      const limit = 1 + next(40)
      const sequence = new CommandSequenceWindow(limit)
      const model = new Model()
      for (let step = 0; step < 400; step++) {
        if (next(3) > 0) {
          const charge = 1 + next(next(4) === 0 ? 8 : 2)
          // Mostly a free MessageId, sometimes one that was used or never granted.
          const free = [...model.free]
          const id = next(4) === 0 || free.length === 0
            ? Math.max(0, model.next - 10 + next(20))
            : free[next(free.length)]!
          assert.strictEqual(sequence.take(id, charge), model.take(id, charge), `seed ${seed}, step ${step}, ${id}`)
        } else {
          const wanted = next(20)
          const before = model.window
          const granted = sequence.grant(wanted)
          model.grant(granted)
          assert.isAtMost(granted, Math.max(wanted, 1))
          // A client without credits gets one, to go on.
          assert.isAbove(model.free.size, 0)
          if (granted > 0 && before > 0) assert.isAtMost(model.window, limit, `seed ${seed}, step ${step}`)
          // All that the client wants, if the limit allows it.
          if (wanted <= limit - before) assert.isAtLeast(granted, wanted)
        }
      }
    }
  })
})
