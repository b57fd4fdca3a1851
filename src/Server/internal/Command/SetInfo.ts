/** SET_INFO (MS-SMB2 3.3.5.21): times, sizes, names, deletion, extended attributes, and security. */
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import * as FileInformation from "../../../Codec/FileInformation.ts"
import * as FileSystemInformation from "../../../Codec/FileSystemInformation.ts"
import { has } from "../../../Codec/Flags.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as ShortName from "../../../Codec/ShortName.ts"
import {
  AccessMask as A,
  CompletionFilter as N,
  CreateOptions as O,
  FileAttributes as F,
  InfoType,
  NotifyAction
} from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/SetInfo.ts"
import type { StoreChanges } from "../../ShareStore.ts"
import * as DirectoryCaching from "../State/DirectoryCaching.ts"
import * as FileTimes from "../State/FileTimes.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { FileOpen } from "../State/Model.ts"
import { fileModes } from "../State/OpenFields.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import * as Watch from "../State/Watch.ts"
import { kept, type Refusal, refuse, type Reply, reply, stored } from "../Wire/Reply.ts"
import * as Close from "./Close.ts"
import * as DeletionCheck from "./DeletionCheck.ts"
import * as ExtendedAttributes from "./ExtendedAttributes.ts"
import * as ReadWrite from "./ReadWrite.ts"
import * as Recording from "./Recording.ts"
import * as Rename from "./Rename.ts"
import * as Security from "./Security.ts"
import * as Volumes from "./Volumes.ts"

const done: Reply = reply({ _tag: "SET_INFO", body: {} })

/** Handles SET_INFO. */
export const handle = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const { open } = incoming
    const { connection } = incoming
    if (
      body.buffer.length > connection.negotiated.maxTransactSize || !connection.allows(incoming, body.buffer.length)
    ) {
      return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    if (open?._tag !== "File") return refuse(NtStatus.STATUS_NOT_SUPPORTED)
    switch (body.infoType) {
      case InfoType.SMB2_0_INFO_FILE:
        return Effect.as(file(incoming, open, body), done)
      case InfoType.SMB2_0_INFO_SECURITY:
        return Effect.as(
          Security.set(open, incoming.session!.user!, body.additionalInformation, body.buffer),
          done
        )
      case InfoType.SMB2_0_INFO_FILESYSTEM:
        return fileSystem(open, body)
      case InfoType.SMB2_0_INFO_QUOTA:
        return refuse(NtStatus.STATUS_NOT_SUPPORTED)
      default:
        return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
  })

/**
 * No volume can be changed (MS-FSA 2.1.5.16): no store has quotas or its own label, and clients cannot open the volume
 * itself, whose object id only such an open could change. Other classes cannot be set at all.
 */
const fileSystem = (open: FileOpen, { buffer, fileInfoClass }: Message.Request): Effect.Effect<never, Refusal> => {
  switch (FileSystemInformation.byNumber(fileInfoClass)?.name) {
    case "FileFsControlInformation":
    case "FileFsLabelInformation":
      return refuse(NtStatus.STATUS_NOT_SUPPORTED)
    case "FileFsObjectIdInformation":
      if (buffer.length < FileSystemInformation.FileFsObjectIdInformation.minimumSize) {
        return refuse(NtStatus.STATUS_INVALID_INFO_CLASS)
      }
      return Effect.flatMap(
        Volumes.of(open.share, open.file),
        (volume) =>
          refuse(Volumes.keepsObjectIds(volume) ? NtStatus.STATUS_ACCESS_DENIED : NtStatus.STATUS_INVALID_PARAMETER)
      )
    default:
      return refuse(NtStatus.STATUS_INVALID_INFO_CLASS)
  }
}

const decode = <A>(codec: Codec.Codec<A>, bytes: Uint8Array): Effect.Effect<A, Refusal> => {
  if (bytes.length < codec.minimumSize) return refuse(NtStatus.STATUS_INFO_LENGTH_MISMATCH)
  const decoded = Codec.decode("SET_INFO buffer", codec)(bytes)
  return decoded._tag === "Failure" ? refuse(NtStatus.STATUS_INVALID_PARAMETER) : Effect.succeed(decoded.success)
}

const file = (incoming: Incoming, open: FileOpen, body: Message.Request): Effect.Effect<void, Refusal> => {
  const known = FileInformation.byNumber(body.fileInfoClass)
  const { buffer } = body
  switch (known?.name) {
    case "FileBasicInformation":
      return Effect.flatMap(decode(FileInformation.FileBasicInformation, buffer), (value) => basic(open, value))
    case "FileRenameInformation":
      return Effect.flatMap(
        decode(FileInformation.FileRenameInformation, buffer),
        (value) => Rename.rename(incoming, open, value.fileName, value.replaceIfExists ? "closed" : "none")
      )
    case "FileRenameInformationEx":
      return Effect.flatMap(
        decode(FileInformation.FileRenameInformationEx, buffer),
        ({ fileName, flags }) => {
          const { FILE_RENAME_POSIX_SEMANTICS, FILE_RENAME_REPLACE_IF_EXISTS } = FileInformation.FileRenameFlags
          const replaces = (flags & FILE_RENAME_REPLACE_IF_EXISTS) !== 0
          const isPosix = (flags & FILE_RENAME_POSIX_SEMANTICS) !== 0
          return Rename.rename(incoming, open, fileName, !replaces ? "none" : isPosix ? "open" : "closed")
        }
      )
    case "FileLinkInformation":
      return Effect.flatMap(
        decode(FileInformation.FileLinkInformation, buffer),
        (value) => Rename.link(incoming, open, value.fileName, value.replaceIfExists ? "closed" : "none")
      )
    case "FileDispositionInformation":
      return Effect.flatMap(
        decode(FileInformation.FileDispositionInformation, buffer),
        (value) => disposition(open, value.deletePending, false)
      )
    case "FileDispositionInformationEx":
      return Effect.flatMap(
        decode(FileInformation.FileDispositionInformationEx, buffer),
        (value) => disposition(open, (value.flags & 1) !== 0, (value.flags & 0x10) !== 0)
      )
    case "FileEndOfFileInformation":
      return Effect.flatMap(
        decode(FileInformation.FileEndOfFileInformation, buffer),
        (value) => resize(open, value.endOfFile)
      )
    case "FileAllocationInformation":
      return Effect.flatMap(decode(FileInformation.FileAllocationInformation, buffer), (value) => {
        if (!open.may(A.FILE_WRITE_DATA)) return refuse(NtStatus.STATUS_ACCESS_DENIED)
        // A smaller size cuts the file off. A larger one is only remembered: no store has to keep it.
        return Effect.flatMap(stored(open.file.stat), (node) => {
          if (value.allocationSize < node.size) return resize(open, value.allocationSize)
          return Effect.map(
            Volumes.checkFreeSpace(open.share, open.file, value.allocationSize, node.allocationSize),
            () => {
              open.stream.reserved = value.allocationSize
              OplocksAndLeases.breakReaders(open.server, open.stream, open.lease)
            }
          )
        })
      })
    case "FilePositionInformation":
      return Effect.flatMap(decode(FileInformation.FilePositionInformation, buffer), (value) => {
        if (value.currentByteOffset > largest) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
        open.position = value.currentByteOffset
        return Effect.void
      })
    case "FileModeInformation":
      return Effect.flatMap(decode(FileInformation.FileModeInformation, buffer), ({ mode }) => {
        if ((mode & ~fileModes) !== 0) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
        open.mode = mode
        open.server.kept?.changed(open)
        return Effect.void
      })
    case "FileValidDataLengthInformation":
      return Effect.flatMap(
        decode(FileInformation.FileValidDataLengthInformation, buffer),
        (value) => validDataLength(incoming, open, value.validDataLength)
      )
    case "FileShortNameInformation":
      return Effect.flatMap(
        decode(FileInformation.FileShortNameInformation, buffer),
        (value) => shortName(incoming, open, value.fileName)
      )
    case "FileFullEaInformation":
      return Effect.flatMap(
        decode(FileInformation.FileFullEaInformation, buffer),
        (value) => extendedAttributes(open, value)
      )
    // A class that does not exist, or that can only be queried (MS-FSCC 2.4).
    default:
      return refuse(NtStatus.STATUS_INVALID_INFO_CLASS)
  }
}

/**
 * FileValidDataLengthInformation (MS-FSA 2.1.5.15.14). All bytes of a file are valid here, so that no other length than
 * the file's own is allowed: a longer one would show what the storage held before.
 */
const validDataLength = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  length: bigint
): Effect.fn.Return<void, Refusal> {
  if (open.share.readOnly) return yield* refuse(NtStatus.STATUS_MEDIA_WRITE_PROTECTED)
  if (!incoming.session!.user!.administrator) return yield* refuse(NtStatus.STATUS_PRIVILEGE_NOT_HELD)
  const { fileAttributes, size } = yield* stored(open.file.stat)
  const sparse = (fileAttributes & F.FILE_ATTRIBUTE_SPARSE_FILE) !== 0
  if (open.directory || sparse || length !== size) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
})

/** FileShortNameInformation (MS-FSA 2.1.5.15.13): no store keeps short names that clients choose. */
const shortName = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  name: string
): Effect.fn.Return<void, Refusal> {
  const { link, path, share, stream } = open
  if (share.readOnly) return yield* refuse(NtStatus.STATUS_MEDIA_WRITE_PROTECTED)
  if (path.length === 0 || stream.name !== "" || name !== "" && !ShortName.isShort(name)) {
    return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  }
  if (!open.may(A.FILE_WRITE_DATA | A.FILE_WRITE_ATTRIBUTES) || link.deletePending || open.deleteOnClose) {
    return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  // SeRestorePrivilege takes effect in an open with backup intent.
  const restores = incoming.session!.user!.administrator && has(open.createOptions, O.FILE_OPEN_FOR_BACKUP_INTENT)
  return yield* refuse(
    restores ? NtStatus.STATUS_SHORT_NAMES_NOT_ENABLED_ON_VOLUME : NtStatus.STATUS_PRIVILEGE_NOT_HELD
  )
})

const largest = (1n << 63n) - 1n

const resize = (open: FileOpen, size: bigint): Effect.Effect<void, Refusal> => {
  if (!open.may(A.FILE_WRITE_DATA)) return refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (open.directory || size > largest) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
  return Effect.map(FileTimes.keeping(open, stored(open.file.truncate(size))), () => {
    open.stream.file.delayed = undefined
    open.stream.reserved = 0n
    ReadWrite.changed(open)
    DirectoryCaching.changed(open.table, open.path, open)
    // Listings have been told of the size and of all writes before it, so the CLOSE tells them of later writes only.
    open.written = false
  })
}

/** A time of FileBasicInformation: 0 leaves it, -1 freezes and -2 thaws it (MS-FSCC 2.4.7). */
const isTime = (time: bigint): boolean => time > 0n

const changeable = F.FILE_ATTRIBUTE_READONLY | F.FILE_ATTRIBUTE_HIDDEN | F.FILE_ATTRIBUTE_SYSTEM |
  F.FILE_ATTRIBUTE_ARCHIVE | F.FILE_ATTRIBUTE_TEMPORARY | F.FILE_ATTRIBUTE_OFFLINE |
  F.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED

const times = ["creationTime", "lastAccessTime", "lastWriteTime", "changeTime"] as const

const basic = Effect.fnUntraced(function*(
  open: FileOpen,
  value: FileInformation.FileBasicInformation
): Effect.fn.Return<void, Refusal> {
  if (!open.may(A.FILE_WRITE_ATTRIBUTES)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  const isDirectory = open.stream.file.directory
  if (value.fileAttributes !== 0) {
    if (!isDirectory && (value.fileAttributes & F.FILE_ATTRIBUTE_DIRECTORY) !== 0) {
      return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    if (isDirectory && (value.fileAttributes & F.FILE_ATTRIBUTE_TEMPORARY) !== 0) {
      return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
  }
  const changes: { -readonly [K in keyof StoreChanges]: StoreChanges[K] } = {}
  for (const name of times) {
    const time = value[name]
    if (time < -2n) return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
    if (isTime(time)) changes[name] = time
    if (time === -2n) {
      if (name === "lastWriteTime" && open.fixedTimes[name]) open.showsWrites = true
      open.fixedTimes[name] = false
    } else if (time !== 0n) open.fixedTimes[name] = true
  }
  if (value.fileAttributes !== 0) {
    const node = yield* stored(open.file.stat)
    changes.fileAttributes = (node.fileAttributes & ~changeable) | (value.fileAttributes & changeable)
  }
  open.stream.file.delayed = undefined
  // Without any change, nothing is written: not even the time of the last change.
  if (Object.keys(changes).length === 0) return
  if (open.fixedTimes.changeTime && changes.changeTime === undefined) {
    changes.changeTime = (yield* stored(open.file.stat)).changeTime
  }
  yield* stored(open.file.set(changes))
  const filter = (changes.fileAttributes === undefined ? 0 : N.FILE_NOTIFY_CHANGE_ATTRIBUTES) |
    (changes.creationTime === undefined ? 0 : N.FILE_NOTIFY_CHANGE_CREATION) |
    (changes.lastAccessTime === undefined ? 0 : N.FILE_NOTIFY_CHANGE_LAST_ACCESS) |
    (changes.lastWriteTime === undefined ? 0 : N.FILE_NOTIFY_CHANGE_LAST_WRITE)
  modified(open, filter)
})

const modified = (open: FileOpen, filter: number): void => {
  Watch.report(open.table, filter, [{ action: NotifyAction.FILE_ACTION_MODIFIED, path: open.path }])
  DirectoryCaching.changed(open.table, open.path, open)
}

const disposition = Effect.fnUntraced(function*(
  open: FileOpen,
  deletes: boolean,
  ignoresReadOnly: boolean
): Effect.fn.Return<void, Refusal> {
  if (!open.may(A.DELETE)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  const { link, path, share, stream } = open
  if (!deletes) {
    if (stream.name === "") link.deletePending = false
    else stream.deletePending = false
    Close.deletionChanged(open)
    return
  }
  if (share.readOnly) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (path.length === 0 && stream.name === "") return yield* refuse(NtStatus.STATUS_CANNOT_DELETE)
  const { fileAttributes } = yield* stored(open.file.stat)
  if ((fileAttributes & F.FILE_ATTRIBUTE_READONLY) !== 0 && !ignoresReadOnly) {
    return yield* refuse(NtStatus.STATUS_CANNOT_DELETE)
  }
  if (stream.name === "") yield* DeletionCheck.check(open)
  if (open.deletePending) return
  Close.markDeleted(open)
  yield* Effect.onError(Recording.required(open.server), () =>
    Effect.sync(() => {
      if (stream.name === "") link.deletePending = false
      else stream.deletePending = false
      Close.deletionChanged(open)
    }))
})

const extendedAttributes = Effect.fnUntraced(function*(
  open: FileOpen,
  changes: FileInformation.FileFullEaInformation
): Effect.fn.Return<void, Refusal> {
  if (!open.may(A.FILE_WRITE_EA)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (!open.share.volume.supports.extendedAttributes) {
    return yield* refuse(NtStatus.STATUS_EAS_NOT_SUPPORTED)
  }
  yield* open.stream.file.changing(Effect.gen(function*() {
    const before = ExtendedAttributes.decode(yield* stored(kept(open.file, "ExtendedAttributes")))
    const all = ExtendedAttributes.changed(before, changes)
    const encoded = ExtendedAttributes.encode(all)
    if (encoded.length > ExtendedAttributes.most) return yield* refuse(NtStatus.STATUS_EA_TOO_LARGE)
    yield* stored(open.file.setBlob("ExtendedAttributes", all.length === 0 ? undefined : encoded))
  }))
  modified(open, N.FILE_NOTIFY_CHANGE_EA)
})
