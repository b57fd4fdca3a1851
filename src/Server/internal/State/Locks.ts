/**
 * Byte-range locks (MS-SMB2 3.3.5.14, MS-FSA 2.1.4.10, 2.1.5.7): the locks of each open, the requests that wait for
 * locks, and whether a READ or a WRITE is allowed.
 */
import type { FileOpen, Lock, StreamLocks, WaitingLock } from "./Model.ts"
import type { Ranged, RangeSet } from "./RangeSet.ts"

let serials = 0

/** Numbers locks in the order of their requests. */
export const nextSerial = (): number => ++serials

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
export const conflicts = (locks: StreamLocks, { end, exclusive, offset, open }: Lock): boolean =>
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

/** Adds a lock that conflicts with no other one. */
export const add = (all: StreamLocks, lock: Lock): void => {
  setOf(all, lock).add(lock)
  const { open } = lock
  const name = nameOf(lock.offset, lock.end)
  const same = (open.locks ??= new Map()).get(name)
  if (same === undefined) open.locks.set(name, [lock])
  else same.push(lock)
  open.lockCount++
  open.server.kept?.locksChanged(open, name)
  count(open, 1)
}

/** Counts held locks and waiting requests towards the limits: a waiting request may later hold its lock. */
const count = (open: FileOpen, by: 1 | -1): void => {
  open.usage.locks += by
  open.server.locks += by
}

/** A request waits for its lock. */
export const wait = (all: StreamLocks, waiting: WaitingLock): void => {
  all.waiting.add(waiting)
  ;(waiting.open.waitingLocks ??= new Set()).add(waiting)
  count(waiting.open, 1)
}

/** A request no longer waits: it has its lock, or has ended. */
export const waitNoMore = (all: StreamLocks, waiting: WaitingLock): void => {
  if (waiting.open.waitingLocks?.delete(waiting) !== true) return
  all.waiting.delete(waiting)
  count(waiting.open, -1)
}

/** Removes a lock. `retry` must follow. */
export const remove = (all: StreamLocks, lock: Lock): void => {
  setOf(all, lock).delete(lock)
  const { open } = lock
  const name = nameOf(lock.offset, lock.end)
  const left = open.locks?.get(name)?.filter((other) => other !== lock) ?? []
  if (left.length === 0) open.locks?.delete(name)
  else open.locks!.set(name, left)
  open.lockCount--
  open.server.kept?.locksChanged(open, name)
  count(open, -1)
}

/** Grants the waiting requests for these ranges that no longer conflict, the oldest request first. */
export const retry = (all: StreamLocks, released: ReadonlyArray<Ranged>): void => {
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

/** The oldest lock of an open for exactly this range. */
export const held = (open: FileOpen, offset: bigint, end: bigint): Lock | undefined =>
  open.locks?.get(nameOf(offset, end))?.[0]

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
