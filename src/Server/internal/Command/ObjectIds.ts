/**
 * The object ids of files and directories (MS-FSA 2.1.5.10.1, .2, .13, .35, .36; MS-FSCC 2.1.3): a GUID that stays with
 * the file, with 48 bytes more. A store keeps them, and sees to it that no two files of a volume have one id.
 */
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import { has } from "../../../Codec/Flags.ts"
import * as Guid from "../../../Codec/Guid.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, CreateOptions as O } from "../../../Smb2/Message/Constants.ts"
import type { StoreVolume } from "../../ShareStore.ts"
import * as FileTimes from "../State/FileTimes.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { FileOpen } from "../State/Model.ts"
import { kept, type Refusal, refusal, refuse, stored } from "../Wire/Reply.ts"
import * as Volumes from "./Volumes.ts"

/** Bytes of a FILE_OBJECTID_BUFFER, and of the extended information in it. */
const size = 64
const extendedSize = 48

/** How often a random id may be taken already. */
const attempts = 4

const isEmpty = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

/** The volume of a file, if it keeps object ids. */
const volumeOf = (open: FileOpen): Effect.Effect<StoreVolume, Refusal> =>
  Effect.flatMap(
    Volumes.of(open.share, open.file),
    (volume) => Volumes.keepsObjectIds(volume) ? Effect.succeed(volume) : refuse(NtStatus.STATUS_INVALID_DEVICE_REQUEST)
  )

const requireWritable = (open: FileOpen, volume: StoreVolume): Effect.Effect<void, Refusal> =>
  open.share.readOnly || volume.readOnly ? refuse(NtStatus.STATUS_MEDIA_WRITE_PROTECTED) : Effect.void

const requireWriteAccess = (open: FileOpen): Effect.Effect<void, Refusal> =>
  open.may(A.FILE_WRITE_DATA | A.FILE_WRITE_ATTRIBUTES) ? Effect.void : refuse(NtStatus.STATUS_ACCESS_DENIED)

/** The buffer of a file; `undefined` if it has no object id. */
const read = (open: FileOpen) => stored(kept(open.file, "ObjectId"))

/** Writes the buffer. An id that another file has is a duplicate name. */
const write = (open: FileOpen, bytes: Uint8Array | undefined): Effect.Effect<void, Refusal> =>
  FileTimes.keeping(
    open,
    Effect.mapError(
      stored(open.file.setBlob("ObjectId", bytes)),
      (error) =>
        error.status === NtStatus.STATUS_OBJECT_NAME_COLLISION ? refusal(NtStatus.STATUS_DUPLICATE_NAME) : error
    )
  )

/** A new buffer. Its BirthVolumeId and BirthObjectId follow from the volume and the id; its DomainId is empty. */
const born = (objectId: Uint8Array, volume: StoreVolume): Uint8Array => {
  const buffer = new Uint8Array(size)
  buffer.set(objectId)
  buffer.set(Guid.toBytes(Volumes.objectId(volume)), 16)
  buffer.set(objectId, 32)
  return buffer
}

/** FSCTL_CREATE_OR_GET_OBJECT_ID. A client that may only read can ask for an id too, as on Windows. */
export const createOrGet = Effect.fnUntraced(function*(
  open: FileOpen,
  room: number
): Effect.fn.Return<Uint8Array, Refusal> {
  const volume = yield* volumeOf(open)
  if (room < size) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  return yield* open.stream.file.changing(Effect.gen(function*() {
    const found = yield* read(open)
    // An id that a client has set without its birth gets that too.
    if (found !== undefined && !isEmpty(found.subarray(16, 48))) return found
    yield* requireWritable(open, volume)
    if (found !== undefined) {
      const buffer = born(found.subarray(0, 16), volume)
      yield* write(open, buffer)
      return buffer
    }
    const make = Effect.suspend(() => {
      const buffer = born(randomBytes(16), volume)
      return Effect.as(write(open, buffer), buffer)
    })
    return yield* Effect.retry(make, {
      times: attempts - 1,
      while: ({ status }) => status === NtStatus.STATUS_DUPLICATE_NAME
    })
  }))
})

/** FSCTL_GET_OBJECT_ID. */
export const get = Effect.fnUntraced(function*(open: FileOpen, room: number): Effect.fn.Return<Uint8Array, Refusal> {
  yield* volumeOf(open)
  if (room < size) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  return (yield* read(open)) ?? (yield* refuse(NtStatus.STATUS_OBJECTID_NOT_FOUND))
})

/**
 * FSCTL_SET_OBJECT_ID. The open needs restore access (MS-FSA 2.1.1.6, HasRestoreAccess): an administrator's, with backup
 * intent.
 */
export const set = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  input: Uint8Array
): Effect.fn.Return<void, Refusal> {
  const volume = yield* volumeOf(open)
  // An id of zeros would be none.
  if (input.length !== size || isEmpty(input.subarray(0, 16))) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  yield* requireWritable(open, volume)
  yield* requireWriteAccess(open)
  const restores = incoming.session!.user!.administrator && has(open.createOptions, O.FILE_OPEN_FOR_BACKUP_INTENT)
  if (!restores) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  yield* open.stream.file.changing(Effect.gen(function*() {
    if ((yield* read(open)) !== undefined) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_COLLISION)
    yield* write(open, input)
  }))
})

/** FSCTL_SET_OBJECT_ID_EXTENDED. */
export const setExtended = Effect.fnUntraced(function*(
  open: FileOpen,
  input: Uint8Array
): Effect.fn.Return<void, Refusal> {
  const volume = yield* volumeOf(open)
  if (input.length !== extendedSize) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  yield* requireWritable(open, volume)
  yield* requireWriteAccess(open)
  yield* open.stream.file.changing(Effect.gen(function*() {
    const found = (yield* read(open)) ?? (yield* refuse(NtStatus.STATUS_OBJECTID_NOT_FOUND))
    const buffer = Uint8Array.from(found)
    buffer.set(input, 16)
    yield* write(open, buffer)
  }))
})

/**
 * FSCTL_DELETE_OBJECT_ID. MS-FSA names no right for it, but it changes the file as FSCTL_SET_OBJECT_ID_EXTENDED does: a
 * client that may only read cannot take the id away from others.
 */
export const remove = Effect.fnUntraced(function*(open: FileOpen): Effect.fn.Return<void, Refusal> {
  const volume = yield* volumeOf(open)
  yield* requireWritable(open, volume)
  yield* requireWriteAccess(open)
  yield* open.stream.file.changing(Effect.gen(function*() {
    if ((yield* read(open)) !== undefined) yield* write(open, undefined)
  }))
})
