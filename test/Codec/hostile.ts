/** Hostile bytes for codecs: truncated, changed and random. */
import { assert } from "@effect/vitest"
import { Result } from "effect"
import * as Codec from "../../src/Codec/Codec.ts"

/** A small generator of random numbers, so that a failure can be repeated with the same seed. */
export const randomizer = (seed: number) => {
  let state = seed >>> 0
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 0x1_0000_0000) * below)
  }
}

/**
 * Decodes real bytes that are truncated, real bytes with a few changes, and random bytes: each must give a value
 * or `Malformed`. `accepted` checks the values.
 */
export const hostile = <A>(
  codec: Codec.Codec<A>,
  real: ReadonlyArray<Uint8Array>,
  accepted: (value: A) => void = () => {},
  rounds = 150
) => {
  const random = randomizer(real.reduce((sum, bytes) => sum + bytes.length, 7))
  const feed = (bytes: Uint8Array) => {
    const result = Codec.decode("hostile", codec)(bytes)
    if (Result.isSuccess(result)) accepted(result.success)
    else assert.strictEqual(result.failure._tag, "Malformed")
  }
  const values = [0, 1, 0x7f, 0x80, 0xff]
  for (const bytes of real) {
    for (let length = 0; length < Math.min(bytes.length, 200); length++) feed(bytes.subarray(0, length))
    for (let round = 0; round < rounds; round++) {
      const changed = bytes.slice()
      for (let i = random(4); i >= 0; i--) changed[random(changed.length)] = values[random(6)] ?? random(256)
      feed(changed)
    }
  }
  for (let round = 0; round < rounds; round++) feed(Uint8Array.from({ length: random(120) }, () => random(256)))
}
