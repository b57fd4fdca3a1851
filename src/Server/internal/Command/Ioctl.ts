/**
 * IOCTL (MS-SMB2 3.3.5.15): controls of the server, of pipes, and of files.
 */
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { anyFileId } from "../../../Smb2/Message/Common.ts"
import { AccessMask as A, FileAttributes as F, IoctlFlags } from "../../../Smb2/Message/Constants.ts"
import * as Fsctl from "../../../Smb2/Message/Fsctl.ts"
import type * as Message from "../../../Smb2/Message/Ioctl.ts"
import * as DfsHost from "../State/DfsHost.ts"
import type { Incoming } from "../State/Incoming.ts"
import * as Locks from "../State/Locks.ts"
import type { FileOpen } from "../State/Model.ts"
import { type Refusal, refuse, type Reply, reply, stored } from "../Wire/Reply.ts"
import * as CopyChunk from "./CopyChunk.ts"
import * as Durable from "./Durable.ts"
import * as FileControls from "./FileControls.ts"
import * as Interfaces from "./Interfaces.ts"
import * as Negotiation from "./Negotiation.ts"
import * as ObjectIds from "./ObjectIds.ts"
import * as ReadWrite from "./ReadWrite.ts"
import * as ReparsePoints from "./ReparsePoints.ts"

const C = Fsctl.Fsctl
const nothing = new Uint8Array(0)

/** Controls that concern no file. */
const ofServer: ReadonlySet<number> = new Set([
  C.FSCTL_DFS_GET_REFERRALS,
  C.FSCTL_DFS_GET_REFERRALS_EX,
  C.FSCTL_QUERY_NETWORK_INTERFACE_INFO,
  C.FSCTL_VALIDATE_NEGOTIATE_INFO
])

/** Handles IOCTL. */
export const handle = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const { connection, open } = incoming
    const largest = connection.negotiated.maxTransactSize
    if (body.flags !== IoctlFlags.SMB2_0_IOCTL_IS_FSCTL) return refuse(NtStatus.STATUS_NOT_SUPPORTED)
    const size = Math.max(body.input.length, body.maxOutputResponse + body.maxInputResponse)
    if (body.maxOutputResponse > largest || body.input.length > largest || !connection.allows(incoming, size)) {
      return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    const room = body.maxOutputResponse
    const { persistent, volatile } = body.fileId
    // These controls concern the server, on any tree, and name no file (3.3.5.15).
    if (ofServer.has(body.ctlCode) && (persistent !== anyFileId.persistent || volatile !== anyFileId.volatile)) {
      return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    const answer = (output: Uint8Array, status = 0): Reply =>
      reply({
        _tag: "IOCTL",
        body: { ctlCode: body.ctlCode, fileId: body.fileId, flags: 0, input: nothing, output }
      }, status)
    switch (body.ctlCode) {
      case C.FSCTL_VALIDATE_NEGOTIATE_INFO:
        return Effect.map(Negotiation.validate(incoming, body.input, room), answer)
      case C.FSCTL_DFS_GET_REFERRALS:
      case C.FSCTL_DFS_GET_REFERRALS_EX:
        return Effect.suspend(() => {
          const { dfs } = incoming.server
          if (dfs === undefined) return refuse(NtStatus.STATUS_FS_DRIVER_REQUIRED)
          const referral = DfsHost.refer(dfs, body.input, body.ctlCode === C.FSCTL_DFS_GET_REFERRALS_EX, room)
          if (referral._tag === "Response") return Effect.succeed(answer(referral.bytes))
          // STATUS_BUFFER_OVERFLOW is no error here (3.3.4.4): the response has its usual form.
          return referral.status === NtStatus.STATUS_BUFFER_OVERFLOW
            ? Effect.succeed(answer(nothing, referral.status))
            : refuse(referral.status)
        })
      case C.FSCTL_QUERY_NETWORK_INTERFACE_INFO:
        return Effect.flatMap(
          Interfaces.encode(connection.server.settings.host, connection.localAddress),
          (output) => (output.length > room ? refuse(NtStatus.STATUS_BUFFER_TOO_SMALL) : Effect.succeed(answer(output)))
        )
    }
    if (open === undefined) return refuse(NtStatus.STATUS_FILE_CLOSED)
    if (open._tag === "Pipe") {
      if (body.ctlCode !== C.FSCTL_PIPE_TRANSCEIVE) return refuse(NtStatus.STATUS_NOT_SUPPORTED)
      return Effect.map(
        open.pipe.transceive(body.input, room),
        ({ output, more }) => answer(output, more ? NtStatus.STATUS_BUFFER_OVERFLOW : 0)
      )
    }
    return Effect.map(file(incoming, open, body), ({ output, status }) => answer(output, status))
  })

interface Output {
  readonly output: Uint8Array
  readonly status: number
}

const empty: Output = { output: nothing, status: 0 }
const ok = (output: Uint8Array, status = 0): Output => ({ output, status })

const decode = <B>(codec: Codec.Codec<B>, bytes: Uint8Array): Effect.Effect<B, Refusal> => {
  const decoded = Codec.decode("IOCTL input", codec)(bytes)
  return decoded._tag === "Failure" ? refuse(NtStatus.STATUS_INVALID_PARAMETER) : Effect.succeed(decoded.success)
}

const file = (incoming: Incoming, open: FileOpen, body: Message.Request): Effect.Effect<Output, Refusal> => {
  const { share } = open
  const { supports } = share.volume
  const room = body.maxOutputResponse
  switch (body.ctlCode) {
    case C.FSCTL_SRV_REQUEST_RESUME_KEY:
      return room < 32
        ? refuse(NtStatus.STATUS_INVALID_PARAMETER)
        : Effect.succeed(ok(CopyChunk.resumeKey(open)))
    case C.FSCTL_SRV_COPYCHUNK:
    case C.FSCTL_SRV_COPYCHUNK_WRITE:
      return CopyChunk.copy(incoming, open, body.input, room, body.ctlCode === C.FSCTL_SRV_COPYCHUNK)
    case C.FSCTL_LMR_REQUEST_RESILIENCY:
      return Effect.as(Durable.requestResiliency(incoming, open, body.input), empty)
    case C.FSCTL_SET_SPARSE:
      if (!supports.sparse) return refuse(NtStatus.STATUS_INVALID_DEVICE_REQUEST)
      return setSparse(open, body.input)
    case C.FSCTL_SET_ZERO_DATA:
      return zero(open, body.input)
    case C.FSCTL_QUERY_ALLOCATED_RANGES:
      return allocated(open, body.input, room)
    case C.FSCTL_GET_REPARSE_POINT:
      return Effect.map(ReparsePoints.get(open, room), (bytes) => ok(bytes))
    case C.FSCTL_SET_REPARSE_POINT:
      return Effect.as(ReparsePoints.set(open, body.input), empty)
    case C.FSCTL_DELETE_REPARSE_POINT:
      return Effect.as(ReparsePoints.remove(open, body.input), empty)
    case C.FSCTL_CREATE_OR_GET_OBJECT_ID:
      return Effect.map(ObjectIds.createOrGet(open, room), (bytes) => ok(bytes))
    case C.FSCTL_GET_OBJECT_ID:
      return Effect.map(ObjectIds.get(open, room), (bytes) => ok(bytes))
    case C.FSCTL_SET_OBJECT_ID:
      return Effect.as(ObjectIds.set(incoming, open, body.input), empty)
    case C.FSCTL_SET_OBJECT_ID_EXTENDED:
      return Effect.as(ObjectIds.setExtended(open, body.input), empty)
    case C.FSCTL_DELETE_OBJECT_ID:
      return Effect.as(ObjectIds.remove(open), empty)
    case C.FSCTL_GET_NTFS_VOLUME_DATA:
      return Effect.map(FileControls.ntfsVolumeData(open, room), (bytes) => ok(bytes))
    case C.FSCTL_QUERY_FILE_REGIONS:
      return Effect.map(FileControls.regions(open, body.input, room), (bytes) => ok(bytes))
    case C.FSCTL_READ_FILE_USN_DATA:
      return Effect.map(FileControls.usnData(open, body.input, room), (bytes) => ok(bytes))
    case C.FSCTL_IS_PATHNAME_VALID:
      return Effect.succeed(empty)
    // No store compresses: no file is compressed, as on an NTFS volume without compression, and a client can only ask
    // for none (MS-FSA 2.1.5.10.7, 2.1.5.10.34).
    case C.FSCTL_GET_COMPRESSION:
      return room < 2 ? refuse(NtStatus.STATUS_BUFFER_TOO_SMALL) : Effect.succeed(ok(new Uint8Array(2)))
    case C.FSCTL_SET_COMPRESSION:
      if (!open.may(A.FILE_WRITE_DATA)) return refuse(NtStatus.STATUS_ACCESS_DENIED)
      return Effect.flatMap(
        decode(Codec.u16, body.input),
        (format) => (format === 0 ? Effect.succeed(empty) : refuse(NtStatus.STATUS_INVALID_DEVICE_REQUEST))
      )
    // No store keeps earlier versions of files.
    case C.FSCTL_SRV_ENUMERATE_SNAPSHOTS: {
      if (room < 16) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
      const none = { numberOfSnapShots: 0, numberOfSnapShotsReturned: 0, snapShotArraySize: 2, snapShots: [] }
      const output = Codec.encode(Fsctl.SrvSnapshotArray)(none)
      return Effect.succeed(ok(output.subarray(0, Math.min(room, output.length))))
    }
    // No store keeps snapshots of streams (MS-FSCC 2.3, FSCTL_REFS_STREAM_SNAPSHOT_MANAGEMENT Reply).
    case C.FSCTL_REFS_STREAM_SNAPSHOT_MANAGEMENT:
      return refuse(NtStatus.STATUS_NOT_SUPPORTED)
    // Among them: the places of a file on a disk, which no store has (MS-FSA 2.1.5.10).
    default:
      return refuse(NtStatus.STATUS_INVALID_DEVICE_REQUEST)
  }
}

const setSparse = Effect.fnUntraced(function*(open: FileOpen, input: Uint8Array): Effect.fn.Return<Output, Refusal> {
  if (!open.may(A.FILE_WRITE_DATA | A.FILE_WRITE_ATTRIBUTES | A.FILE_APPEND_DATA)) {
    return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  if (open.directory) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const sparse = yield* decode(Fsctl.FileSetSparseBuffer, input)
  const { fileAttributes } = yield* stored(open.file.stat)
  const next = sparse
    ? fileAttributes | F.FILE_ATTRIBUTE_SPARSE_FILE
    : fileAttributes & ~F.FILE_ATTRIBUTE_SPARSE_FILE
  yield* stored(open.file.set({ fileAttributes: next }))
  return empty
})

const zero = Effect.fnUntraced(function*(open: FileOpen, input: Uint8Array): Effect.fn.Return<Output, Refusal> {
  if (!open.may(A.FILE_WRITE_DATA)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (open.directory) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const { beyondFinalZero, fileOffset } = yield* decode(Fsctl.FileZeroDataInformation, input)
  if (fileOffset < 0n || beyondFinalZero < 0n || fileOffset > beyondFinalZero) {
    return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  }
  const length = beyondFinalZero - fileOffset
  if (Locks.blocks(open, fileOffset, Number(length), true)) return yield* refuse(NtStatus.STATUS_FILE_LOCK_CONFLICT)
  const { size } = yield* stored(open.file.stat)
  const end = beyondFinalZero < size ? beyondFinalZero : size
  if (end > fileOffset) yield* stored(open.file.zero({ offset: fileOffset, length: end - fileOffset }))
  ReadWrite.changed(open)
  return empty
})

const allocated = Effect.fnUntraced(function*(
  open: FileOpen,
  input: Uint8Array,
  room: number
): Effect.fn.Return<Output, Refusal> {
  if (!open.may(A.FILE_READ_DATA)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (open.directory) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const { fileOffset, length } = yield* decode(Fsctl.FileAllocatedRangeBuffer, input)
  if (fileOffset < 0n || length < 0n || fileOffset + length > (1n << 63n) - 1n) {
    return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  }
  if (length === 0n) return empty
  const { fileAttributes, size } = yield* stored(open.file.stat)
  const end = fileOffset + length < size ? fileOffset + length : size
  // A file that is not sparse has all of its bytes allocated, however the store keeps zeros.
  const ranges = (fileAttributes & F.FILE_ATTRIBUTE_SPARSE_FILE) !== 0
    ? yield* stored(open.file.allocated({ offset: fileOffset, length }))
    : end > fileOffset
    ? [{ offset: fileOffset, length: end - fileOffset }]
    : []
  const fits = Math.floor(room / 16)
  const output = Codec.encode(Fsctl.FileAllocatedRangeBuffers)(
    ranges.slice(0, fits).map((range) => ({ fileOffset: range.offset, length: range.length }))
  )
  if (fits === 0 && ranges.length > 0) return yield* refuse(NtStatus.STATUS_BUFFER_TOO_SMALL)
  return ok(output, ranges.length > fits ? NtStatus.STATUS_BUFFER_OVERFLOW : 0)
})
