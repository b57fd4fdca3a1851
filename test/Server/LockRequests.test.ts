/**
 * Proves which lock requests are refused and with which status (MS-SMB2 3.3.5.14): flags, the number of ranges, rights,
 * limits, what stays locked after a fault, and which sequence numbers are remembered.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { NtStatus as Status } from "effect-smb/Codec"
import * as Lock from "../../src/Server/internal/Command/Lock.ts"
import * as Limits from "../../src/Server/Limits.ts"
import { AccessMask as A, Dialect, LockFlags } from "../../src/Smb2/Message/Constants.ts"

const {
  SMB2_LOCKFLAG_EXCLUSIVE_LOCK: EXCLUSIVE,
  SMB2_LOCKFLAG_FAIL_IMMEDIATELY: AT_ONCE,
  SMB2_LOCKFLAG_SHARED_LOCK: SHARED,
  SMB2_LOCKFLAG_UNLOCK: UNLOCK
} = LockFlags

const makeServer = (limits: Partial<Limits.Limits> = {}) => ({ limits: { ...Limits.defaults, ...limits }, locks: 0 })
const makeFile = () => ({ locks: undefined as any, leases: new Set() })
const makeOpen = (stream: object, server: object, access: number = A.FILE_READ_DATA) => ({
  _tag: "File",
  directory: false,
  stream,
  lease: undefined,
  locks: undefined,
  lockCount: 0,
  waitingLocks: undefined as Set<unknown> | undefined,
  lockSequences: undefined as Map<number, number> | undefined,
  durable: undefined as object | undefined,
  may: (rights: number) => (access & rights) !== 0,
  usage: { locks: 0 },
  server
})

/** A range as offset, length and flags. */
type Range = readonly [number | bigint, number | bigint, number]

/** Sends a request. Gives the name of its status, or `waits`. */
const ask = (
  open: any,
  ranges: ReadonlyArray<Range>,
  { dialect = Dialect.SMB_2_1, index = 0, number = 0 }: { dialect?: number; index?: number; number?: number } = {}
): string => {
  let waits = false
  const incoming = {
    open,
    connection: { dialect, network: "n" },
    session: { user: undefined },
    server: open.server,
    wait: (register: (resume: () => void) => () => void) =>
      Effect.sync(() => {
        waits = true
        register(() => {})
      })
  }
  const result = Effect.runSync(Effect.result(Lock.handle(incoming as never, {
    lockSequence: { lockSequenceNumber: number, lockSequenceIndex: index },
    fileId: { persistent: 0n, volatile: 0n },
    locks: ranges.map(([offset, length, flags]) => ({ offset: BigInt(offset), length: BigInt(length), flags }))
  })))
  if (waits) return "waits"
  return Result.isFailure(result) ? Status.name(result.failure.status)! : "STATUS_SUCCESS"
}

const success = "STATUS_SUCCESS"
const invalid = "STATUS_INVALID_PARAMETER"

describe("a LOCK request", () => {
  it("has one kind of lock, and waits only for a single range", () => {
    for (let flags = 0; flags < 64; flags++) {
      const server = makeServer()
      const file = makeFile()
      const open = makeOpen(file, server)
      const kind = flags & ~AT_ONCE
      const isLock = kind === SHARED || kind === EXCLUSIVE
      const isUnlock = (flags & UNLOCK) !== 0
      const right = isLock ? success : isUnlock && flags === UNLOCK ? "STATUS_RANGE_NOT_LOCKED" : invalid
      assert.strictEqual(ask(open, [[0, 1, flags]]), right, `${flags}`)
      const two = makeOpen(makeFile(), server)
      const both = isLock && (flags & AT_ONCE) !== 0
        ? success
        : isUnlock && flags === UNLOCK
        ? "STATUS_RANGE_NOT_LOCKED"
        : invalid
      assert.strictEqual(ask(two, [[0, 1, flags], [2, 1, flags]]), both, `${flags}`)
      // The second element of locks must be a lock too, and of unlocks an unlock.
      const third = makeOpen(makeFile(), server)
      const mixed = isLock && (flags & AT_ONCE) !== 0 ? success : invalid
      assert.strictEqual(ask(third, [[0, 1, SHARED | AT_ONCE], [2, 1, flags]]), mixed, `${flags}`)
      assert.strictEqual(third.lockCount, mixed === success ? 2 : 0)
    }
    assert.strictEqual(ask(makeOpen(makeFile(), makeServer()), []), invalid)
  })

  // MS-FSA 2.1.5.8: the last byte of a range is at most 2^64 - 1.
  it("ends at the last offset that 64 bits can name", () => {
    const last = (1n << 64n) - 1n
    const table: ReadonlyArray<readonly [bigint, bigint, string]> = [
      [last, 1n, success],
      [0n, last, success],
      [1n, last, success],
      [last, 0n, success],
      [last, 2n, "STATUS_INVALID_LOCK_RANGE"],
      [2n, last, "STATUS_INVALID_LOCK_RANGE"],
      [last, last, "STATUS_INVALID_LOCK_RANGE"]
    ]
    for (const [offset, length, status] of table) {
      assert.strictEqual(ask(makeOpen(makeFile(), makeServer()), [[offset, length, EXCLUSIVE]]), status, `${offset}`)
    }
  })

  it("needs an open of a file, with a right to its data", () => {
    const names = ["FILE_READ_DATA", "FILE_WRITE_DATA", "FILE_APPEND_DATA", "FILE_EXECUTE"]
    for (const [name, right] of Object.entries(A)) {
      const open = makeOpen(makeFile(), makeServer(), right)
      assert.strictEqual(
        ask(open, [[0, 1, EXCLUSIVE]]),
        names.includes(name) || (right & 0x27) !== 0 ? success : "STATUS_ACCESS_DENIED",
        name
      )
    }
    assert.strictEqual(ask({ ...makeOpen(makeFile(), makeServer()), directory: true }, [[0, 1, EXCLUSIVE]]), invalid)
    assert.strictEqual(
      ask({ _tag: "Pipe", server: makeServer() }, [[0, 1, EXCLUSIVE]]),
      "STATUS_INVALID_DEVICE_REQUEST"
    )
  })

  it("keeps none of its locks if one of them fails, and its unlocks before a fault stay", () => {
    const server = makeServer()
    const file = makeFile()
    const [one, other] = [makeOpen(file, server), makeOpen(file, server)]
    assert.strictEqual(ask(one, [[10, 1, EXCLUSIVE]]), success)
    const both: ReadonlyArray<Range> = [[0, 1, EXCLUSIVE | AT_ONCE], [10, 1, EXCLUSIVE | AT_ONCE]]
    assert.strictEqual(ask(other, both), "STATUS_LOCK_NOT_GRANTED")
    assert.strictEqual(other.lockCount, 0)
    assert.strictEqual(ask(one, [[0, 1, EXCLUSIVE | AT_ONCE]]), success)
    // 10 is unlocked, 20 is not locked, and 0 stays locked after that.
    assert.strictEqual(
      ask(one, [[10, 1, UNLOCK], [20, 1, UNLOCK], [0, 1, UNLOCK]]),
      "STATUS_RANGE_NOT_LOCKED"
    )
    assert.strictEqual(one.lockCount, 1)
    assert.strictEqual(ask(other, [[10, 1, EXCLUSIVE | AT_ONCE]]), success)
    assert.strictEqual(ask(other, [[0, 1, EXCLUSIVE | AT_ONCE]]), "STATUS_LOCK_NOT_GRANTED")
    // An unlock has the flag of an unlock alone.
    assert.strictEqual(ask(one, [[0, 1, UNLOCK | AT_ONCE]]), invalid)
    assert.strictEqual(one.lockCount, 1)
  })

  it("is refused at each limit, and granted below it", () => {
    const locks = (count: number): ReadonlyArray<Range> =>
      Array.from({ length: count }, (_, i) => [i * 2, 1, EXCLUSIVE | AT_ONCE] as const)
    const full = "STATUS_INSUFFICIENT_RESOURCES"
    for (const limit of ["locks", "fileLocks"] as const) {
      const server = makeServer({ [limit]: 3 })
      assert.strictEqual(ask(makeOpen(makeFile(), server), locks(4)), full, limit)
      const file = makeFile()
      const open = makeOpen(file, server)
      assert.strictEqual(ask(open, locks(3)), success, limit)
      assert.strictEqual(ask(open, [[100, 1, SHARED | AT_ONCE]]), full, limit)
      // Of the file, locks of other opens count as well.
      const other = makeOpen(file, server)
      assert.strictEqual(ask(other, [[100, 1, SHARED | AT_ONCE]]), limit === "locks" ? success : full)
      assert.strictEqual(ask(open, [[0, 1, UNLOCK]]), success)
      assert.strictEqual(ask(open, [[0, 1, SHARED | AT_ONCE]]), success)
    }
    for (const limit of ["locks", "fileLocks"] as const) {
      // Waiting requests count too.
      const server = makeServer({ [limit]: 2 })
      const file = makeFile()
      const holder = makeOpen(file, makeServer())
      assert.strictEqual(ask(holder, [[0, 1, EXCLUSIVE | AT_ONCE]]), success)
      const open = makeOpen(file, server)
      assert.strictEqual(ask(open, [[0, 1, EXCLUSIVE]]), "waits")
      const more = ask(open, [[10, 1, EXCLUSIVE | AT_ONCE]])
      assert.strictEqual(more, limit === "locks" ? success : full)
      assert.strictEqual(ask(open, [[20, 1, EXCLUSIVE | AT_ONCE]]), full)
    }
    const file = makeFile()
    const server = makeServer({ waitingLocks: 1 })
    const [holder, second] = [makeOpen(file, server), makeOpen(file, server)]
    assert.strictEqual(ask(holder, [[0, 1, EXCLUSIVE | AT_ONCE]]), success)
    assert.strictEqual(ask(second, [[0, 1, EXCLUSIVE]]), "waits")
    assert.strictEqual(ask(second, [[0, 1, EXCLUSIVE]]), full)
    assert.strictEqual(ask(second, [[0, 1, EXCLUSIVE | AT_ONCE]]), "STATUS_LOCK_NOT_GRANTED")
  })

  it("is repeated without effect by its sequence number, where a client can lose a response (3.3.5.14)", () => {
    for (
      const [dialect, isDurable, isRemembered] of [
        [Dialect.SMB_2_0_2, false, false],
        [Dialect.SMB_2_0_2, true, false],
        [Dialect.SMB_2_1, false, false],
        [Dialect.SMB_2_1, true, true],
        [Dialect.SMB_3_0, false, true],
        [Dialect.SMB_3_1_1, false, true]
      ] as const
    ) {
      for (const [index, isValid] of [[0, false], [1, true], [2, true], [64, true], [65, false]] as const) {
        const about = `${dialect} ${isDurable} ${index}`
        const open = makeOpen(makeFile(), makeServer())
        if (isDurable) open.durable = {}
        const sequence = { dialect, index, number: 5 }
        const range: ReadonlyArray<Range> = [[0, 1, EXCLUSIVE | AT_ONCE]]
        const remembers = isRemembered && isValid
        assert.strictEqual(ask(open, range, sequence), success, about)
        // The same request again: without its memory the server refuses the second lock.
        assert.strictEqual(ask(open, range, sequence), remembers ? success : "STATUS_LOCK_NOT_GRANTED", about)
        assert.strictEqual(open.lockCount, 1)
        // Another number is another request. It fails, so the server forgets the number of the index.
        assert.strictEqual(ask(open, range, { ...sequence, number: 6 }), "STATUS_LOCK_NOT_GRANTED", about)
        assert.strictEqual(ask(open, range, sequence), "STATUS_LOCK_NOT_GRANTED", about)
        assert.strictEqual(ask(open, [[0, 1, UNLOCK]], sequence), success, about)
        assert.strictEqual(
          ask(open, [[0, 1, UNLOCK]], sequence),
          remembers ? success : "STATUS_RANGE_NOT_LOCKED",
          about
        )
      }
    }
  })
})
