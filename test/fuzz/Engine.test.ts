/**
 * Proves that the fuzzers notice what they look for: faults that are planted in a decoder, in its memory and in what it
 * refuses; that a seed gives the same inputs again; and that inputs in files stay those of their decoder.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as Codec from "../../src/Codec/Codec.ts"
import { random } from "../random.ts"
import * as Corpus from "./Corpus.ts"
import { Coverage } from "./Coverage.ts"
import { fuzz, type Target } from "./Engine.ts"
import { mutate } from "./Mutation.ts"
import { codec, family, isJustified, isStable } from "./Promises.ts"

const seeds = () => [Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)]

const of = (run: (input: Uint8Array) => void): Target => ({ name: "planted", seeds, open: () => ({ run }) })

const options = { seed: 7, executions: 20_000, coverage: false }

describe("a planted fault", () => {
  it("that throws is found, with the input that shows it", async () => {
    const { executions, findings } = await fuzz(
      of((input) => {
        if (input[3] === 0xff && input.length > 8) throw new TypeError("planted")
      }),
      options
    )
    assert.isBelow(executions, options.executions)
    assert.match(findings[0]!.error, /planted/)
    assert.strictEqual(findings[0]!.input[3], 0xff)
  })

  it("of a promise that is rejected is found, in any of several lanes", async () => {
    const lanes = new Set<number>()
    const { findings } = await fuzz({
      name: "lanes",
      seeds,
      lanes: 4,
      open: () => ({
        run: async (input, lane) => {
          lanes.add(lane)
          await Promise.resolve()
          if (input.length === 0) throw new Error("planted")
        }
      })
    }, options)
    assert.match(findings[0]!.error, /planted/)
    assert.deepStrictEqual([...lanes].sort(), [0, 1, 2, 3])
  })

  it("in a decoder is found: a value that changes, that is too large, or a refusal outside of the bytes", async () => {
    const changing = Codec.map(Codec.u8, (value) => value, (value) => (value === 9 ? 8 : value))
    const large = Codec.make(1, (r) => (r.u8() === 0xee ? "x".repeat(100_000) : ""), (w) => w.u8(0))
    const outside = Codec.make(1, (r) => (r.u8() === 0xdd ? r.fail("more", 1000) : 0), (w) => w.u8(0))
    for (
      const [structure, expected] of [
        [changing, /changes when it is encoded/],
        [large, /became a value of about/],
        [outside, /the failure is at 1000 of/]
      ] as const
    ) {
      const { findings } = await fuzz(family("planted", [codec("planted", structure, seeds())]), options)
      assert.match(findings[0]?.error ?? "nothing was found", expected)
    }
  })
})

it("a refusal must be a typed error with a message", () => {
  assert.throws(() => isStable(new Uint8Array(3), () => Result.fail("no")), "no typed error")
  assert.isUndefined(isStable(new Uint8Array(3), () => Result.fail({ _tag: "Malformed", message: "no", offset: 3 })))
})

it("a view of the input costs nothing, however often it is there", () => {
  const input = new Uint8Array(1000)
  isJustified(Array.from({ length: 20 }, () => input.subarray(0, 900)), input)
  assert.throws(() => isJustified(Array.from({ length: 400 }, () => input.slice()), input), "1000 bytes became")
})

describe("changes of an input", () => {
  const inputs = (seed: number): ReadonlyArray<string> => {
    const next = random(seed)
    const given = { others: seeds(), words: [Uint8Array.of(0xaa, 0xbb)], most: 12 }
    return Array.from({ length: 300 }, () => Buffer.from(mutate(next, seeds()[0]!, given)).toString("hex"))
  }

  it("are the same again for a seed, and others for another", () => {
    assert.deepStrictEqual(inputs(5), inputs(5))
    assert.notDeepEqual(inputs(5), inputs(6))
  })

  it("keep to the longest input, and change neither the input nor its length alone", () => {
    const changed = inputs(5)
    assert.isTrue(changed.every((hex) => hex.length <= 24))
    assert.strictEqual(Buffer.from(seeds()[0]!).toString("hex"), "0102030405060708")
    assert.isTrue(changed.some((hex) => hex.length < 16))
    assert.isTrue(changed.some((hex) => hex.includes("aabb")))
    assert.isTrue(changed.some((hex) => hex.length === 16 && hex !== "0102030405060708"))
  })
})

it("coverage names the blocks of src that have run since the last look", () => {
  const coverage = new Coverage()
  const read = Codec.decode("number", Codec.u16)
  coverage.learn(coverage.take())
  read(new Uint8Array(2))
  const first = coverage.learn(coverage.take())
  assert.isAbove(first.size, 0)
  read(new Uint8Array(2))
  assert.strictEqual(coverage.learn(coverage.take()).size, 0)
  read(new Uint8Array(1))
  assert.isAbove(coverage.learn(coverage.take()).size, 0)
  coverage.stop()
})

it("an input in a file belongs to its decoder by name, also after another decoder was put before it", () => {
  const [one, two] = [codec("one", Codec.u8), codec("two", Codec.u16)]
  const before = family("planted", [one, two])
  const after = family("planted", [codec("zero", Codec.u32), one, two])
  const line = Corpus.format(before, Uint8Array.of(1, 0xaa, 0xbb))
  assert.deepStrictEqual(Corpus.parse(after, line), Uint8Array.of(2, 0xaa, 0xbb))
  assert.isUndefined(Corpus.parse(family("planted", [one]), line))
  const plain = of(() => {})
  assert.deepStrictEqual(Corpus.parse(plain, Corpus.format(plain, Uint8Array.of(7, 8))), Uint8Array.of(7, 8))
})
