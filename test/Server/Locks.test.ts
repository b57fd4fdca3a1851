/**
 * Proves byte-range locks (MS-FSA 2.1.4.10, MS-SMB2 3.3.5.14) against a model that knows each byte of a file, at the
 * ends of the range of offsets, and that a request costs little in a file with many locks.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Result } from "effect"
import { NtStatus as Status } from "effect-smb/Codec"
import * as Lock from "../../src/Server/internal/Command/Lock.ts"
import * as Locks from "../../src/Server/internal/State/Locks.ts"
import { type FileOpen, StreamLocks, type WaitingLock } from "../../src/Server/internal/State/Model.ts"
import * as Limits from "../../src/Server/Limits.ts"
import { Dialect, LockFlags } from "../../src/Smb2/Message/Constants.ts"
import { random } from "../random.ts"

const { NtStatus } = Status
const {
  SMB2_LOCKFLAG_EXCLUSIVE_LOCK: EXCLUSIVE,
  SMB2_LOCKFLAG_FAIL_IMMEDIATELY: AT_ONCE,
  SMB2_LOCKFLAG_SHARED_LOCK: SHARED
} = LockFlags
const UNLOCK = 4

const server = { limits: Limits.defaults, locks: 0 }

/** The parts of an open and its file that locks use. */
const makeFile = (): { locks: StreamLocks | undefined; readonly leases: Set<unknown> } => ({
  locks: undefined,
  leases: new Set()
})
const makeOpen = (stream: object) => ({
  _tag: "File",
  directory: false,
  stream,
  lease: undefined,
  locks: undefined,
  lockCount: 0,
  waitingLocks: undefined,
  may: () => true,
  usage: { locks: 0 },
  server
})

interface Range {
  readonly owner: number
  readonly from: number
  readonly length: number
  readonly exclusive: boolean
}

/**
 * A file as the points that a range covers: its bytes, and the places between them, at which a range of no bytes lies
 * (MS-FSA 2.1.4.10). Two of no bytes are never in each other's way.
 */
const points = ({ from, length }: Pick<Range, "from" | "length">): Set<number> =>
  length === 0
    ? new Set([2 * from])
    : new Set(Array.from({ length: 2 * length - 1 }, (_, i) => 2 * from + 1 + i))

const meet = (one: Pick<Range, "from" | "length">, other: Pick<Range, "from" | "length">): boolean =>
  (one.length > 0 || other.length > 0) && [...points(one)].some((point) => points(other).has(point))

class Model {
  readonly held: Array<Range> = []
  readonly waiting: Array<Range & { readonly id: number }> = []

  free(wanted: Range): boolean {
    return this.held.every((held) =>
      !meet(held, wanted) || !wanted.exclusive && (!held.exclusive || held.owner === wanted.owner)
    )
  }

  /** Grants the waiting requests, in order, the ranges that are free now. Returns the requests that got theirs. */
  settle(): Array<number> {
    const got: Array<number> = []
    for (const one of [...this.waiting]) {
      if (!this.free(one)) continue
      this.waiting.splice(this.waiting.indexOf(one), 1)
      this.held.push(one)
      got.push(one.id)
    }
    return got
  }

  blocks(owner: number, range: Pick<Range, "from" | "length">, writes: boolean): boolean {
    if (range.length === 0) return false
    return this.held.some((held) => meet(held, range) && (held.exclusive ? held.owner !== owner : writes))
  }
}

describe("Locks", () => {
  it("grant, refuse or queue each request, and block reads and writes, as a model of single bytes does", () => {
    for (let seed = 1; seed <= 80; seed++) {
      const next = random(seed * 104_729)
      const file = makeFile()
      const opens = [0, 1, 2].map(() => makeOpen(file))
      const before = server.locks
      const model = new Model()
      const got: Array<number> = []
      const ask = (owner: number, from: number, length: number, flags: number, id = -1) => {
        let waits = false
        const incoming = {
          open: opens[owner],
          connection: { dialect: Dialect.SMB_2_1 },
          server,
          // A request that waits: its response comes when it is resumed.
          wait: (register: (resume: () => void) => () => void) =>
            Effect.sync(() => {
              waits = true
              register(() => got.push(id))
            })
        }
        const exit = Effect.runSyncExit(Effect.result(Lock.handle(incoming as never, {
          lockSequence: { lockSequenceNumber: 0, lockSequenceIndex: 0 },
          fileId: { persistent: 0n, volatile: 0n },
          locks: [{ offset: BigInt(from), length: BigInt(length), flags }]
        })))
        assert.isTrue(Exit.isSuccess(exit))
        const result = Exit.isSuccess(exit) ? exit.value : undefined
        const status = result !== undefined && Result.isFailure(result) ? result.failure.status : 0
        return waits ? "waits" : Status.name(status)
      }
      for (let step = 0; step < 120; step++) {
        const owner = next(3)
        const from = next(10)
        const length = next(5)
        const where = `seed ${seed}, step ${step}: ${owner} at ${from}, ${length} bytes`
        switch (next(5)) {
          case 0:
          case 1: {
            const exclusive = next(2) === 0
            const wait = next(3) === 0
            const wanted = { owner, from, length, exclusive }
            const flags = (exclusive ? EXCLUSIVE : SHARED) | (wait ? 0 : AT_ONCE)
            const free = model.free(wanted)
            const expected = free ? "STATUS_SUCCESS" : wait ? "waits" : "STATUS_LOCK_NOT_GRANTED"
            assert.strictEqual(ask(owner, from, length, flags, step), expected, where)
            if (free) model.held.push(wanted)
            else if (wait) model.waiting.push({ ...wanted, id: step })
            break
          }
          case 2: {
            // Mostly a range that is held.
            const held = model.held.filter((one) => one.owner === owner)
            const which = held.length > 0 && next(4) > 0 ? held[next(held.length)]! : { from, length }
            const at = model.held.findIndex((one) =>
              one.owner === owner && one.from === which.from && one.length === which.length
            )
            const expected = at < 0 ? NtStatus.STATUS_RANGE_NOT_LOCKED : 0
            assert.strictEqual(ask(owner, which.from, which.length, UNLOCK), Status.name(expected), where)
            if (at >= 0) model.held.splice(at, 1)
            break
          }
          case 3:
            for (const writes of [false, true]) {
              assert.strictEqual(
                Locks.blocks(opens[owner] as never, BigInt(from), length, writes),
                model.blocks(owner, { from, length }, writes),
                `${where}, ${writes ? "write" : "read"}`
              )
            }
            break
          case 4:
            if (next(4) > 0) break
            Locks.releaseAll(opens[owner] as never)
            for (const list of [model.held, model.waiting]) {
              for (let i = list.length - 1; i >= 0; i--) if (list[i]!.owner === owner) list.splice(i, 1)
            }
        }
        assert.deepStrictEqual(got.splice(0), model.settle(), where)
        assert.strictEqual(file.locks?.size ?? 0, model.held.length, where)
        for (const [owner, open] of opens.entries()) {
          const held = model.held.filter((one) => one.owner === owner)
          const waiting = model.waiting.filter((one) => one.owner === owner)
          assert.strictEqual(open.lockCount, held.length, where)
          assert.strictEqual(open.usage.locks, held.length + waiting.length, where)
          const all = (open as unknown as FileOpen).locks?.values() ?? []
          assert.strictEqual([...all].flat().length, held.length, where)
        }
        assert.strictEqual(server.locks - before, model.held.length + model.waiting.length, where)
      }
    }
  })

  it("keep the table of a file when an open is closed while other opens hold locks or wait, and drop it after the last", () => {
    const range = (open: object, offset: bigint) => ({
      open: open as FileOpen,
      exclusive: true,
      offset,
      end: offset + 5n,
      serial: Locks.nextSerial()
    })
    const granted: Array<string> = []
    const waiting = (open: object, offset: bigint, name: string): WaitingLock => ({
      ...range(open, offset),
      granted: () => void granted.push(name)
    })
    const file = makeFile()
    const [one, other, third] = [makeOpen(file), makeOpen(file), makeOpen(file)]
    const release = (open: object) => Locks.releaseAll(open as FileOpen)
    release(one)
    const all = new StreamLocks()
    file.locks = all
    Locks.add(all, range(one, 0n))
    Locks.add(all, range(other, 10n))
    Locks.wait(all, waiting(third, 0n, "first"))
    Locks.wait(all, waiting(third, 10n, "second"))
    release(one)
    assert.deepStrictEqual([file.locks, all.size, all.waiting.size, granted], [all, 2, 1, ["first"]])
    release(other)
    assert.deepStrictEqual([file.locks, all.size, all.waiting.size, granted], [all, 2, 0, ["first", "second"]])
    // A request that waits keeps the table, although no lock is held.
    Locks.wait(all, waiting(one, 50n, "third"))
    release(third)
    assert.deepStrictEqual([file.locks, all.size, all.waiting.size], [all, 0, 1])
    release(one)
    assert.isUndefined(file.locks)
    assert.deepStrictEqual([one, other, third].map(({ lockCount, usage }) => [lockCount, usage.locks]), [
      [0, 0],
      [0, 0],
      [0, 0]
    ])
    assert.strictEqual(granted.length, 2)
  })

  it("find the oldest lock of an open for exactly a range, and remove one at a time", () => {
    const file = makeFile()
    const open = makeOpen(file) as unknown as FileOpen
    const all = new StreamLocks()
    const lock = (end: bigint) => ({ open, exclusive: false, offset: 1n, end, serial: Locks.nextSerial() })
    const [first, second, longer] = [lock(5n), lock(5n), lock(6n)]
    for (const one of [first, second, longer]) Locks.add(all, one)
    assert.strictEqual(Locks.held(open, 1n, 5n), first)
    Locks.remove(all, first)
    assert.strictEqual(Locks.held(open, 1n, 5n), second)
    assert.strictEqual(Locks.held(open, 1n, 6n), longer)
    Locks.remove(all, second)
    assert.isUndefined(Locks.held(open, 1n, 5n))
    assert.strictEqual(open.locks?.size, 1)
    assert.isUndefined(Locks.held(open, 0n, 6n))
  })

  it("accept ranges up to offset 2^64 - 1, and refuse longer ones with STATUS_INVALID_LOCK_RANGE", () => {
    const file = makeFile()
    const open = makeOpen(file)
    const lock = (offset: bigint, length: bigint) =>
      Effect.runSync(Effect.result(Lock.handle(
        { open, connection: { dialect: Dialect.SMB_2_1 }, server } as never,
        {
          lockSequence: { lockSequenceNumber: 0, lockSequenceIndex: 0 },
          fileId: { persistent: 0n, volatile: 0n },
          locks: [{ offset, length, flags: EXCLUSIVE | AT_ONCE }]
        }
      )))
    const status = (result: ReturnType<typeof lock>) => Result.isFailure(result) ? result.failure.status : 0
    const last = (1n << 64n) - 1n
    assert.strictEqual(status(lock(last, 1n)), 0)
    assert.strictEqual(status(lock(last, 2n)), NtStatus.STATUS_INVALID_LOCK_RANGE)
    assert.strictEqual(status(lock(1n, last)), NtStatus.STATUS_LOCK_NOT_GRANTED)
    assert.strictEqual(status(lock(2n, last)), NtStatus.STATUS_INVALID_LOCK_RANGE)
    assert.strictEqual(status(lock(0n, last)), 0)
  })

  it("look at fewer than 500 entries for each request in a file with 4000 locks and 400 waiting requests", () => {
    const file = makeFile()
    const [one, other] = [makeOpen(file), makeOpen(file)]
    const ask = (open: object, offset: number, length: number, flags: number) => {
      const incoming = {
        open,
        connection: { dialect: Dialect.SMB_2_1 },
        server,
        wait: (register: (resume: () => void) => () => void) => Effect.sync(() => void register(() => {}))
      }
      return Effect.runSyncExit(Effect.result(Lock.handle(incoming as never, {
        lockSequence: { lockSequenceNumber: 0, lockSequenceIndex: 0 },
        fileId: { persistent: 0n, volatile: 0n },
        locks: [{ offset: BigInt(offset), length: BigInt(length), flags }]
      })))
    }
    const far = 1_000_000
    ask(one, far, 10, EXCLUSIVE | AT_ONCE)
    for (let i = 0; i < 4000; i++) ask(one, i * 10, 5, (i % 2 === 0 ? EXCLUSIVE : SHARED) | AT_ONCE)
    for (let i = 0; i < 400; i++) ask(other, far, 5, EXCLUSIVE)
    const locks = file.locks!
    assert.strictEqual(locks.waiting.size, 400)
    const sets = [locks.exclusive, locks.shared, locks.waiting]
    const looks = (run: () => void): number => {
      for (const set of sets) set.looks = 0
      run()
      return sets.reduce((sum, set) => sum + set.looks, 0)
    }
    for (const i of [0, 1, 1999, 3998, 3999]) {
      const flags = i % 2 === 0 ? EXCLUSIVE : SHARED
      assert.isBelow(looks(() => ask(one, i * 10, 5, UNLOCK)), 100)
      assert.isBelow(looks(() => ask(one, i * 10, 5, flags | AT_ONCE)), 500)
      assert.isBelow(looks(() => ask(other, i * 10, 5, EXCLUSIVE | AT_ONCE)), 500)
      assert.isBelow(looks(() => Locks.blocks(other as never, BigInt(i * 10 + 5), 5, true)), 500)
    }
  })
})
