/**
 * Proves when an open must be refused, must wait for the caches of other clients, or can go on (MS-FSA 2.1.5.1.2.1,
 * 2.1.4.12): each right against each share mode, and each oplock and lease against each kind of open.
 */
import { assert, describe, it } from "@effect/vitest"
import { Context } from "effect"
import { NtStatus as Status } from "effect-smb/Codec"
import * as ShareModes from "../../src/Server/internal/Command/ShareModes.ts"
import { Meter } from "../../src/Server/internal/State/Meter.ts"
import { FileNode, Lease, type StreamNode } from "../../src/Server/internal/State/Model.ts"
import { HANDLE, READ, WRITE } from "../../src/Server/internal/State/OplocksAndLeases.ts"
import { AccessMask as A, ShareAccess } from "../../src/Smb2/Message/Constants.ts"

const { STATUS_DELETE_PENDING, STATUS_SHARING_VIOLATION } = Status.NtStatus
const { FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE } = ShareAccess
const all = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE
const clear = { _tag: "Clear" } as const
const refused = (status: number) => ({ _tag: "Refused", status }) as const

/** The share mode that other opens must have next to a right; 0 for rights that no share mode is about. */
const sharedBy = new Map<number, number>([
  [A.FILE_READ_DATA, FILE_SHARE_READ],
  [A.FILE_EXECUTE, FILE_SHARE_READ],
  [A.FILE_WRITE_DATA, FILE_SHARE_WRITE],
  [A.FILE_APPEND_DATA, FILE_SHARE_WRITE],
  [A.DELETE, FILE_SHARE_DELETE],
  [A.FILE_READ_EA, 0],
  [A.FILE_WRITE_EA, 0],
  [A.FILE_READ_ATTRIBUTES, 0],
  [A.FILE_WRITE_ATTRIBUTES, 0],
  [A.FILE_DELETE_CHILD, 0],
  [A.READ_CONTROL, 0],
  [A.WRITE_DAC, 0],
  [A.WRITE_OWNER, 0],
  [A.SYNCHRONIZE, 0]
])

/** A file with its stream, and a server whose client hears of breaks. */
const place = () => {
  const file = new FileNode("it", false)
  const stream = file.stream("")
  const told: Array<number> = []
  const connection = {
    closed: false,
    notify: (_session: unknown, _encrypted: boolean, { body }: any) => told.push(body.newLeaseState ?? body.oplockLevel)
  }
  const session = { channels: new Map([[connection, {}]]), encryptRequired: true }
  const closed: Array<unknown> = []
  const server = {
    meter: new Meter(Context.empty()),
    connections: new Set(),
    limits: { breakTime: 1 },
    after: () => () => {},
    closeOpen: (open: unknown) => closed.push(open),
    run: () => {}
  } as never
  const enter = (grantedAccess: number, shareAccess: number, at: StreamNode = stream, isOrphan = false): any => {
    const open = { grantedAccess, shareAccess, stream: at, session: isOrphan ? undefined : session, tree: {} }
    at.opens.add(open as never)
    return open
  }
  return { file, stream, server, told, enter }
}

const wanted = (access: number, shareAccess: number = all, overwrite = false) => ({
  access,
  shareAccess,
  overwrite
})

describe("share modes", () => {
  it("stand against each right that they do not allow, in both directions, and against no other", () => {
    for (const [first, needsOfSecond] of sharedBy) {
      for (const [second, needsOfFirst] of sharedBy) {
        for (
          const [firstShares, secondShares] of [[all, all], [all & ~needsOfFirst, all], [all, all & ~needsOfSecond]]
        ) {
          const { enter, server, stream } = place()
          enter(first, firstShares!)
          const allowed = needsOfFirst === 0 || needsOfSecond === 0 || firstShares === all && secondShares === all
          assert.deepStrictEqual(
            ShareModes.obstacles(server, stream, undefined, undefined, wanted(second, secondShares)),
            allowed ? clear : refused(STATUS_SHARING_VIOLATION),
            `${first.toString(16)} and ${second.toString(16)}`
          )
        }
      }
    }
  })

  it("of one kind do not allow the rights of another kind", () => {
    for (const [first, needed] of sharedBy) {
      if (needed === 0) continue
      for (const mode of [FILE_SHARE_READ, FILE_SHARE_WRITE, FILE_SHARE_DELETE]) {
        const { enter, server, stream } = place()
        enter(A.FILE_READ_DATA, mode)
        assert.deepStrictEqual(
          ShareModes.obstacles(server, stream, undefined, undefined, wanted(first)),
          mode === needed ? clear : refused(STATUS_SHARING_VIOLATION)
        )
      }
    }
  })

  it("of the file's other streams count for DELETE of the file only", () => {
    for (const [right, needed] of sharedBy) {
      for (const shares of [all, all & ~FILE_SHARE_DELETE]) {
        for (const access of [A.DELETE, A.FILE_WRITE_DATA]) {
          const { enter, file, server, stream } = place()
          const other = file.stream("s")
          enter(right, shares, other)
          const fails = access === A.DELETE && needed !== 0 && shares !== all
          assert.deepStrictEqual(
            ShareModes.obstacles(server, stream, undefined, undefined, wanted(access)),
            fails ? refused(STATUS_SHARING_VIOLATION) : clear
          )
          // A stream can be deleted without the consent of the file's opens.
          const below = place()
          below.enter(right, shares)
          assert.deepStrictEqual(
            ShareModes.obstacles(below.server, below.file.stream("s"), undefined, undefined, wanted(access)),
            clear
          )
        }
      }
    }
  })

  it("do not matter while the name or the stream is to be deleted", () => {
    const { server, stream } = place()
    const link = (deletePending: boolean) => ({ deletePending }) as never
    const ask = (deletePending: boolean) =>
      ShareModes.obstacles(server, stream, link(deletePending), undefined, wanted(A.FILE_READ_ATTRIBUTES))
    assert.deepStrictEqual(ask(true), refused(STATUS_DELETE_PENDING))
    assert.deepStrictEqual(ask(false), clear)
    stream.deletePending = true
    assert.deepStrictEqual(ask(false), refused(STATUS_DELETE_PENDING))
  })
})

describe("isOnlyAttributes", () => {
  it("is true for the rights to attributes and SYNCHRONIZE alone", () => {
    const attributes = [A.FILE_READ_ATTRIBUTES, A.FILE_WRITE_ATTRIBUTES, A.SYNCHRONIZE]
    const isAttribute = (right: number) => (attributes as ReadonlyArray<number>).includes(right)
    for (const right of sharedBy.keys()) {
      assert.strictEqual(ShareModes.isOnlyAttributes(right), isAttribute(right), right.toString(16))
      assert.strictEqual(ShareModes.isOnlyAttributes(right | A.FILE_READ_ATTRIBUTES), isAttribute(right))
    }
  })
})

/** What an open has to do with the cache of another client. */
const situations = {
  attributes: {
    access: A.FILE_READ_ATTRIBUTES | A.FILE_WRITE_ATTRIBUTES | A.SYNCHRONIZE,
    overwrite: false,
    fits: true
  },
  security: { access: A.READ_CONTROL | A.FILE_READ_ATTRIBUTES, overwrite: false, fits: true },
  data: { access: A.FILE_READ_DATA, overwrite: false, fits: true },
  overwrite: { access: A.FILE_READ_ATTRIBUTES, overwrite: true, fits: true },
  violation: { access: A.FILE_READ_DATA, overwrite: false, fits: false },
  "violation and overwrite": { access: A.FILE_READ_DATA | A.FILE_WRITE_DATA, overwrite: true, fits: false }
} as const
type Situation = keyof typeof situations

/** The state that a cache keeps; undefined if it is not broken. */
const keeps = (kind: Lease["kind"], state: number, situation: Situation): number | undefined => {
  const has = (right: number) => (state & right) !== 0
  const isStat = situation === "attributes" || situation === "security"
  if (situation === "attributes" || kind === "lease" && isStat) return undefined
  if (situation === "overwrite") return has(WRITE) || has(HANDLE) ? 0 : undefined
  if (situation.startsWith("violation")) {
    if (!has(HANDLE)) return undefined
    return kind === "oplock" ? READ : state & ~HANDLE
  }
  if (!has(WRITE)) return undefined
  return kind === "oplock" ? READ : state & ~WRITE
}

/** Whether an open waits for a cache that is being broken, or has to be. */
const waits = (state: number, situation: Situation): boolean =>
  situation.startsWith("violation") || (state & WRITE) !== 0

const states = {
  oplock: [READ, READ | WRITE, READ | WRITE | HANDLE],
  lease: [READ, READ | HANDLE, READ | WRITE, READ | WRITE | HANDLE]
} as const

const fields = { clientGuid: "1", key: new Uint8Array(16), version: 2, parentKey: undefined, epoch: 0 } as const

const each = (
  run: (
    kind: Lease["kind"],
    state: number,
    situation: Situation,
    at: ReturnType<typeof place> & { readonly lease: Lease }
  ) => void,
  isOrphan = false
) => {
  for (const kind of ["oplock", "lease"] as const) {
    for (const state of states[kind]) {
      for (const situation of Object.keys(situations) as Array<Situation>) {
        const at = place()
        const holder = at.enter(
          A.FILE_READ_DATA | A.FILE_READ_ATTRIBUTES,
          situations[situation].fits ? all : FILE_SHARE_DELETE,
          at.stream,
          isOrphan
        )
        const lease = new Lease(at.stream, state, kind === "lease" ? fields : undefined)
        holder.lease = lease
        lease.opens.add(holder)
        at.stream.leases.add(lease)
        run(kind, state, situation, { ...at, lease })
      }
    }
  }
}

const ask = (at: ReturnType<typeof place>, situation: Situation, same?: Lease) => {
  const { access, overwrite } = situations[situation]
  return ShareModes.obstacles(at.server, at.stream, undefined, same, wanted(access, all, overwrite))
}

const otherwise = (situation: Situation) =>
  situation.startsWith("violation") ? refused(STATUS_SHARING_VIOLATION) : clear

describe("an oplock or a lease of another client", () => {
  it("is broken by each kind of open as far as that needs, and the open waits for handles and writes only", () => {
    each((kind, state, situation, { lease, ...at }) => {
      const about = `${kind} ${state}, ${situation}`
      const kept = keeps(kind, state, situation)
      const outcome = ask(at, situation)
      const isWaiting = kept !== undefined && waits(state, situation)
      assert.deepStrictEqual(outcome, isWaiting ? { _tag: "Wait", leases: [lease] } : otherwise(situation), about)
      assert.strictEqual(lease.breaking, kept, about)
      assert.strictEqual(lease.state, state, about)
      assert.strictEqual(at.told.length, kept === undefined ? 0 : 1, about)
      if (kind === "lease" && kept !== undefined) assert.strictEqual(at.told[0], kept, about)
    })
  })

  it("is left alone if it is the one that the open joins", () => {
    each((kind, state, situation, { lease, ...at }) => {
      assert.deepStrictEqual(ask(at, situation, lease), otherwise(situation), `${kind} ${state}, ${situation}`)
      assert.isUndefined(lease.breaking)
      assert.deepStrictEqual(at.told, [])
    })
  })

  it("that is being broken is not told again, and an overwrite requires all of it next", () => {
    each((kind, state, situation, { lease, ...at }) => {
      const about = `${kind} ${state}, ${situation}`
      // A break that takes nothing that an open could need yet.
      lease.breaking = READ
      const matters = keeps(kind, state, situation) !== undefined ||
        kind === "oplock" && situation.startsWith("violation") && (state & HANDLE) !== 0
      const outcome = ask(at, situation)
      const isWaiting = matters && waits(state, situation)
      assert.deepStrictEqual(outcome, isWaiting ? { _tag: "Wait", leases: [lease] } : otherwise(situation), about)
      assert.deepStrictEqual(at.told, [], about)
      assert.strictEqual(lease.breaking, READ, about)
      assert.strictEqual(
        lease.required,
        kind === "lease" && situation === "overwrite" && matters ? 0 : undefined,
        about
      )
    })
  })

  it("that must be broken a second time is waited for, even if it has only handles", () => {
    const { enter, server, stream, told } = place()
    const holder = enter(A.FILE_READ_ATTRIBUTES, all)
    const lease = new Lease(stream, READ | HANDLE, fields)
    lease.opens.add(holder)
    stream.leases.add(lease)
    const overwrite = wanted(A.FILE_READ_ATTRIBUTES, all, true)
    lease.breaking = READ
    lease.required = 0
    assert.deepStrictEqual(
      ShareModes.obstacles(server, stream, undefined, undefined, overwrite),
      { _tag: "Wait", leases: [lease] }
    )
    // The break under way takes all that is required.
    lease.breaking = 0
    lease.required = 0
    assert.deepStrictEqual(ShareModes.obstacles(server, stream, undefined, undefined, overwrite), clear)
    assert.deepStrictEqual(told, [])
  })

  it("without a client is not waited for: its opens must be closed first, if it is in the way", () => {
    each((kind, state, situation, { lease, ...at }) => {
      const outcome = ask(at, situation)
      // An oplock of LEVEL_II or a lease of reads cannot belong to a durable open, but it is not in the way either.
      assert.deepStrictEqual(
        outcome,
        keeps(kind, state, situation) === undefined
          ? otherwise(situation)
          : { _tag: "Orphaned", opens: Array.from(lease.opens) },
        `${kind} ${state}, ${situation}`
      )
      assert.isUndefined(lease.breaking)
      // Its own client joins it.
      assert.deepStrictEqual(ask(at, situation, lease), otherwise(situation))
    }, true)
  })
})
