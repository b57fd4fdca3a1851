/**
 * Proves the properties that MS-SMB2 3.3.5.9.8 and 3.3.5.9.11 and MS-FSA 2.1.5.18 ask of a grant of an oplock or a
 * lease, for every request with every state of the other opens. There are few combinations: the tests try all of them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as OplockGrantTable from "../../src/Server/internal/Command/OplockGrantTable.ts"
import { LeaseState } from "../../src/Smb2/Message/Constants.ts"

const R = LeaseState.SMB2_LEASE_READ_CACHING
const H = LeaseState.SMB2_LEASE_HANDLE_CACHING
const W = LeaseState.SMB2_LEASE_WRITE_CACHING

const alone: OplockGrantTable.Others = {
  present: false,
  useData: false,
  cacheWrites: false,
  haveOplock: false,
  leaseHandles: false,
  lockRanges: false
}

/** The states of the levels that a CREATE can name: none, LEVEL_II, EXCLUSIVE, BATCH. */
const ofLevels = [0, R, R | W, R | W | H]
const all = [0, 1, 2, 3, 4, 5, 6, 7]

const kinds: ReadonlyArray<readonly [OplockGrantTable.Requested["kind"], ReadonlyArray<number>]> = [
  ["oplock", ofLevels],
  ["lease", all],
  ["lease of version 2", all]
]

const requests: ReadonlyArray<OplockGrantTable.Requested> = kinds.flatMap(([kind, states]) =>
  states.flatMap((state) => [{ kind, state, directory: false }, { kind, state, directory: true }])
)

const keys = Object.keys(alone) as ReadonlyArray<keyof OplockGrantTable.Others>

/** Every state that other opens can be in: an open that caches is present and uses the data. */
const others: ReadonlyArray<OplockGrantTable.Others> = Array.from(
  { length: 1 << keys.length },
  (_, bits) =>
    Object.fromEntries(keys.map((key, i) => [key, (bits >> i & 1) === 1])) as unknown as OplockGrantTable.Others
).filter(
  ({ cacheWrites, haveOplock, leaseHandles, present, useData }) =>
    (present || !useData) && (useData || !(cacheWrites || haveOplock || leaseHandles))
)

/** Every case with the state that is granted. */
const cases = requests.flatMap((requested) =>
  others.flatMap((about) =>
    [false, true].map((reported) => ({
      requested,
      about,
      reported,
      granted: OplockGrantTable.grantable(requested, about, reported)
    }))
  )
)

const violations = (holds: (one: typeof cases[number]) => boolean): ReadonlyArray<typeof cases[number]> =>
  cases.filter((one) => !holds(one)).slice(0, 3)

describe("GrantTable", () => {
  it("never grants more than a request asks for", () =>
    assert.deepStrictEqual(violations(({ granted, requested }) => (granted & ~requested.state) === 0), []))

  it("grants a lease one of the states R, RH, RW and RWH, and an oplock one of its levels (MS-SMB2 3.3.5.9.8)", () => {
    assert.deepStrictEqual(violations(({ granted }) => [0, R, R | H, R | W, R | W | H].includes(granted)), [])
    assert.deepStrictEqual(
      violations(({ granted, requested }) => requested.kind !== "oplock" || ofLevels.includes(granted)),
      []
    )
  })

  it("grants the only open of a file all that it asks for, if that is a valid state", () =>
    assert.deepStrictEqual(
      violations(({ about, granted, reported, requested }) =>
        !reported || requested.directory || keys.some((key) => about[key]) ||
        granted === ((requested.state & R) === 0 ? 0 : requested.state)
      ),
      []
    ))

  it("grants nothing while a range is locked, or while the store reports no changes (MS-FSA 2.1.5.18)", () =>
    assert.deepStrictEqual(
      violations(({ about, granted, reported }) => granted === 0 || !about.lockRanges && reported),
      []
    ))

  it("grants a directory no right to cache writes, and nothing but a lease of version 2 (MS-SMB2 3.3.5.9.11)", () =>
    assert.deepStrictEqual(
      violations(({ granted, requested }) =>
        !requested.directory || (granted & W) === 0 && (granted === 0 || requested.kind === "lease of version 2")
      ),
      []
    ))

  it("never grants more because other opens hold more", () => {
    for (const { about, granted, reported, requested } of cases) {
      for (const key of keys) {
        if (about[key]) continue
        const more = OplockGrantTable.grantable(requested, { ...about, [key]: true }, reported)
        assert.strictEqual(more & ~granted, 0, `${JSON.stringify({ requested, about })} with ${key}`)
      }
    }
  })

  it("lets at most one of two clients cache writes, and then the other caches nothing (MS-FSA 2.1.5.18.1)", () => {
    for (const first of requests) {
      const state = OplockGrantTable.grantable(first, alone, true)
      const about: OplockGrantTable.Others = {
        present: true,
        useData: true,
        cacheWrites: (state & W) !== 0,
        haveOplock: first.kind === "oplock" && state !== 0,
        leaseHandles: first.kind !== "oplock" && (state & H) !== 0,
        lockRanges: false
      }
      for (const second of requests) {
        if (second.directory !== first.directory) continue
        const other = OplockGrantTable.grantable(second, about, true)
        assert.strictEqual(other & W, 0)
        if ((state & W) !== 0) assert.strictEqual(other, 0)
        // An oplock that caches handles is BATCH: no open of another client can be there.
        if (second.kind === "oplock") assert.strictEqual(other & H, 0)
      }
    }
  })

  it("grants RH next to clients that only read, so that all of them keep their handles", () => {
    const readers = { ...alone, present: true, useData: true, leaseHandles: true }
    for (const kind of ["lease", "lease of version 2"] as const) {
      assert.strictEqual(OplockGrantTable.grantable({ kind, state: R | W | H, directory: false }, readers, true), R | H)
    }
  })

  it("takes no account of opens for attributes alone, which do not use the data", () => {
    const stat = { ...alone, present: true }
    assert.strictEqual(
      OplockGrantTable.grantable({ kind: "lease", state: R | W | H, directory: false }, stat, true),
      R | W | H
    )
  })

  it("needs each of its rules: without it some request would be granted another state", () => {
    for (const rule of OplockGrantTable.rules) {
      const rest = OplockGrantTable.rules.filter((other) => other !== rule)
      const matters = cases.some(({ about, reported, requested }) => {
        const facts = { requested, others: about, changesReported: reported }
        const of = (rules: ReadonlyArray<OplockGrantTable.Rule>): number => {
          const state = rules.reduce((left, { allows, applies }) => applies(facts) ? left & allows : left, 7)
          return (state & requested.state & R) === 0 ? 0 : state & requested.state
        }
        return of(rest) !== of(OplockGrantTable.rules)
      })
      assert.isTrue(matters, rule.name)
    }
  })

  it("lets a lease grow only to all that a request asks for, and never shrink (MS-SMB2 3.3.5.9.8)", () => {
    const asks = (state: number): OplockGrantTable.Requested => ({ kind: "lease", state, directory: false })
    assert.isTrue(OplockGrantTable.grows(R, asks(R | H), R | H))
    assert.isFalse(OplockGrantTable.grows(R, asks(R | W | H), R | H), "a part of what it asks for")
    assert.isFalse(OplockGrantTable.grows(R | H, asks(R | W), R | W), "another right instead of one that it has")
    assert.isFalse(OplockGrantTable.grows(R | H, asks(R), R), "less")
    assert.isFalse(OplockGrantTable.grows(R, asks(R), R), "the same")
    assert.isTrue(
      OplockGrantTable.grows(R, { kind: "lease of version 2", state: R | W | H, directory: true }, R | H),
      "a directory has no writes to cache"
    )
  })
})
