/**
 * Byte-range locks (MS-SMB2 3.3.5.14, MS-FSA 2.1.4.10, 2.1.5.7): who locked what, who waits for it, and whether a READ or
 * a WRITE may pass.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, Dialect, LockFlags } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Lock.ts"
import type { Incoming } from "../Connection/Incoming.ts"
import { type Refusal, refuse, type Reply, reply } from "../Connection/Reply.ts"
import * as Caching from "./Caching.ts"
import type { StreamNode } from "./FileTable.ts"
import type { FileOpen } from "./Open.ts"

/** A range that an open has locked. `end` is one past the last byte. */
export interface Lock {
  readonly open: FileOpen
  readonly offset: bigint
  readonly end: bigint
  readonly exclusive: boolean
}

/** A request that waits for a range. */
export interface WaitingLock {
  readonly lock: Lock
  readonly granted: () => void
}

const largest = (1n << 64n) - 1n
const has = (flags: number, flag: number): boolean => (flags & flag) !== 0

const overlaps = (one: Lock, offset: bigint, end: bigint): boolean => {
  const empty = one.offset === one.end || offset === end
  // A range of no bytes conflicts with what it lies strictly inside of.
  return empty
    ? one.offset === one.end && offset === end ? false : one.offset < end && offset < one.end &&
      (one.offset === one.end ? one.offset > offset : offset > one.offset)
    : one.offset < end && offset < one.end
}

/** An exclusive lock stands alone; a shared one beside others, and beside an exclusive one of the same open. */
const conflict = (stream: StreamNode, lock: Lock): Lock | undefined =>
  stream.locks.find((other) =>
    overlaps(other, lock.offset, lock.end) && (lock.exclusive || other.exclusive && other.open !== lock.open)
  )

/** Whether a lock keeps an open from reading (or writing) a range. */
export const blocks = (open: FileOpen, offset: bigint, length: number, writes: boolean): boolean => {
  const { locks } = open.stream
  if (locks.length === 0 || length === 0) return false
  const end = offset + BigInt(length)
  return locks.some((lock) =>
    overlaps(lock, offset, end) &&
    (lock.exclusive ? lock.open !== open : writes)
  )
}

const add = (stream: StreamNode, lock: Lock): void => {
  stream.locks.push(lock)
  lock.open.server.locks++
}

const removeAt = (stream: StreamNode, at: number): void => {
  const [lock] = stream.locks.splice(at, 1)
  if (lock !== undefined) lock.open.server.locks--
}

/** Grants what waits and can be had now. */
const retry = (stream: StreamNode): void => {
  for (const waiting of stream.waitingLocks.slice()) {
    if (conflict(stream, waiting.lock) !== undefined) continue
    stream.waitingLocks.splice(stream.waitingLocks.indexOf(waiting), 1)
    add(stream, waiting.lock)
    waiting.granted()
  }
}

/** Takes away all locks of an open that is closed. */
export const releaseAll = (open: FileOpen): void => {
  const { stream } = open
  for (let i = stream.locks.length - 1; i >= 0; i--) if (stream.locks[i]!.open === open) removeAt(stream, i)
  for (let i = stream.waitingLocks.length - 1; i >= 0; i--) {
    if (stream.waitingLocks[i]!.lock.open === open) stream.waitingLocks.splice(i, 1)
  }
  retry(stream)
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
    // Who has nothing to do with the bytes keeps nobody from them.
    if (!open.may(A.FILE_READ_DATA | A.FILE_WRITE_DATA | A.FILE_APPEND_DATA | A.FILE_EXECUTE)) {
      return refuse(NtStatus.STATUS_ACCESS_DENIED)
    }
    const { dialect } = incoming.connection
    // Where there may be several channels, any lock may have to be asked for again.
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
  const { stream } = open
  for (const element of elements) {
    if (element.flags !== UNLOCK) {
      retry(stream)
      return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    const end = element.offset + element.length
    const at = stream.locks.findIndex((lock) =>
      lock.open === open && lock.offset === element.offset && lock.end === end
    )
    if (at < 0) {
      retry(stream)
      return refuse(NtStatus.STATUS_RANGE_NOT_LOCKED)
    }
    removeAt(stream, at)
  }
  retry(stream)
  return done()
}

const lock = (
  incoming: Incoming,
  open: FileOpen,
  elements: ReadonlyArray<Message.LockElement>
): Effect.Effect<Reply, Refusal> => {
  const { stream } = open
  const taken: Array<Lock> = []
  const undo = (status: number): Effect.Effect<never, Refusal> => {
    for (const one of taken) removeAt(stream, stream.locks.indexOf(one))
    retry(stream)
    return refuse(status)
  }
  const { fileLocks, locks, serverLocks, waitingLocks } = incoming.server.limits
  if (incoming.server.locks + elements.length > serverLocks || stream.locks.length + elements.length > fileLocks) {
    return refuse(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
  }
  // Counted only where they can be too many.
  if (
    stream.locks.length + elements.length > locks &&
    stream.locks.filter((one) => one.open === open).length + elements.length > locks
  ) return refuse(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
  for (const { flags } of elements) {
    const kind = flags & ~AT_ONCE
    if (kind !== SHARED && kind !== EXCLUSIVE) return undo(NtStatus.STATUS_INVALID_PARAMETER)
    // Several ranges at once never wait.
    if (elements.length > 1 && !has(flags, AT_ONCE)) return undo(NtStatus.STATUS_INVALID_PARAMETER)
  }
  for (const { flags, length, offset } of elements) {
    if (length > 0n && offset + length - 1n > largest) return undo(NtStatus.STATUS_INVALID_LOCK_RANGE)
    const wanted: Lock = { open, offset, end: offset + length, exclusive: has(flags, EXCLUSIVE) }
    Caching.breakReaders(incoming.server, stream, open.holder)
    if (conflict(stream, wanted) === undefined) {
      add(stream, wanted)
      taken.push(wanted)
      continue
    }
    if (has(flags, AT_ONCE)) return undo(NtStatus.STATUS_LOCK_NOT_GRANTED)
    if (stream.waitingLocks.length >= waitingLocks) return undo(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
    return Effect.andThen(
      incoming.wait<void>((resume) => {
        const waiting: WaitingLock = { lock: wanted, granted: () => resume(undefined) }
        stream.waitingLocks.push(waiting)
        return () => {
          const at = stream.waitingLocks.indexOf(waiting)
          if (at >= 0) stream.waitingLocks.splice(at, 1)
        }
      }),
      done()
    )
  }
  return done()
}
