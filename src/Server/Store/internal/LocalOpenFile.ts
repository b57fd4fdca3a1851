/** An open file of a local folder and its named streams: what all its handles share, and plain questions about it. */
import type * as Fs from "node:fs"
import { type StoreError, storeError, type StorePath } from "../../ShareStore.ts"
import * as Local from "./Local.ts"
import type { Found } from "./LocalTree.ts"
import type { Volume } from "./LocalVolume.ts"
import type { Descriptor } from "./OpenFileDescriptors.ts"
import type { PromptCalls } from "./PromptCalls.ts"
import type { FileRecord, Records } from "./SidecarRecord.ts"

/** An open named stream. */
export interface OpenStream {
  readonly records: Records
  /** The key among all open streams. */
  readonly name: string
  readonly key: string
  readonly file: string
  readonly descriptor: Descriptor
  opens: number
}

/** An open file or directory. */
export interface OpenFile {
  readonly volume: Volume
  /** The key of its record. */
  readonly key: string
  /** Whether its number, and therefore its record, is lasting. */
  readonly lasting: boolean
  readonly id: bigint
  /** The identity that the store reports. */
  readonly identity: string
  /** The current identity on the platform: it differs after an overlay copied the file for a change. */
  current: string
  /** On a file system that copies files for a change: the time of birth, once it is steady. Nanoseconds, as text. */
  born: string | undefined
  readonly isDirectory: boolean
  readonly descriptor: Descriptor
  /** Whether the platform describes it without waiting, while it is open or was just looked up. */
  readonly prompt: boolean
  /** The calls of its file system. */
  readonly calls: PromptCalls
  /** When its name was last looked up: milliseconds of `performance.now()`. */
  seen: number
  /** The current path: of the names by which it was opened, the last that led to it. */
  path: StorePath
  /** The other names by which it was opened. */
  others: ReadonlyArray<StorePath>
  opens: number
  /** It has lost its last name. */
  removed: boolean
}

/** An existing name, and the file that it stands for. */
export type Named = Pick<Found, "name" | "stats" | "volume">

/** The number of names that a file has after one was removed. */
export const namesLeft = async (volume: Volume, before: Fs.BigIntStats, fd: number | undefined): Promise<bigint> => {
  const believed = before.nlink - 1n
  // Without a descriptor that holds the file, nothing newer is known.
  if (fd === undefined) return believed
  const after = await (volume.prompt ? Local.fstatNow(fd) : Local.fstat(fd))
  if (!volume.copiesUp) return volume.identityOf(after) === volume.identityOf(before) ? after.nlink : believed
  // A file of an overlay's lower layer keeps its names there. A file that was made or changed here has a time of birth
  // in its record.
  const record = await volume.reading(volume.isLasting(after))?.get(volume.keyOf(after))
  return after.nlink === 0n || record?.born === String(after.birthtimeNs) ? after.nlink : believed
}

/** Opens for writing. A file without a name can no longer be copied. */
export const copied = async (calls: PromptCalls, fd: number): Promise<number> => {
  try {
    return await Local.openAgain(calls, fd)
  } catch (error) {
    return Local.codeOf(error) === "EEXIST" ? Local.refuse("Stale") : Promise.reject(error)
  }
}

export const streamName = ({ key, volume }: Pick<OpenFile, "key" | "volume">, number: string): string =>
  `${volume.device}/${key}/${number}`

export const isSame = (one: StorePath, other: StorePath): boolean =>
  one.length === other.length && one.every((name, i) => other[i] === name)

/** Makes `name` the first name to find a file by. */
export const prefer = (file: OpenFile, name: StorePath): void => {
  if (isSame(file.path, name)) return
  file.others = [file.path, ...file.others].filter((other) => !isSame(other, name))
  file.path = name
}

/** Whether a name led to no file, or to another one. */
export const isElsewhere = ({ reason }: StoreError): boolean =>
  ["NotFound", "PathNotFound", "Stale"].includes(reason._tag)

/** Fails for a lost record: its content is not replaced by defaults. */
export const usable = (record: FileRecord): FileRecord => {
  if (record.damaged === true) {
    throw storeError("Failed", new Error("the record next to the file cannot be read"))
  }
  return record
}
