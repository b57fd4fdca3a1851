/** Proves that a storm's plan depends on its seed alone, has every fault, and flips no bit that nothing protects. */
import { assert, it } from "@effect/vitest"
import * as Plan from "./Plan.ts"

const rounds = (seed: number, pairing: Plan.Pairing, count: number) =>
  Array.from({ length: count }, (_, number) => Plan.round(seed, pairing, number))

it("a round is the same for the same seed, and another one for another seed, pairing or number", () => {
  const one = Plan.round(7, "client-smbd", 3)
  assert.deepStrictEqual(Plan.round(7, "client-smbd", 3), one)
  for (
    const other of [
      Plan.round(8, "client-smbd", 3),
      Plan.round(7, "client-server", 3),
      Plan.round(7, "client-smbd", 4)
    ]
  ) assert.notDeepEqual(other, one)
})

it("every fault and every step of this project's client comes within the rounds of a usual storm", () => {
  for (const pairing of ["client-smbd", "client-server"] as const) {
    const all = rounds(1, pairing, 200)
    assert.deepStrictEqual(
      [...new Set(all.map(({ fault }) => fault._tag))].toSorted(),
      [...Plan.faultNames].toSorted()
    )
    const steps = new Set(all.flatMap(({ steps }) => steps.flat()).map(({ _tag }) => _tag))
    assert.strictEqual(steps.size, 10)
  }
})

it("bits flip only on lines that are signed or encrypted, and lies about sessions and credits come only on the other", () => {
  for (const { fault } of rounds(2, "client-server", 600)) {
    if (fault._tag === "Flip") assert.notStrictEqual(fault.client, Plan.unsigned)
    if (fault._tag === "ExpiredSession" || fault._tag === "NoCredits") assert.strictEqual(fault.client, Plan.unsigned)
  }
})

it("blocks that are written and read are within the shared file", () => {
  for (const { steps } of rounds(3, "client-smbd", 300)) {
    for (const step of steps.flat()) {
      if (step._tag !== "WriteBlocks" && step._tag !== "ReadBlocks") continue
      assert.isAbove(step.count, 0)
      assert.isAtMost(step.first + step.count, Plan.sharedBlocks)
    }
  }
})
