/**
 * Byte-range locks (MS-SMB2 3.3.5.14, MS-FSA 2.1.4.10, 2.1.5.7): the locks of each open, the requests that wait for
 * locks, and whether a READ or a WRITE is allowed.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, Dialect, LockFlags } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Lock.ts"
import { beyond } from "../Connection/Beyond.ts"
import type { Incoming } from "../Connection/Incoming.ts"
import { type Refusal, refuse, type Reply, reply } from "../Wire/Reply.ts"
import * as Caching from "./Caching.ts"
import type { FileOpen } from "./Open.ts"
import { type Ranged, RangeSet } from "./RangeSet.ts"

/** A range that an open has locked, or waits for. `end` is the offset after the last byte. */
export interface Lock extends Ranged {
  readonly open: FileOpen
  readonly exclusive: boolean
}

/** A request that waits for a range. */
export interface WaitingLock extends Lock {
  readonly granted: () => void
}

/** The locks of a stream, and the requests that wait for locks. */
export class StreamLocks {
  /** Exclusive locks never overlap each other, so only few of them touch a range. */
  readonly exclusive = new RangeSet<Lock>()
  readonly shared = new RangeSet<Lock>()
  readonly waiting = new RangeSet<WaitingLock>()

  get size(): number {
    return this.exclusive.size + this.shared.size
  }
}

let serials = 0

const largest = (1n << 64n) - 1n
const has = (flags: number, flag: number): boolean => (flags & flag) !== 0

const overlaps = (one: Ranged, offset: bigint, end: bigint): boolean => {
  const empty = one.offset === one.end || offset === end
  // A range of no bytes conflicts only with a range that it lies strictly inside of.
  return empty
    ? one.offset === one.end && offset === end ? false : one.offset < end && offset < one.end &&
      (one.offset === one.end ? one.offset > offset : offset > one.offset)
    : one.offset < end && offset < one.end
}

/** Whether a lock of a set overlaps a range. Locks of `except` do not count, if it is given. */
const isTouched = (set: RangeSet<Lock>, offset: bigint, end: bigint, except?: FileOpen): boolean => {
  if (set.size === 0) return false
  for (const one of set.touching(offset, end)) if (one.open !== except && overlaps(one, offset, end)) return true
  return false
}

/** An exclusive lock allows no other lock. A shared one allows shared locks, and an exclusive one of the same open. */
const conflicts = (locks: StreamLocks, { end, exclusive, offset, open }: Lock): boolean =>
  exclusive
    ? isTouched(locks.exclusive, offset, end) || isTouched(locks.shared, offset, end)
    : isTouched(locks.exclusive, offset, end, open)

/** Whether a lock prevents an open from reading (or writing) a range. */
export const blocks = (open: FileOpen, offset: bigint, length: number, writes: boolean): boolean => {
  const { locks } = open.stream
  if (locks === undefined || length === 0) return false
  const end = offset + BigInt(length)
  return isTouched(locks.exclusive, offset, end, open) || writes && isTouched(locks.shared, offset, end)
}

const setOf = (locks: StreamLocks, { exclusive }: Lock): RangeSet<Lock> => exclusive ? locks.exclusive : locks.shared

const nameOf = (offset: bigint, end: bigint): string => `${offset}-${end}`

const add = (all: StreamLocks, lock: Lock): void => {
  setOf(all, lock).add(lock)
  const { open } = lock
  const name = nameOf(lock.offset, lock.end)
  const same = (open.locks ??= new Map()).get(name)
  if (same === undefined) open.locks.set(name, [lock])
  else same.push(lock)
  open.lockCount++
  count(open, 1)
}

/** Counts held locks and waiting requests towards the limits: a waiting request may later hold its lock. */
const count = (open: FileOpen, by: 1 | -1): void => {
  open.usage.locks += by
  open.server.locks += by
}

const wait = (all: StreamLocks, waiting: WaitingLock): void => {
  all.waiting.add(waiting)
  ;(waiting.open.waitingLocks ??= new Set()).add(waiting)
  count(waiting.open, 1)
}

const waitNoMore = (all: StreamLocks, waiting: WaitingLock): void => {
  if (waiting.open.waitingLocks?.delete(waiting) !== true) return
  all.waiting.delete(waiting)
  count(waiting.open, -1)
}

const remove = (all: StreamLocks, lock: Lock): void => {
  setOf(all, lock).delete(lock)
  const { open } = lock
  const name = nameOf(lock.offset, lock.end)
  const left = open.locks?.get(name)?.filter((other) => other !== lock) ?? []
  if (left.length === 0) open.locks?.delete(name)
  else open.locks!.set(name, left)
  open.lockCount--
  count(open, -1)
}

/** Grants the waiting requests for these ranges that no longer conflict, the oldest request first. */
const retry = (all: StreamLocks, released: ReadonlyArray<Ranged>): void => {
  const { waiting } = all
  if (waiting.size === 0 || released.length === 0) return
  const concerned = new Set(released.flatMap(({ end, offset }) => [...waiting.touching(offset, end)]))
  for (const one of [...concerned].sort((a, b) => a.serial - b.serial)) {
    if (conflicts(all, one)) continue
    waitNoMore(all, one)
    add(all, one)
    one.granted()
  }
}

/** Removes all locks of an open that is closed. */
export const releaseAll = (open: FileOpen): void => {
  const all = open.stream.locks
  if (all === undefined) return
  const released = [...open.locks?.values() ?? []].flat()
  for (const lock of released) remove(all, lock)
  for (const waiting of Array.from(open.waitingLocks ?? [])) waitNoMore(all, waiting)
  retry(all, released)
  if (all.size === 0 && all.waiting.size === 0) open.stream.locks = undefined
}

const SHARED = LockFlags.SMB2_LOCKFLAG_SHARED_LOCK
const EXCLUSIVE = LockFlags.SMB2_LOCKFLAG_EXCLUSIVE_LOCK
const UNLOCK = LockFlags.SMB2_LOCKFLAG_UNLOCK
const AT_ONCE = LockFlags.SMB2_LOCKFLAG_FAIL_IMMEDIATELY

/** Handles LOCK. */
export const handle = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const { open } = incoming
    if (open?._tag !== "File") return refuse(NtStatus.STATUS_INVALID_DEVICE_REQUEST)
    const { locks } = body
    const first = locks[0]
    if (first === undefined) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    if (open.directory) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    // An open without a right to the data must not lock other opens out of it.
    if (!open.may(A.FILE_READ_DATA | A.FILE_WRITE_DATA | A.FILE_APPEND_DATA | A.FILE_EXECUTE)) {
      return refuse(NtStatus.STATUS_ACCESS_DENIED)
    }
    const { dialect } = incoming.connection
    // If there can be several channels, a client may have to repeat any lock request.
    const sequenced = dialect >= Dialect.SMB_3_0 || dialect === Dialect.SMB_2_1 && open.durable !== undefined
    const { lockSequenceIndex, lockSequenceNumber } = body.lockSequence
    if (sequenced && lockSequenceIndex > 0 && lockSequenceIndex <= 64) {
      if (open.lockSequences?.get(lockSequenceIndex) === lockSequenceNumber) return done()
      open.lockSequences?.delete(lockSequenceIndex)
    }
    const remember = (answer: Reply): Reply => {
      if (sequenced && lockSequenceIndex > 0 && lockSequenceIndex <= 64) {
        ;(open.lockSequences ??= new Map()).set(lockSequenceIndex, lockSequenceNumber)
      }
      return answer
    }
    const run = has(first.flags, UNLOCK) ? unlock(open, locks) : lock(incoming, open, locks)
    return Effect.map(run, remember)
  })

const done = (): Effect.Effect<Reply> => Effect.succeed(reply({ _tag: "LOCK", body: {} }))

const unlock = (open: FileOpen, elements: ReadonlyArray<Message.LockElement>): Effect.Effect<Reply, Refusal> => {
  const all = open.stream.locks ??= new StreamLocks()
  const released: Array<Lock> = []
  const unlockOne = ({ flags, length, offset }: Message.LockElement): number => {
    if (flags !== UNLOCK) return NtStatus.STATUS_INVALID_PARAMETER
    const lock = open.locks?.get(nameOf(offset, offset + length))?.[0]
    if (lock === undefined) return NtStatus.STATUS_RANGE_NOT_LOCKED
    remove(all, lock)
    released.push(lock)
    return 0
  }
  let status = 0
  // The ranges before a fault stay unlocked.
  for (const element of elements) if (status === 0) status = unlockOne(element)
  retry(all, released)
  return status === 0 ? done() : refuse(status)
}

const lock = (
  incoming: Incoming,
  open: FileOpen,
  elements: ReadonlyArray<Message.LockElement>
): Effect.Effect<Reply, Refusal> => {
  const { stream } = open
  const all = stream.locks ??= new StreamLocks()
  const taken: Array<Lock> = []
  const undo = (status: number): Effect.Effect<never, Refusal> => {
    for (const one of taken) remove(all, one)
    retry(all, taken)
    return refuse(status)
  }
  const { fileLocks, locks, serverLocks, userLocks, waitingLocks } = incoming.server.limits
  const ofOpen = open.lockCount + (open.waitingLocks?.size ?? 0)
  if (all.size + all.waiting.size + elements.length > fileLocks || ofOpen + elements.length > locks) {
    return refuse(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
  }
  if (open.usage.locks + elements.length > userLocks) {
    return beyond(incoming, "userLocks", NtStatus.STATUS_INSUFFICIENT_RESOURCES)
  }
  if (incoming.server.locks + elements.length > serverLocks) {
    return beyond(incoming, "serverLocks", NtStatus.STATUS_INSUFFICIENT_RESOURCES)
  }
  for (const { flags } of elements) {
    const kind = flags & ~AT_ONCE
    if (kind !== SHARED && kind !== EXCLUSIVE) return undo(NtStatus.STATUS_INVALID_PARAMETER)
    // A request for several ranges never waits.
    if (elements.length > 1 && !has(flags, AT_ONCE)) return undo(NtStatus.STATUS_INVALID_PARAMETER)
  }
  for (const { flags, length, offset } of elements) {
    if (length > 0n && offset + length - 1n > largest) return undo(NtStatus.STATUS_INVALID_LOCK_RANGE)
    const exclusive = has(flags, EXCLUSIVE)
    const wanted: Lock = { open, offset, end: offset + length, exclusive, serial: ++serials }
    Caching.breakReaders(incoming.server, stream, open.holder)
    if (!conflicts(all, wanted)) {
      add(all, wanted)
      taken.push(wanted)
      continue
    }
    if (has(flags, AT_ONCE)) return undo(NtStatus.STATUS_LOCK_NOT_GRANTED)
    if (all.waiting.size >= waitingLocks) return undo(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
    return Effect.andThen(
      incoming.wait<void>((resume) => {
        const waiting: WaitingLock = { ...wanted, granted: () => resume(undefined) }
        wait(all, waiting)
        return () => waitNoMore(all, waiting)
      }),
      done()
    )
  }
  return done()
}
