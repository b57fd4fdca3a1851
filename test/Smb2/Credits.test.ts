/**
 * The credits of a connection against a model of Connection.SequenceWindow as MS-SMB2 3.2.4.1.6 describes it: a set of
 * MessageIds, which begins with 0 and grows by as many as the server grants.
 */
import { assert, describe, it } from "@effect/vitest"
import { Credits } from "../../src/Smb2/Credits.ts"
import { random } from "../random.ts"

interface Batch {
  readonly name: number
  readonly charge: number
}

const make = (granted = 1, target = 64) => {
  const credits = new Credits<Batch>(target)
  credits.multiCredit = true
  credits.grant(granted - 1)
  return credits
}

/** All batches that can be sent now. */
const drain = (credits: Credits<Batch>): ReadonlyArray<Batch> => {
  const sent: Array<Batch> = []
  for (let batch = credits.next(); batch !== undefined; batch = credits.next()) sent.push(batch)
  return sent
}

describe("a connection's credits", () => {
  it("give each request MessageIds of the window once, in the order of the requests, for any grants", () => {
    for (let seed = 1; seed <= 200; seed++) {
      const pick = random(seed)
      const credits = make(1, 1 + pick(100))
      const window = new Set([0])
      let granted = 1
      let name = 0
      const queue: Array<Batch> = []
      const inFlight: Array<Batch> = []
      const expected: Array<number> = []
      const sent: Array<number> = []
      const use = (batch: Batch): void => {
        sent.push(batch.name)
        inFlight.push(batch)
        const first = credits.messageId(batch.charge)
        assert.strictEqual(first, Math.min(...window), "the lowest MessageId of the window")
        for (let id = first; id < first + batch.charge; id++) {
          assert.isTrue(window.delete(id), `seed ${seed}: MessageId ${id} was granted, and not used before`)
        }
      }
      const settle = (): void => {
        // The model: the first that waits is sent if the window has enough, and no other passes it.
        let room = window.size
        while (queue.length > 0 && queue[0]!.charge <= room) {
          room -= queue[0]!.charge
          expected.push(queue.shift()!.name)
        }
      }
      for (let step = 0; step < 300; step++) {
        const what = pick(8)
        if (what < 4) {
          const batch = { name: name++, charge: pick(3) === 0 ? 1 + pick(20) : 1 }
          queue.push(batch)
          settle()
          if (credits.take(batch)) use(batch)
        } else if (what < 7) {
          // A response, which can grant nothing.
          const [answered] = inFlight.splice(pick(inFlight.length + 1), 1)
          if (answered !== undefined) credits.finish(answered.charge)
          const grant = [0, 0, 1, 2, 5, 30][pick(6)]!
          for (let i = 0; i < grant; i++) window.add(granted++)
          credits.grant(grant)
          settle()
          for (const batch of drain(credits)) use(batch)
        } else if (queue.length > 0) {
          const [gone] = queue.splice(pick(queue.length), 1)
          credits.abandon(gone!)
          settle()
          for (const batch of drain(credits)) use(batch)
        }
        assert.deepStrictEqual(sent, expected)
        assert.strictEqual(credits.waits, queue.length > 0)
        assert.deepStrictEqual(
          credits.shortage,
          queue.length === 0 ? undefined : { charge: queue[0]!.charge, available: window.size }
        )
      }
      assert.deepStrictEqual(credits.abandonAll(), queue)
      assert.isFalse(credits.waits)
    }
  })
  it("wait in order: a small charge does not pass a large one, and a grant of zero sends neither", () => {
    const credits = make(5)
    const [large, small, last] = [{ name: 1, charge: 16 }, { name: 2, charge: 1 }, { name: 3, charge: 16 }] as const
    assert.deepStrictEqual([large, small, last].map((batch) => credits.take(batch)), [false, false, false])
    credits.grant(0)
    assert.deepStrictEqual(drain(credits), [])
    assert.deepStrictEqual(credits.shortage, { charge: 16, available: 5 })
    credits.grant(10)
    assert.deepStrictEqual(drain(credits), [])
    credits.grant(3)
    assert.deepStrictEqual(drain(credits), [large, small])
    assert.deepStrictEqual(credits.shortage, { charge: 16, available: 1 })
  })

  it("are sent by what is behind a large charge as soon as that is abandoned", () => {
    const credits = make(5)
    const [large, small] = [{ name: 1, charge: 16 }, { name: 2, charge: 1 }]
    assert.isFalse(credits.take(large))
    assert.isFalse(credits.take(small))
    credits.abandon(large)
    assert.deepStrictEqual(drain(credits), [small])
  })

  it("are at most 65535, even if the server grants more", () => {
    const credits = make(1)
    credits.grant(0xffff)
    credits.grant(0xffff)
    assert.strictEqual(credits.mostAvailable, 0xffff)
    assert.isTrue(credits.take({ name: 1, charge: 0xffff }))
    assert.isFalse(credits.take({ name: 2, charge: 1 }))
    assert.deepStrictEqual(credits.shortage, { charge: 1, available: 0 })
  })

  it.each<readonly [target: number, granted: number, charge: number, expected: number]>([
    [64, 1, 1, 64],
    [64, 40, 8, 32],
    // Never less than the request spends, so that the credits do not become fewer.
    [64, 64, 8, 8],
    [64, 200, 16, 16],
    // CreditRequest has 16 bits.
    [100_000, 1, 1, 0xffff]
  ])(
    "are asked for up to a target of %i by a client that has %i and spends %i",
    (target, granted, charge, expected) => {
      const credits = make(granted, target)
      assert.isTrue(credits.take({ name: 1, charge }))
      assert.strictEqual(credits.creditRequest(charge), expected)
      // A server that grants all of that brings the client to its target, or leaves it where it was.
      credits.finish(charge)
      credits.grant(expected)
      const after = { name: 2, charge: Math.min(Math.max(target, granted), 0xffff) }
      assert.isTrue(credits.take(after))
      assert.isFalse(credits.take({ name: 3, charge: 1 }))
    }
  )

  it("count one MessageId for each request, and CreditCharge 0, without multi-credit requests", () => {
    const credits = make(100)
    credits.multiCredit = false
    assert.isFalse(credits.used)
    assert.deepStrictEqual([1, 4, 1].map((charge) => credits.messageId(charge)), [0, 1, 2])
    assert.strictEqual(credits.creditCharge(1), 0)
    credits.multiCredit = true
    assert.deepStrictEqual([1, 4, 1].map((charge) => credits.messageId(charge)), [3, 4, 8])
    assert.strictEqual(credits.creditCharge(4), 4)
    assert.isTrue(credits.used)
  })
})
