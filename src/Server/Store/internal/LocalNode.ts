/**
 * A local file as a `StoreNode`: from the platform, and from its record, which is more exact. Pure.
 */
import type * as Fs from "node:fs"
import * as FileTime from "../../../Codec/FileTime.ts"
import { FileAttributes } from "../../../Smb2/Message/Constants.ts"
import type { StoreChanges, StoreNode } from "../../ShareStore.ts"
import * as Attributes from "./Attributes.ts"
import type { FileRecord, KeptTime } from "./SidecarRecord.ts"

/** The times that a platform keeps; a record can have more exact ones. */
export interface Times {
  readonly creationTime: bigint
  readonly lastAccessTime: bigint
  readonly lastWriteTime: bigint
  readonly changeTime: bigint
}

const known = (kept: KeptTime | undefined, nanos: bigint): bigint =>
  kept !== undefined && BigInt(kept.whileNanos) === nanos ? BigInt(kept.ticks) : FileTime.fromNanos(nanos)

/**
 * The time of the last access. A change of the data is an access too (MS-FSA 2.1.4.17), but platforms record only reads,
 * and often not even these. A time that a client has set stays until the data is changed.
 */
const lastAccess = (stats: Fs.BigIntStats, { lastAccessTime }: FileRecord): bigint => {
  const modified = lastAccessTime?.modifiedNanos
  const unchanged = modified === undefined || BigInt(modified) === stats.mtimeNs
  if (unchanged && lastAccessTime !== undefined && BigInt(lastAccessTime.whileNanos) === stats.atimeNs) {
    return BigInt(lastAccessTime.ticks)
  }
  return FileTime.fromNanos(stats.atimeNs > stats.mtimeNs ? stats.atimeNs : stats.mtimeNs)
}

export const times = (stats: Fs.BigIntStats, record: FileRecord): Times => {
  const change = record.changeTime
  // Without a time of birth, the earlier of the times of modification and of change is used.
  const birth = stats.birthtimeNs > 0n
    ? stats.birthtimeNs
    : stats.mtimeNs < stats.ctimeNs
    ? stats.mtimeNs
    : stats.ctimeNs
  return {
    creationTime: record.creationTime === undefined ? FileTime.fromNanos(birth) : BigInt(record.creationTime),
    lastAccessTime: lastAccess(stats, record),
    lastWriteTime: known(record.lastWriteTime, stats.mtimeNs),
    changeTime: change !== undefined && BigInt(change.modifiedNanos) !== stats.mtimeNs
      ? FileTime.fromNanos(stats.ctimeNs)
      : known(change, stats.ctimeNs)
  }
}

/** Attributes without a record: a file has not been archived. */
const byDefault = (isDirectory: boolean) => isDirectory ? 0 : FileAttributes.FILE_ATTRIBUTE_ARCHIVE

/** The first bytes of a REPARSE_DATA_BUFFER are its tag. */
const reparseTag = (record: FileRecord): number =>
  record.blobs?.ReparsePoint === undefined
    ? 0
    : Attributes.reparseTagOf(Buffer.from(record.blobs.ReparsePoint.slice(0, 8), "base64"))

/** A number for a text: FNV-1a, 64 bits. */
export const hash = (text: string): bigint => {
  let value = 0xcbf29ce484222325n
  for (const character of text) {
    value = BigInt.asUintN(64, (value ^ BigInt(character.codePointAt(0)!)) * 0x100000001b3n)
  }
  return value
}

/** Distinguishes a file from all others of this machine while it runs; without the time of birth if that can change. */
export const identityOf = (stats: Fs.BigIntStats, birthIsSteady: boolean): string =>
  `${stats.dev}:${stats.ino}:${birthIsSteady ? stats.birthtimeNs : ""}`

/** The key of a file among those of its file system: with its time of birth, if that is steady. */
export const keyOf = ({ birthtimeNs, ino }: Fs.BigIntStats, birthIsSteady: boolean): string =>
  birthIsSteady ? `${ino.toString(16)}-${birthtimeNs.toString(16)}` : ino.toString(16)

/** A file's name and number. */
export interface Named {
  readonly name: string
  readonly id: bigint
  readonly identity: string
}

export const describe = (
  { id, identity, name }: Named,
  stats: Fs.BigIntStats,
  record: FileRecord,
  stream?: Fs.BigIntStats
): StoreNode => {
  const isDirectory = stats.isDirectory()
  const type = isDirectory ? "directory" : "file"
  const tag = reparseTag(record)
  const bytes = stream ?? (isDirectory || stats.isSymbolicLink() ? undefined : stats)
  return {
    name,
    id,
    identity,
    type,
    size: bytes?.size ?? 0n,
    allocationSize: bytes === undefined ? 0n : allocationSize(bytes),
    ...times(stats, record),
    fileAttributes: Attributes.reported(record.attributes ?? byDefault(isDirectory), type, tag),
    numberOfLinks: isDirectory ? 1 : Number(stats.nlink),
    reparseTag: tag,
    eaSize: Buffer.byteLength(record.blobs?.ExtendedAttributes ?? "", "base64")
  }
}

/** Blocks of 512 bytes; Windows does not count them. */
export const allocationSize = (stats: Fs.BigIntStats): bigint =>
  process.platform === "win32" ? (stats.size + 4095n) / 4096n * 4096n : stats.blocks * 512n

/** Seconds since 1970 for `utimes`, which takes earlier times for the current time. */
export const toSeconds = (time: bigint): number => Math.max(0, Number(FileTime.toNanos(time)) / 1e9)

const kept = (ticks: bigint | undefined, nanos: bigint): KeptTime | undefined =>
  ticks === undefined || FileTime.fromNanos(nanos) === ticks
    ? undefined
    : { ticks: String(ticks), whileNanos: String(nanos) }

/** A set access time, which is not the time of the last change of the data even if it is older. */
const keptAccess = (ticks: bigint, { atimeNs, mtimeNs }: Fs.BigIntStats): FileRecord["lastAccessTime"] =>
  mtimeNs > atimeNs
    ? { ticks: String(ticks), whileNanos: String(atimeNs), modifiedNanos: String(mtimeNs) }
    : kept(ticks, atimeNs)

/** Removes undefined fields, so that a record without content is empty. */
const compact = (record: { readonly [K in keyof FileRecord]: FileRecord[K] | undefined }): FileRecord =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as FileRecord

/** The record of a file before it is made, and the changes that can be kept only after it is made. */
export const first = (
  { creationTime, fileAttributes, ...rest }: StoreChanges,
  securityDescriptor: Uint8Array,
  isDirectory: boolean
): readonly [FileRecord, StoreChanges] => {
  const attributes = fileAttributes === undefined ? undefined : Attributes.kept(fileAttributes)
  const record = compact({
    attributes: attributes === byDefault(isDirectory) ? undefined : attributes,
    creationTime: creationTime === undefined ? undefined : String(creationTime),
    blobs: { SecurityDescriptor: Buffer.from(securityDescriptor).toString("base64") }
  })
  return [record, rest]
}

/**
 * The record after `changes`. `before` has the old times. `stats` is the platform's state of the file now, after it got
 * the new times as exactly as it can keep them. The time of change is that of `changes`, otherwise `now`, otherwise the
 * platform's.
 */
export const recorded = (
  record: FileRecord,
  changes: StoreChanges,
  before: Times,
  stats: Fs.BigIntStats,
  now: bigint | undefined
): FileRecord => {
  const setsTimes = changes.lastAccessTime !== undefined || changes.lastWriteTime !== undefined
  const change = kept(changes.changeTime ?? now, stats.ctimeNs)
  const attributes = changes.fileAttributes === undefined ? record.attributes : Attributes.kept(changes.fileAttributes)
  return compact({
    ...record,
    attributes: attributes === byDefault(stats.isDirectory()) ? undefined : attributes,
    creationTime: changes.creationTime === undefined ? record.creationTime : String(changes.creationTime),
    lastAccessTime: setsTimes
      ? keptAccess(changes.lastAccessTime ?? before.lastAccessTime, stats)
      : record.lastAccessTime,
    lastWriteTime: setsTimes
      ? kept(changes.lastWriteTime ?? before.lastWriteTime, stats.mtimeNs)
      : record.lastWriteTime,
    changeTime: change === undefined ? undefined : { ...change, modifiedNanos: String(stats.mtimeNs) }
  })
}
