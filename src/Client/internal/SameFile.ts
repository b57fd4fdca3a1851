/**
 * The proof that a file after a lost connection is the file before it: by the identifiers of file and volume
 * (SMB2_CREATE_QUERY_ON_DISK_ID, FileInternalInformation), and by size and last write.
 *
 * The creation time proves nothing to a program that writes. Windows gives a new file the creation time of a file that
 * had its name a moment before (tunneling), and a store can give every file the same.
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

/** No file identifiers, and no unique ones (MS-FSCC 2.1.9). */
const notUnique: ReadonlySet<bigint> = new Set([0n, 0xffff_ffff_ffff_ffffn])

const identifier = (index: bigint): bigint | undefined => notUnique.has(index) ? undefined : index

/** The number of a file in the identifiers that an open tells, if it tells one that belongs to a single file. */
export const indexOf = ({ onDiskId }: Share.Opened): bigint | undefined =>
  onDiskId === undefined
    ? undefined
    : identifier(new DataView(onDiskId.buffer, onDiskId.byteOffset).getBigUint64(0, true))

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
  /** Whether this open can change the file. */
  readonly changes: boolean
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

/** The index of an open file. A server without the class gives none. */
export const index = (file: Share.OpenFile): Effect.Effect<bigint | undefined, RequestError> =>
  file.run(internal).pipe(
    Effect.map(({ indexNumber }) => identifier(indexNumber)),
    Effect.catchTag(["SmbError", "Malformed"], () => Effect.succeed(undefined))
  )

/** Without identifiers, the creation time has to do: for a program that only reads, or with the FileId of the server. */
const checkCreation = (known: Known, { opened: { creationTime } }: Share.OpenFile): Effect.Effect<void, RequestError> =>
  known.opened.creationTime === creationTime
    ? Effect.void
    : Effect.fail(differs(known, "identity", `created ${known.opened.creationTime}`, `created ${creationTime}`))

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
 * which is the same number. `unknown` is for a server that tells no identifiers.
 */
const checkIdentity = (
  known: Known,
  file: Share.OpenFile,
  unknown: (known: Known, file: Share.OpenFile) => Effect.Effect<void, RequestError>
): Effect.Effect<void, RequestError> => {
  const { onDiskId } = known.opened
  const expected = indexOf(known.opened) ?? known.index
  if (expected === undefined) return unknown(known, file)
  const now = file.opened.onDiskId
  if (onDiskId !== undefined && now !== undefined && indexOf(known.opened) !== undefined) {
    return isSame(onDiskId, now) ? Effect.void : Effect.fail(differs(known, "identity", hex(onDiskId), hex(now)))
  }
  return Effect.flatMap(
    index(file),
    (found) =>
      found === expected
        ? Effect.void
        : Effect.fail(differs(known, "identity", hex(expected), found === undefined ? "not told" : hex(found)))
  )
}

const checkUnknown = (known: Known, file: Share.OpenFile): Effect.Effect<void, RequestError> =>
  known.changes
    ? Effect.fail(new ReconnectError({ path: known.path, reason: { _tag: "IdentityUnknown" } }))
    : checkCreation(known, file)

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
    return error === undefined ? checkIdentity(known, file, checkCreation) : Effect.fail(error)
  })

/**
 * Fails unless a file that was opened again by its name is the same. Data that this open has not written must be
 * unchanged: by the time of the last write. If it has written, that time says nothing, and the size must be one that
 * its own writes explain. An open that can change the file needs an identifier of it.
 */
export const checkReopened = (known: Known, file: Share.OpenFile): Effect.Effect<void, RequestError> =>
  Effect.suspend(() => {
    const { opened } = file
    const error = sizeDiffers(known, opened) ?? createdLater(known, file)
    if (error !== undefined) return Effect.fail(error)
    if (known.isDirectory || known.size.wrote || opened.lastWriteTime === known.opened.lastWriteTime) {
      return checkIdentity(known, file, checkUnknown)
    }
    return Effect.fail(
      differs(known, "last write", String(known.opened.lastWriteTime), String(opened.lastWriteTime))
    )
  })
