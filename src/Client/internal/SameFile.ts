/**
 * The proof that a file after a lost connection is the file before it: by the identifiers of file and volume
 * (SMB2_CREATE_QUERY_ON_DISK_ID, FileInternalInformation), and by size and last write.
 */
import * as BigInts from "effect/BigInt"
import * as Effect from "effect/Effect"
import type { RequestError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import { ReconnectError, type ReconnectReason } from "../../Protocol/ReconnectError.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as Information from "../Information.ts"
import * as Appending from "./Appending.ts"

/** FileBasicInformation, FileEndOfFileInformation and FileAllocationInformation (MS-FSCC 2.4.7, 2.4.14, 2.4.4). */
const basicInformation = 4
const endOfFileInformation = 20
const allocationInformation = 19

/**
 * How long a file can be, by what this open has done to it, in bytes: at least what the server has acknowledged, and
 * at most what was sent. And whether this open may have set the file's time of creation.
 */
export class Size {
  least: bigint
  most: bigint
  /** Whether this open may have changed the data. */
  wrote = false
  /** Whether this open may have changed the time of creation. */
  setCreation = false

  constructor(atOpen: bigint) {
    this.least = atOpen
    this.most = atOpen
  }

  /** An operation is about to be sent. */
  sending(operation: Operation.Any): void {
    if (operation._tag === "Write") {
      this.wrote = true
      const { data, offset } = operation
      const end = BigInt(data.length) + (offset === Appending.endOfFile ? this.most : offset)
      if (end > this.most) this.most = end
      return
    }
    if (operation._tag !== "SetInfo" || operation.information._tag !== "File" || operation.data.length < 8) return
    const { fileInformationClass } = operation.information
    // CreationTime is the first field. Zero and negative values change nothing.
    this.setCreation ||= fileInformationClass === basicInformation && firstField(operation.data) > 0n
    if (fileInformationClass !== endOfFileInformation && fileInformationClass !== allocationInformation) return
    this.wrote = true
    const end = firstField(operation.data)
    this.least = BigInts.min(this.least, end)
    if (fileInformationClass === endOfFileInformation) this.most = BigInts.max(this.most, end)
  }

  /** The server has carried an operation out. */
  done(operation: Operation.Any, count: unknown): void {
    if (operation._tag === "Write") {
      const { offset } = operation
      const end = BigInt(count as number) + (offset === Appending.endOfFile ? this.least : offset)
      if (end > this.least) this.least = end
      return
    }
    if (operation._tag !== "SetInfo" || operation.information._tag !== "File" || operation.data.length < 8) return
    if (operation.information.fileInformationClass !== endOfFileInformation) return
    const end = firstField(operation.data)
    this.least = end
    this.most = end
  }
}

const firstField = (data: Uint8Array): bigint => new DataView(data.buffer, data.byteOffset).getBigInt64(0, true)

const internal = Information.queryFile("FileInternalInformation")

const indexOf = (onDiskId: Uint8Array): bigint =>
  new DataView(onDiskId.buffer, onDiskId.byteOffset).getBigUint64(0, true)

const hex = (id: Uint8Array | bigint): string =>
  typeof id === "bigint" ? id.toString(16) : Buffer.from(id).toString("hex")

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** What is known of a file before its connection is lost. */
export interface Known {
  /** The UNC path, for errors. */
  readonly path: string
  readonly opened: Share.Opened
  readonly size: Size
  /** FileInternalInformation, where an open tells no identifiers. */
  readonly index: bigint | undefined
  readonly isDirectory: boolean
  /** Whether the open can write data. */
  readonly writes: boolean
}

const differs = (
  { path }: Pick<Known, "path">,
  what: Extract<ReconnectReason, { readonly _tag: "FileDiffers" }>["what"],
  expected: string,
  found: string
): ReconnectError => new ReconnectError({ path, reason: { _tag: "FileDiffers", what, expected, found } })

const sizeDiffers = (known: Known, { endOfFile }: Share.Opened): ReconnectError | undefined => {
  const { least, most } = known.size
  if (known.isDirectory || endOfFile >= least && endOfFile <= most) return undefined
  return differs(known, "size", least === most ? `${least} bytes` : `${least} to ${most} bytes`, `${endOfFile} bytes`)
}

/** Whether an open has told the number of its file. */
export const isNumbered = ({ onDiskId }: Share.Opened): boolean => onDiskId !== undefined && indexOf(onDiskId) !== 0n

/** The index of an open file. A server without the class gives none. */
export const index = (file: Share.OpenFile): Effect.Effect<bigint | undefined, RequestError> =>
  file.run(internal).pipe(
    Effect.map(({ indexNumber }) => indexNumber === 0n ? undefined : indexNumber),
    Effect.catchTag(["SmbError", "Malformed"], () => Effect.succeed(undefined))
  )

/**
 * A file with the number of the lost one, but created after that was opened: file systems such as ext4 give the number of
 * a deleted file to the next new one.
 */
const createdLater = ({ isDirectory, opened, path, size }: Known, file: Share.OpenFile): ReconnectError | undefined => {
  const { changeTime, creationTime, lastAccessTime, lastWriteTime } = opened
  const latest = [lastAccessTime, lastWriteTime, changeTime].reduce(BigInts.max, creationTime)
  const now = file.opened.creationTime
  if (isDirectory || size.setCreation || now <= latest) return undefined
  return differs({ path }, "identity", `created ${creationTime}`, `created ${now}`)
}

/**
 * The identity of an open file. A CREATE that reclaims an open cannot ask for the identifiers, so the index is queried,
 * which is the same number. Where the server has no numbers, the time of creation must do: but a file system can give a
 * new file the time of the one that had its name before (MS-FSA 2.1.5.1.1, tunneling). That proof is not enough for a write.
 */
const checkIdentity = (known: Known, file: Share.OpenFile, isReopened: boolean): Effect.Effect<void, RequestError> => {
  const { onDiskId } = known.opened
  const now = file.opened.onDiskId
  if (onDiskId !== undefined && now !== undefined) {
    return isSame(onDiskId, now) ? Effect.void : Effect.fail(differs(known, "identity", hex(onDiskId), hex(now)))
  }
  const expected = onDiskId === undefined ? known.index : indexOf(onDiskId)
  if (expected === undefined || expected === 0n) {
    const { creationTime } = known.opened
    if (creationTime !== file.opened.creationTime) {
      return Effect.fail(
        differs(known, "identity", `created ${creationTime}`, `created ${file.opened.creationTime}`)
      )
    }
    return isReopened && known.writes
      ? Effect.fail(new ReconnectError({ path: known.path, reason: { _tag: "IdentityUnknown" } }))
      : Effect.void
  }
  return Effect.flatMap(
    index(file),
    (found) =>
      found === expected
        ? Effect.void
        : Effect.fail(differs(known, "identity", hex(expected), found === undefined ? "not told" : hex(found)))
  )
}

/**
 * Fails unless the server has given back the same file. Its oplock or lease has kept other programs from changing it, so
 * its size is what this open has left.
 */
export const checkReclaimed = (
  known: Known,
  file: Share.OpenFile,
  reclaim: Share.Reclaim
): Effect.Effect<void, RequestError> =>
  Effect.suspend(() => {
    const alone = reclaim.lease !== undefined || reclaim.oplockLevel !== 0
    const error = alone ? sizeDiffers(known, file.opened) : undefined
    return error === undefined ? checkIdentity(known, file, false) : Effect.fail(error)
  })

/**
 * Fails unless a file that was opened again by its name is the same. Data that this open has not written must be
 * unchanged: by the time of the last write. If it has written, that time says nothing, and the size must be one that
 * its own writes explain.
 */
export const checkReopened = (known: Known, file: Share.OpenFile): Effect.Effect<void, RequestError> =>
  Effect.suspend(() => {
    const { opened } = file
    const error = sizeDiffers(known, opened) ?? createdLater(known, file)
    if (error !== undefined) return Effect.fail(error)
    if (known.isDirectory || known.size.wrote || opened.lastWriteTime === known.opened.lastWriteTime) {
      return checkIdentity(known, file, true)
    }
    return Effect.fail(
      differs(known, "last write", String(known.opened.lastWriteTime), String(opened.lastWriteTime))
    )
  })
