/**
 * READ, WRITE and FLUSH (MS-SMB2 3.3.5.11, 3.3.5.12, 3.3.5.13). This is the hot path, so the code is simple. A WRITE's
 * payload is a view of its frame. A READ's payload goes to the socket as the store gave it, or from server memory that
 * the store filled.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, CompletionFilter, NotifyAction } from "../../../Smb2/Message/Constants.ts"
import type * as Flush from "../../../Smb2/Message/Flush.ts"
import type * as Read from "../../../Smb2/Message/Read.ts"
import type * as Write from "../../../Smb2/Message/Write.ts"
import * as FileTimes from "../State/FileTimes.ts"
import type { Incoming } from "../State/Incoming.ts"
import * as Locks from "../State/Locks.ts"
import type { FileOpen } from "../State/Model.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import * as Watch from "../State/Watch.ts"
import { type Refusal, refuse, type Reply, reply, stored } from "../Wire/Reply.ts"

/** The largest offset that a file can have. */
export const largest = (1n << 63n) - 1n

const readBody = (length: number): Uint8Array => {
  const body = new Uint8Array(16)
  body[0] = 17
  body[2] = 80
  new DataView(body.buffer).setUint32(4, length, true)
  return body
}

interface Payload {
  readonly data: Uint8Array
  readonly release?: () => void
}

/** A few bytes must not keep a large piece of memory alive until they are sent. */
const little = 4096

const payload = ({ file, server }: FileOpen, offset: bigint, length: number): Effect.Effect<Payload, Refusal> => {
  const { readInto } = file
  if (readInto === undefined) return Effect.map(stored(file.read(offset, length)), (data) => ({ data }))
  return Effect.suspend(() => {
    const memory = server.buffers.take(length)
    // After a failure or an interruption the garbage collector gets the memory: that costs little, and is always safe.
    return Effect.map(stored(readInto(offset, memory)), (count) => {
      const release = () => server.buffers.give(memory)
      if (count > little) return { data: memory.subarray(0, count), release }
      const data = memory.slice(0, count)
      release()
      return { data }
    })
  })
}

/** Handles READ. */
export const read = (incoming: Incoming, body: Read.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const { connection } = incoming
    const open = incoming.open!
    const { length, offset } = body
    if (length > connection.negotiated.maxTransactSize || !connection.allows(incoming, length)) {
      return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    if (open._tag === "Pipe") return open.pipe.read(incoming, length)
    if (open.directory) return refuse(NtStatus.STATUS_INVALID_DEVICE_REQUEST)
    if (!open.may(A.FILE_READ_DATA | A.FILE_EXECUTE)) return refuse(NtStatus.STATUS_ACCESS_DENIED)
    if (offset > largest || offset + BigInt(length) > largest) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    if (Locks.blocks(open, offset, length, false)) return refuse(NtStatus.STATUS_FILE_LOCK_CONFLICT)
    return Effect.flatMap(FileTimes.reading(open, payload(open, offset, length)), ({ data, release }) => {
      if (data.length < body.minimumCount || data.length === 0 && length > 0) {
        release?.()
        return refuse(NtStatus.STATUS_END_OF_FILE)
      }
      open.position = offset + BigInt(data.length)
      const answer: Reply = { status: 0, body: readBody(data.length), data }
      return Effect.succeed(release === undefined ? answer : { ...answer, release })
    })
  })

/** Handles WRITE. */
export const write = (incoming: Incoming, body: Write.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const { connection } = incoming
    const open = incoming.open!
    const { buffer: data, offset } = body
    if (data.length > connection.negotiated.maxTransactSize || !connection.allows(incoming, data.length)) {
      return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    if (open._tag === "Pipe") return Effect.as(open.pipe.write(data), written(data.length))
    if (open.directory) return refuse(NtStatus.STATUS_INVALID_DEVICE_REQUEST)
    if (!open.may(A.FILE_WRITE_DATA | A.FILE_APPEND_DATA)) return refuse(NtStatus.STATUS_ACCESS_DENIED)
    // A client that may only append writes to the end, with any offset.
    const append = offset === 0xffff_ffff_ffff_ffffn || !open.may(A.FILE_WRITE_DATA)
    if (!append && (offset > largest || offset + BigInt(data.length) > largest)) {
      return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    return append ? atEnd(open, (end) => writeAt(open, end, data)) : writeAt(open, offset, data)
  })

/**
 * Writes at a file's end, one writer after the other: two writers that find the same end would write to the same place.
 */
export const atEnd = <B>(
  { file, stream }: FileOpen,
  write: (end: bigint) => Effect.Effect<B, Refusal>
): Effect.Effect<B, Refusal> => {
  stream.appending ??= Semaphore.makeUnsafe(1)
  return stream.appending.withPermits(1)(Effect.flatMap(stored(file.stat), ({ size }) => write(size)))
}

const writeAt = (open: FileOpen, offset: bigint, data: Uint8Array): Effect.Effect<Reply, Refusal> => {
  if (Locks.blocks(open, offset, data.length, true)) return refuse(NtStatus.STATUS_FILE_LOCK_CONFLICT)
  if (data.length === 0) return Effect.succeed(written(0))
  return Effect.map(FileTimes.writing(open, stored(open.file.write(offset, data))), () => {
    open.position = offset + BigInt(data.length)
    changed(open)
    return { ...written(data.length), consumed: true as const }
  })
}

const written = (count: number): Reply => reply({ _tag: "WRITE", body: { count } })

/** The data of a file was changed: clients that cache or watch it are told. */
export const changed = (open: FileOpen): void => {
  const { stream } = open
  if (stream.leases.size > 0) OplocksAndLeases.breakReaders(open.server, stream, open.lease)
  const isFile = stream.name === ""
  if (isFile) open.written = true
  if (open.table.watching === 0) return
  Watch.report(
    open.table,
    isFile
      ? CompletionFilter.FILE_NOTIFY_CHANGE_SIZE | CompletionFilter.FILE_NOTIFY_CHANGE_LAST_WRITE
      : CompletionFilter.FILE_NOTIFY_CHANGE_STREAM_SIZE | CompletionFilter.FILE_NOTIFY_CHANGE_STREAM_WRITE,
    [{
      action: isFile ? NotifyAction.FILE_ACTION_MODIFIED : NotifyAction.FILE_ACTION_MODIFIED_STREAM,
      path: open.path,
      ...isFile ? {} : { stream: stream.name }
    }]
  )
}

/** Handles FLUSH. */
export const flush = (incoming: Incoming, _body: Flush.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const open = incoming.open!
    if (open._tag === "Pipe") return Effect.succeed(reply({ _tag: "FLUSH", body: {} }))
    const needed = open.directory ? A.FILE_ADD_FILE | A.FILE_ADD_SUBDIRECTORY : A.FILE_WRITE_DATA | A.FILE_APPEND_DATA
    if (!open.may(needed)) return refuse(NtStatus.STATUS_ACCESS_DENIED)
    open.stream.file.delayed = undefined
    return Effect.as(stored(open.file.flush), reply({ _tag: "FLUSH", body: {} }))
  })
