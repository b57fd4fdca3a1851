/**
 * FSCTL_GET_REPARSE_POINT, FSCTL_SET_REPARSE_POINT and FSCTL_DELETE_REPARSE_POINT (MS-FSA 2.1.5.10.14, 2.1.5.10.37,
 * 2.1.5.10.3). `SymbolicLinks` says what a link means to a CREATE.
 */
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as Reparse from "../../../Codec/Reparse.ts"
import { AccessMask as A } from "../../../Smb2/Message/Constants.ts"
import type { FileOpen } from "../State/Model.ts"
import { kept, type Refusal, refuse, stored } from "../Wire/Reply.ts"
import * as DeletionCheck from "./DeletionCheck.ts"

/** The head of every buffer: tag, length of the data, and the GUID of a tag that is not Microsoft's. */
interface Head {
  readonly tag: number
  readonly dataLength: number
  /** Hexadecimal digits; undefined for Microsoft's tags. */
  readonly guid: string | undefined
  /** Bytes before the data. */
  readonly size: number
}

const headOf = (bytes: Uint8Array): Head | undefined => {
  if (bytes.length < 8) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tag = view.getUint32(0, true)
  const dataLength = view.getUint16(4, true)
  if (tag >>> 31 === 1) return { tag, dataLength, guid: undefined, size: 8 }
  return bytes.length < 24
    ? undefined
    : { tag, dataLength, guid: Buffer.from(bytes.subarray(8, 24)).toString("hex"), size: 24 }
}

/** IO_REPARSE_TAG_RESERVED_ZERO and IO_REPARSE_TAG_RESERVED_ONE (MS-FSCC 2.1.2.1). */
const isReserved = (tag: number): boolean => tag === 0 || tag === 1

const decode = Codec.decode("REPARSE_DATA_BUFFER", Reparse.ReparseDataBuffer)

/**
 * Refuses an open without the rights to a reparse point. MS-FSA accepts either right. For a directory FILE_WRITE_DATA
 * is the right to add a file, and here that right alone does not allow making the directory a link.
 */
const check = (open: FileOpen): Effect.Effect<void, Refusal> => {
  const { path, share, stream: { file: { directory } } } = open
  if (share.readOnly) return refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (!open.may(directory ? A.FILE_WRITE_ATTRIBUTES : A.FILE_WRITE_ATTRIBUTES | A.FILE_WRITE_DATA)) {
    return refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  if (!share.volume.supports.reparsePoints) return refuse(NtStatus.STATUS_INVALID_DEVICE_REQUEST)
  // Every name in the share leads through its root: a link there would keep all clients out, or lead them elsewhere.
  return path.length === 0 ? refuse(NtStatus.STATUS_ACCESS_DENIED) : Effect.void
}

/** Refuses a buffer for another kind of reparse point than the file has. */
const checkSame = (there: Uint8Array, head: Head): Effect.Effect<void, Refusal> => {
  const before = headOf(there)
  // A reparse point that cannot be read any more may be replaced, and removed.
  if (before === undefined) return Effect.void
  if (before.tag !== head.tag) return refuse(NtStatus.STATUS_IO_REPARSE_TAG_MISMATCH)
  return before.guid === head.guid ? Effect.void : refuse(NtStatus.STATUS_REPARSE_ATTRIBUTE_CONFLICT)
}

/** Handles FSCTL_GET_REPARSE_POINT; gives the buffer. */
export const get = (open: FileOpen, room: number): Effect.Effect<Uint8Array, Refusal> =>
  Effect.flatMap(stored(kept(open.file, "ReparsePoint")), (bytes) =>
    bytes === undefined
      ? refuse(NtStatus.STATUS_NOT_A_REPARSE_POINT)
      : bytes.length > room
      ? refuse(NtStatus.STATUS_BUFFER_TOO_SMALL)
      : Effect.succeed(bytes))

/** Handles FSCTL_SET_REPARSE_POINT. */
export const set = Effect.fnUntraced(function*(open: FileOpen, input: Uint8Array): Effect.fn.Return<void, Refusal> {
  yield* check(open)
  const { directory } = open.stream.file
  const head = input.length > 16_384 ? undefined : headOf(input)
  if (
    head === undefined || isReserved(head.tag) || input.length !== head.dataLength + head.size ||
    decode(input)._tag === "Failure"
  ) return yield* refuse(NtStatus.STATUS_IO_REPARSE_DATA_INVALID)
  if (head.tag === Reparse.ReparseTag.IO_REPARSE_TAG_MOUNT_POINT && !directory) {
    return yield* refuse(NtStatus.STATUS_NOT_A_DIRECTORY)
  }
  const { link } = open
  // An entry that is being added to a directory counts as existing. No more are added until the directory is a link.
  if (directory && (link.sealed || link.adding > 0)) return yield* refuse(NtStatus.STATUS_DIRECTORY_NOT_EMPTY)
  link.sealed = directory
  yield* Effect.ensuring(
    Effect.gen(function*() {
      if (directory && !(yield* stored(DeletionCheck.isEmpty(open)))) {
        return yield* refuse(NtStatus.STATUS_DIRECTORY_NOT_EMPTY)
      }
      const there = yield* stored(kept(open.file, "ReparsePoint"))
      if (there !== undefined) yield* checkSame(there, head)
      yield* stored(open.file.setBlob("ReparsePoint", input))
    }),
    Effect.sync(() => {
      link.sealed = false
    })
  )
})

/** Handles FSCTL_DELETE_REPARSE_POINT: the buffer names the kind to remove, and has no data. */
export const remove = Effect.fnUntraced(function*(open: FileOpen, input: Uint8Array): Effect.fn.Return<void, Refusal> {
  yield* check(open)
  const tag = input.length < 4 ? undefined : Buffer.from(input.subarray(0, 4)).readUInt32LE(0)
  if (tag !== undefined && isReserved(tag)) return yield* refuse(NtStatus.STATUS_IO_REPARSE_TAG_INVALID)
  const head = headOf(input)
  if (head === undefined || head.dataLength !== 0 || input.length !== head.size) {
    return yield* refuse(NtStatus.STATUS_IO_REPARSE_DATA_INVALID)
  }
  const there = yield* stored(kept(open.file, "ReparsePoint"))
  if (there === undefined) return yield* refuse(NtStatus.STATUS_NOT_A_REPARSE_POINT)
  yield* checkSame(there, head)
  yield* stored(open.file.setBlob("ReparsePoint", undefined))
})
