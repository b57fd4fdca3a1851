/**
 * Server-side copies (MS-SMB2 3.3.5.15.5, 3.3.5.15.6): the keys that name a source, and the copy in chunks.
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as Codec from "../../../Codec/Codec.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A } from "../../../Smb2/Message/Constants.ts"
import * as Fsctl from "../../../Smb2/Message/Fsctl.ts"
import type { StoreError, StoreFile, StoreRange } from "../../ShareStore.ts"
import type { Incoming } from "../State/Incoming.ts"
import * as Locks from "../State/Locks.ts"
import type { FileOpen } from "../State/Model.ts"
import { type Refusal, refuse, stored } from "../Wire/Reply.ts"
import * as ReadWrite from "./ReadWrite.ts"

/** ServerSideCopyMaxNumberofChunks, MaxChunkSize and MaxDataSize (3.3.3), as Windows has them. */
const limits = { chunks: 256, chunk: 1024 * 1024, total: 16 * 1024 * 1024 } as const

/** The resume key of an open, the same each time. */
export const resumeKey = (open: FileOpen): Uint8Array => {
  open.resumeKey ??= Uint8Array.from(randomBytes(24))
  return Codec.encode(Fsctl.SrvRequestResumeKey)({ resumeKey: open.resumeKey, context: new Uint8Array(0) })
}

const answer = (chunksWritten: number, chunkBytesWritten: number, totalBytesWritten: number, status = 0) => ({
  output: Codec.encode(Fsctl.SrvCopychunkResponse)({ chunksWritten, chunkBytesWritten, totalBytesWritten }),
  status
})

const tooMuch = answer(limits.chunks, limits.chunk, limits.total, NtStatus.STATUS_INVALID_PARAMETER)

/** Copies bytes of the source: the store moves none if it can share them. */
const copyBytes = (
  source: StoreFile,
  range: StoreRange,
  target: StoreFile,
  to: bigint
): Effect.Effect<void, StoreError> => {
  const move = Effect.flatMap(source.read(range.offset, Number(range.length)), (data) => target.write(to, data))
  if (target.copyFrom === undefined) return move
  return Effect.catchIf(target.copyFrom(source, range, to), ({ reason }) => reason._tag === "Unsupported", () => move)
}

/** Copies chunks into an open. With `reads`, the target must be open for reading too (FSCTL_SRV_COPYCHUNK). */
export const copy = Effect.fnUntraced(function*(
  incoming: Incoming,
  target: FileOpen,
  input: Uint8Array,
  room: number,
  reads: boolean
): Effect.fn.Return<{ readonly output: Uint8Array; readonly status: number }, Refusal> {
  if (room < 12) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const decoded = Codec.decode("SRV_COPYCHUNK_COPY", Fsctl.SrvCopychunkCopy)(input)
  if (decoded._tag === "Failure") return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const { chunks, sourceKey } = decoded.success
  let source: FileOpen | undefined
  for (const open of incoming.session!.opens.values()) {
    if (open._tag === "File" && open.resumeKey !== undefined && Buffer.compare(open.resumeKey, sourceKey) === 0) {
      source = open
    }
  }
  if (source === undefined) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
  let total = 0
  for (const { length, targetOffset } of chunks) {
    if (length === 0 || length > limits.chunk) return tooMuch
    if (targetOffset + BigInt(length) > ReadWrite.largest) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
    total += length
  }
  if (chunks.length > limits.chunks || total > limits.total) return tooMuch
  if (source.directory || target.directory) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  const appends = !target.may(A.FILE_WRITE_DATA)
  if (!source.may(A.FILE_READ_DATA | A.FILE_EXECUTE) || appends && !target.may(A.FILE_APPEND_DATA)) {
    return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  if (reads && !target.may(A.FILE_READ_DATA)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  let written = 0
  let done = 0
  const all = Effect.gen(function*() {
    for (const { length, sourceOffset, targetOffset } of chunks) {
      const { size } = yield* stored(source.file.stat)
      // The status that Windows gives for a source that ends too early.
      if (sourceOffset + BigInt(length) > size) return answer(done, 0, written, NtStatus.STATUS_INVALID_VIEW_SIZE)
      const chunk = (to: bigint): Effect.Effect<number | undefined, Refusal> => {
        if (Locks.blocks(source, sourceOffset, length, false) || Locks.blocks(target, to, length, true)) {
          return Effect.succeed(undefined)
        }
        return Effect.as(
          stored(copyBytes(source.file, { offset: sourceOffset, length: BigInt(length) }, target.file, to)),
          length
        )
      }
      // As for WRITE: a client that may only append adds to the end, with any offset.
      const copied = yield* appends ? ReadWrite.atEnd(target, chunk) : chunk(targetOffset)
      if (copied === undefined) return answer(done, 0, written, NtStatus.STATUS_FILE_LOCK_CONFLICT)
      written += copied
      done++
    }
    return answer(done, 0, written)
  })
  // Also after a part of it: otherwise other clients would keep old bytes in their caches.
  return yield* Effect.ensuring(
    all,
    Effect.sync(() => {
      if (done > 0) ReadWrite.changed(target)
    })
  )
})
