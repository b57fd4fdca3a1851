/** LOCK (MS-SMB2 3.3.5.14): requests for byte-range locks, and their release. */
import * as Effect from "effect/Effect"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, Dialect, LockFlags } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/Lock.ts"
import type { Incoming } from "../State/Incoming.ts"
import * as Locks from "../State/Locks.ts"
import { type FileOpen, type Lock, StreamLocks, type WaitingLock } from "../State/Model.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import { type Refusal, refuse, type Reply, reply } from "../Wire/Reply.ts"
import { limitReached } from "./LimitRefusal.ts"
import * as Recording from "./Recording.ts"

const largest = (1n << 64n) - 1n
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
    const mayRepeat = dialect >= Dialect.SMB_3_0 || dialect === Dialect.SMB_2_1 && open.durable !== undefined
    const { lockSequenceIndex, lockSequenceNumber } = body.lockSequence
    const sequenced = mayRepeat && lockSequenceIndex > 0 && lockSequenceIndex <= 64
    if (sequenced) {
      if (open.lockSequences?.get(lockSequenceIndex) === lockSequenceNumber) return done()
      if (open.lockSequences?.delete(lockSequenceIndex) === true) open.server.kept?.sequencesChanged(open)
    }
    const remember = (answer: Reply): Reply => {
      if (sequenced) {
        ;(open.lockSequences ??= new Map()).set(lockSequenceIndex, lockSequenceNumber)
        open.server.kept?.sequencesChanged(open)
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
    const lock = Locks.held(open, offset, offset + length)
    if (lock === undefined) return NtStatus.STATUS_RANGE_NOT_LOCKED
    Locks.remove(all, lock)
    released.push(lock)
    return 0
  }
  let status = 0
  // The ranges before a fault stay unlocked.
  for (const element of elements) if (status === 0) status = unlockOne(element)
  Locks.retry(all, released)
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
    for (const one of taken) Locks.remove(all, one)
    Locks.retry(all, taken)
    return refuse(status)
  }
  const { fileLocks, locks, serverLocks, userLocks, waitingLocks } = incoming.server.limits
  const ofOpen = open.lockCount + (open.waitingLocks?.size ?? 0)
  if (all.size + all.waiting.size + elements.length > fileLocks || ofOpen + elements.length > locks) {
    return refuse(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
  }
  if (open.usage.locks + elements.length > userLocks) {
    return limitReached(incoming, "userLocks", NtStatus.STATUS_INSUFFICIENT_RESOURCES)
  }
  if (incoming.server.locks + elements.length > serverLocks) {
    return limitReached(incoming, "serverLocks", NtStatus.STATUS_INSUFFICIENT_RESOURCES)
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
    const wanted: Lock = { open, offset, end: offset + length, exclusive, serial: Locks.nextSerial() }
    OplocksAndLeases.breakReaders(incoming.server, stream, open.lease)
    if (!Locks.conflicts(all, wanted)) {
      Locks.add(all, wanted)
      taken.push(wanted)
      continue
    }
    if (has(flags, AT_ONCE)) return undo(NtStatus.STATUS_LOCK_NOT_GRANTED)
    if (all.waiting.size >= waitingLocks) return undo(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
    const waits = incoming.wait<WaitingLock>((resume) => {
      const waiting: WaitingLock = { ...wanted, granted: () => resume(waiting) }
      Locks.wait(all, waiting)
      return () => Locks.waitNoMore(all, waiting)
    })
    return Effect.flatMap(waits, (granted) => Effect.andThen(confirm(incoming, [granted]), done()))
  }
  return Effect.andThen(confirm(incoming, taken), done())
}

/** Has the `OpenStore` know of the new locks of a persistent open. If it cannot, the open does not get them. */
const confirm = ({ server }: Incoming, taken: ReadonlyArray<Lock>): Effect.Effect<void, Refusal> =>
  Effect.suspend(() => {
    const open = taken[0]?.open
    if (open === undefined || server.kept?.has(open) !== true) return Effect.void
    return Effect.onError(Recording.required(server), () =>
      Effect.sync(() => {
        const all = open.stream.locks
        if (open.closed || all === undefined) return
        for (const one of taken) Locks.remove(all, one)
        Locks.retry(all, taken)
      }))
  })
