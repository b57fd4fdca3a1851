/**
 * Proves that the storm's judge accepts every history that a truthful server and client can give, and refuses each that
 * shows a lost, doubled, torn or early effect.
 */
import { assert, describe, it } from "@effect/vitest"
import { random } from "../random.ts"
import { type Action, check, type State } from "./Check.ts"
import * as Content from "./Content.ts"
import { type Entry, explain, type Model, type Outcome } from "./Linearizability.ts"

/** An action of a client, from `invoked` to `returned`. */
const entry = (
  client: string,
  invoked: number,
  returned: number,
  action: Action,
  outcome: Outcome = "ok"
): Entry<Action> => ({ client, action, outcome, invoked, returned })

const accepts = (state: State, ...history: ReadonlyArray<Entry<Action>>) =>
  assert.deepStrictEqual(check(state, history).map(({ what }) => what), [])

const refuses = (state: State, what: RegExp, ...history: ReadonlyArray<Entry<Action>>) => {
  const found = check(state, history)
  assert.lengthOf(found, 1)
  assert.match(found[0]!.what, what)
}

describe("blocks of a file", () => {
  const begin: State = { _tag: "Blocks", values: [1, 1, 1, "absent"] }
  const writes = (id: number, first: number, count: number): Action => ({ _tag: "WriteBlocks", id, first, count })
  const reads = (...values: ReadonlyArray<Content.Value>): Action => ({ _tag: "ReadBlocks", first: 0, values })
  const overwrites = (id: number, count: number): Action => ({ _tag: "Overwrite", id, count })
  const wrong = /which no order of the operations explains/

  it("an acknowledged write that is read is accepted, and one that is not read is refused", () => {
    accepts(begin, entry("a", 1, 2, writes(5, 1, 2)), entry("b", 3, 4, reads(1, 5, 5, "absent")))
    refuses(begin, wrong, entry("a", 1, 2, writes(5, 1, 2)), entry("b", 3, 4, reads(1, 5, 1, "absent")))
  })

  it("a write of unknown outcome is accepted in whole, in part and not at all", () => {
    for (const values of [[5, 5], [5, 1], [1, 5], [1, 1]]) {
      accepts(
        begin,
        entry("a", 1, 2, writes(5, 0, 2), "unknown"),
        entry("b", 3, 4, reads(values[0]!, values[1]!, 1, "absent"))
      )
    }
  })

  it("a write of unknown outcome that comes late is accepted, and one that comes twice is refused", () => {
    const late = [
      entry("a", 1, 2, writes(5, 0, 1), "unknown"),
      entry("b", 3, 4, reads(1, 1, 1, "absent")),
      entry("b", 5, 6, writes(6, 0, 1))
    ]
    accepts(begin, ...late, entry("c", 7, 8, reads(5, 1, 1, "absent")))
    refuses(
      begin,
      wrong,
      ...late,
      entry("c", 7, 8, reads(5, 1, 1, "absent")),
      entry("b", 9, 10, writes(7, 0, 1)),
      entry("c", 11, 12, reads(5, 1, 1, "absent"))
    )
  })

  it("a write that failed for sure is refused if it is read", () => {
    accepts(begin, entry("a", 1, 2, writes(5, 0, 1), "failed"), entry("b", 3, 4, reads(1, 1, 1, "absent")))
    refuses(begin, wrong, entry("a", 1, 2, writes(5, 0, 1), "failed"), entry("b", 3, 4, reads(5, 1, 1, "absent")))
  })

  it("writes that overlap in time are accepted in either order, and an old value after a new one is refused", () => {
    const two = [entry("a", 1, 4, writes(5, 0, 1)), entry("b", 2, 3, writes(6, 0, 1))]
    accepts(begin, ...two, entry("c", 5, 6, reads(5, 1, 1, "absent")))
    accepts(begin, ...two, entry("c", 5, 6, reads(6, 1, 1, "absent")))
    refuses(
      begin,
      wrong,
      ...two,
      entry("c", 5, 6, reads(5, 1, 1, "absent")),
      entry("c", 7, 8, reads(6, 1, 1, "absent"))
    )
  })

  it("a file that was overwritten is refused with a rest of the old one, and accepted with it if that failed", () => {
    const after = [2, 1, 1, "absent"] as const
    refuses(begin, wrong, entry("a", 1, 2, overwrites(2, 1)), entry("b", 3, 4, reads(...after)))
    accepts(begin, entry("a", 1, 2, overwrites(2, 1), "unknown"), entry("b", 3, 4, reads(...after)))
    accepts(
      begin,
      entry("a", 1, 2, overwrites(2, 3), "unknown"),
      entry("b", 3, 4, reads("zero", 2, "absent", "absent"))
    )
  })

  it("bytes of no write are refused, no matter what is unknown", () => {
    refuses(
      begin,
      wrong,
      entry("a", 1, 2, overwrites(2, 3), "unknown"),
      entry("b", 3, 4, reads("mixed", 2, 2, "absent"))
    )
  })
})

describe("a file that is replaced as a whole", () => {
  const begin: State = { _tag: "Whole", value: 1 }
  const replaces = (id: number): Action => ({ _tag: "Replace", id })
  const sees = (value: Content.Value): Action => ({ _tag: "See", value })

  it("one of its versions is accepted, and a mixture or a missing file is refused", () => {
    const replaced = entry("a", 1, 2, replaces(2), "unknown")
    accepts(begin, replaced, entry("b", 3, 4, sees(1)))
    accepts(begin, replaced, entry("b", 3, 4, sees(2)))
    refuses(begin, /not one of its versions/, replaced, entry("b", 3, 4, sees("mixed")))
    refuses(begin, /not one of its versions/, replaced, entry("b", 3, 4, sees("absent")))
  })

  it("an acknowledged replacement that is undone is refused", () => {
    refuses(begin, /an older one came back/, entry("a", 1, 2, replaces(2)), entry("b", 3, 4, sees(1)))
  })
})

describe("a log", () => {
  const begin: State = { _tag: "Log", records: [{ id: 1, whole: true }] }
  const appends = (id: number): Action => ({ _tag: "Append", id })
  const reads = (...ids: ReadonlyArray<number>): Action => ({
    _tag: "ReadLog",
    records: ids.map((id) => ({ id: Math.abs(id), whole: id > 0 }))
  })
  const wrong = /lacks an acknowledged record, or has one twice/

  it("acknowledged records in an order of their calls are accepted", () => {
    accepts(begin, entry("a", 1, 4, appends(2)), entry("b", 2, 3, appends(3)), entry("c", 5, 6, reads(1, 3, 2)))
    refuses(begin, wrong, entry("a", 1, 2, appends(2)), entry("b", 3, 4, appends(3)), entry("c", 5, 6, reads(1, 3, 2)))
  })

  it("a record that is lost, doubled, of no client, or lost again later is refused", () => {
    refuses(begin, wrong, entry("a", 1, 2, appends(2)), entry("c", 5, 6, reads(1)))
    refuses(begin, wrong, entry("a", 1, 2, appends(2)), entry("c", 5, 6, reads(1, 2, 2)))
    refuses(begin, wrong, entry("a", 1, 2, appends(2), "unknown"), entry("c", 5, 6, reads(1, 2, 2)))
    refuses(begin, wrong, entry("c", 5, 6, reads(1, 9)))
    refuses(begin, /lost or changed a record/, entry("c", 5, 6, reads(2)))
    refuses(begin, wrong, entry("a", 1, 2, appends(2), "failed"), entry("c", 5, 6, reads(1, 2)))
  })

  it("a part of a record is accepted only from an append that was not acknowledged", () => {
    accepts(begin, entry("a", 1, 2, appends(2), "unknown"), entry("c", 5, 6, reads(1, -2)))
    refuses(begin, wrong, entry("a", 1, 2, appends(2)), entry("c", 5, 6, reads(1, -2)))
  })
})

describe("a counter behind a lock", () => {
  const begin: State = { _tag: "Counter", value: 3 }
  const acquires = (holder: string): Action => ({ _tag: "Acquire", holder })
  const releases = (holder: string): Action => ({ _tag: "Release", holder })
  const increments = (holder: string, from: number): Action => ({ _tag: "Increment", holder, from, to: from + 1 })
  const reads = (value: number): Action => ({ _tag: "ReadCounter", value })
  const wrong = /two clients held the lock at once/

  it("increments one after the other are accepted", () => {
    accepts(
      begin,
      entry("a", 1, 2, acquires("a1")),
      entry("a", 3, 4, increments("a1", 3)),
      entry("b", 1, 8, acquires("b1")),
      entry("a", 5, 6, releases("a1"), "unknown"),
      entry("b", 9, 10, increments("b1", 4)),
      entry("b", 11, 12, releases("b1"), "unknown"),
      entry("c", 13, 14, reads(5))
    )
  })

  it("a lock that two clients held at once is refused", () => {
    refuses(
      begin,
      wrong,
      entry("a", 1, 2, acquires("a1")),
      entry("b", 3, 4, acquires("b1")),
      entry("a", 5, 6, increments("a1", 3)),
      entry("a", 7, 8, releases("a1"), "unknown"),
      entry("b", 9, 10, increments("b1", 4)),
      entry("c", 13, 14, reads(5))
    )
  })

  it("a lock that was lost with its connection can go to another client, but not be used any more", () => {
    const lost = [
      entry("a", 1, 2, acquires("a1")),
      entry("a", 3, 10, releases("a1"), "unknown"),
      entry("b", 4, 5, acquires("b1")),
      entry("b", 6, 7, increments("b1", 3))
    ]
    accepts(begin, ...lost, entry("a", 8, 9, increments("a1", 3), "failed"), entry("c", 13, 14, reads(4)))
    refuses(begin, wrong, ...lost, entry("a", 8, 9, increments("a1", 3)), entry("c", 13, 14, reads(4)))
  })

  it("an acknowledged increment that is lost, and an unknown one that counts twice, are refused", () => {
    refuses(
      begin,
      wrong,
      entry("a", 1, 2, acquires("a1")),
      entry("a", 3, 4, increments("a1", 3)),
      entry("c", 13, 14, reads(3))
    )
    refuses(
      begin,
      wrong,
      entry("a", 1, 2, acquires("a1")),
      entry("a", 3, 4, increments("a1", 3), "unknown"),
      entry("c", 13, 14, reads(5))
    )
  })
})

describe("a file that is renamed", () => {
  const begin: State = { _tag: "Name", names: ["x"] }
  const renames = (from: string, to: string): Action => ({ _tag: "Rename", from, to })
  const finds = (...names: ReadonlyArray<string>): Action => ({ _tag: "FindNames", names })
  const wrong = /not at the one name/

  it("the name of the last acknowledged rename is accepted, and any other is refused", () => {
    const moved = [entry("a", 1, 2, renames("x", "y")), entry("b", 3, 4, renames("y", "z"))]
    accepts(begin, ...moved, entry("c", 5, 6, finds("z")))
    refuses(begin, wrong, ...moved, entry("c", 5, 6, finds("y")))
  })

  it("two renames at once from one name are accepted, as each has the file open, and refused one after the other", () => {
    const first = entry("a", 1, 4, renames("x", "y"))
    accepts(begin, first, entry("b", 2, 5, renames("x", "z")), entry("c", 6, 7, finds("z")))
    accepts(begin, first, entry("b", 2, 5, renames("x", "z")), entry("c", 6, 7, finds("y")))
    refuses(begin, wrong, first, entry("b", 2, 5, renames("x", "z")), entry("c", 6, 7, finds("x")))
    refuses(begin, wrong, first, entry("b", 5, 6, renames("x", "z")), entry("c", 7, 8, finds("z")))
  })

  it("a rename of unknown outcome is accepted with either name, and refused with both or none", () => {
    const moved = entry("a", 1, 2, renames("x", "y"), "unknown")
    accepts(begin, moved, entry("c", 5, 6, finds("x")))
    accepts(begin, moved, entry("c", 5, 6, finds("y")))
    refuses(begin, wrong, moved, entry("c", 5, 6, finds("x", "y")))
    refuses(begin, wrong, moved, entry("c", 5, 6, finds()))
    refuses(begin, wrong, moved, entry("c", 5, 6, finds("y, damaged")))
  })

  it("a rename that failed for sure is refused if it happened", () => {
    refuses(begin, wrong, entry("a", 1, 2, renames("x", "y"), "failed"), entry("c", 5, 6, finds("y")))
  })
})

describe("the search for an order", () => {
  type Operation = { readonly write?: number; readonly read?: number }
  const register: Model<number, Operation> = {
    step: (state, { read, write }) => write ?? (read === state ? state : undefined),
    key: String
  }

  /** Operations that took effect one by one, each at a moment within its call, as a register gives them. */
  const truthful = (seed: number): ReadonlyArray<Entry<Operation>> => {
    const draw = random(seed)
    let value = 0
    return Array.from({ length: 9 }, (_, i) => {
      const at = 100 * (i + 1)
      const invoked = at - draw(250)
      const returned = at + draw(250)
      const client = String(i)
      const outcome = (["ok", "ok", "ok", "unknown", "failed"] as const)[draw(5)]!
      if (draw(2) === 0) return { client, action: { read: value }, outcome: "ok", invoked, returned }
      if (outcome === "ok" || outcome === "unknown" && draw(2) === 0) value = i + 1
      return { client, action: { write: i + 1 }, outcome, invoked, returned }
    })
  }

  it("every history that a register gave is explained", () => {
    for (let seed = 1; seed <= 300; seed++) assert.strictEqual(explain(register, 0, truthful(seed)), "explained")
  })

  it("a history with one read that no write explains is unexplained", () => {
    for (let seed = 1; seed <= 100; seed++) {
      const lie: Entry<Operation> = { client: "x", action: { read: 99 }, outcome: "ok", invoked: 400, returned: 500 }
      assert.strictEqual(explain(register, 0, [...truthful(seed), lie]), "unexplained")
    }
  })

  it("the answer agrees with a trial of every order, for short histories of any kind", () => {
    /** Every order of the operations that must have happened, and of any of those that may have. */
    const tried = (state: number, left: ReadonlyArray<Entry<Operation>>): boolean =>
      left.every(({ outcome }) => outcome === "unknown") || left.some((next, i) => {
        const rest = left.filter((_, j) => j !== i)
        const late = rest.some(({ outcome, returned }) => outcome === "ok" && returned < next.invoked)
        const after = register.step(state, next.action)
        return !late && after !== undefined && tried(after, rest)
      })
    const answers = new Set<string>()
    for (let seed = 1; seed <= 400; seed++) {
      const draw = random(seed * 7919)
      for (let i = 0; i < 8; i++) draw(2)
      const history = Array.from({ length: 6 }, (_, i): Entry<Operation> => {
        const invoked = draw(12)
        return {
          client: String(i),
          action: draw(2) === 0 ? { read: draw(3) } : { write: draw(3) },
          outcome: draw(4) === 0 ? "unknown" : "ok",
          invoked,
          returned: invoked + 1 + draw(6)
        }
      })
      const answer = explain(register, 0, history)
      assert.strictEqual(answer, tried(0, history) ? "explained" : "unexplained", `seed ${seed}`)
      answers.add(answer)
    }
    assert.deepStrictEqual([...answers].toSorted(), ["explained", "unexplained"])
  })

  it("a search beyond its limit of steps is undecided, and not explained", () => {
    assert.strictEqual(explain(register, 0, truthful(3), 2), "undecided")
  })
})

describe("content", () => {
  it("a block tells its write, and a block of another place, of two writes or with a changed bit does not", () => {
    const file = Content.make(7, 3 * Content.block)
    assert.deepStrictEqual(Content.blocks(file, 0, 4), [7, 7, 7, "absent"])
    assert.deepStrictEqual(Content.blocks(file, 1, 1), ["mixed"])
    const two = Uint8Array.from(file)
    two.set(Content.make(8, Content.unit, Content.block), Content.block)
    assert.deepStrictEqual(Content.blocks(two, 0, 3), [7, "mixed", 7])
    for (const at of [0, 5, 11, 15, Content.block - 1]) {
      const flipped = Uint8Array.from(file)
      flipped[at]! ^= 4
      assert.strictEqual(Content.blocks(flipped, 0, 1)[0], "mixed", String(at))
    }
    assert.deepStrictEqual(Content.blocks(new Uint8Array(Content.block + 16), 0, 3), ["zero", "mixed", "absent"])
  })

  it("a log tells its records, a part of one, and bytes of no record", () => {
    const log = Buffer.concat([
      Content.make(3, Content.record),
      Content.make(4, Content.record).subarray(0, 64),
      Content.make(5, Content.record)
    ])
    assert.deepStrictEqual(Content.records(log), [
      { id: 3, whole: true },
      { id: 4, whole: false },
      { id: 5, whole: true }
    ])
    assert.isUndefined(Content.records(log.subarray(16)))
    assert.isUndefined(Content.records(log.subarray(0, log.length - 3)))
  })
})
