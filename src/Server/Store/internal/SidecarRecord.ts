/**
 * The record of a file, as JSON, and the interface of its storage.
 */
import type { Blob } from "../../ShareStore.ts"
import type { Descriptor } from "./OpenFileDescriptors.ts"

/** A time that was set. Valid while the platform's own time is unchanged since then. Ticks and nanoseconds, as text. */
export interface KeptTime {
  readonly ticks: string
  readonly whileNanos: string
}

/** The kept data of a file; for absent fields, the platform's values hold. */
export interface FileRecord {
  readonly attributes?: number
  readonly creationTime?: string
  /** With `modifiedNanos`, valid while the time of modification does not change either. */
  readonly lastAccessTime?: KeptTime & { readonly modifiedNanos?: string }
  readonly lastWriteTime?: KeptTime
  /** Valid while neither the time of change nor the time of modification changes. */
  readonly changeTime?: KeptTime & { readonly modifiedNanos: string }
  /** In base64. */
  readonly blobs?: { readonly [B in Blob]?: string }
  readonly streams?: ReadonlyArray<{ readonly name: string; readonly file: string }>
  /**
   * On an overlay, where keys have no time of birth: the time of birth of this record's file, once it can no longer
   * change. Nanoseconds, as text.
   */
  readonly born?: string
  /** The record could not be read. No defaults replace it: blobs are refused until they are set again. */
  readonly damaged?: boolean
}

/** The record of a file without kept data. */
export const empty: FileRecord = {}

/** Whether a record has no kept data. */
export const isEmpty = (record: FileRecord): boolean =>
  Object.entries(record).every(([key, value]) => key === "born" || value === undefined)

/** Keeps records and named streams of the files of one file system, each under its key. */
export interface Records {
  /** Whether a file has a record. */
  readonly has: (key: string) => boolean
  readonly get: (key: string) => Promise<FileRecord>
  /** Changes a record, one change at a time for each file. */
  readonly update: (key: string, change: (record: FileRecord) => FileRecord | Promise<FileRecord>) => Promise<void>
  /**
   * Runs `write`, which gives a record this FILE_OBJECTID_BUFFER, or takes it away. Refuses with `Exists` if the record of
   * another file has the same id.
   */
  readonly setObjectId: (key: string, bytes: Uint8Array | undefined, write: () => Promise<void>) => Promise<void>
  /** Removes the record of a removed file. */
  readonly drop: (key: string) => Promise<void>
  /** When it is done, the record and the streams of the file survive a crash. */
  readonly flush: (key: string) => Promise<void>
  /** The path of a stream's bytes. */
  readonly stream: (key: string, file: string) => string
  /** The descriptor of a stream's bytes, which is opened when it is needed. */
  readonly descriptor: (key: string, file: string) => Descriptor
  /** Finds or makes a stream. */
  readonly openStream: (
    key: string,
    name: string,
    mode: "existing" | "new" | "either"
  ) => Promise<{ readonly name: string; readonly file: string; readonly created: boolean }>
  readonly removeStream: (key: string, name: string, before: (file: string) => Promise<void>) => Promise<void>
}

const isText = (value: unknown): value is string => typeof value === "string"
const isNumber = (value: unknown): value is string => isText(value) && /^-?\d+$/.test(value)

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Throws if the text is not a record. */
export const parse = (json: string): FileRecord => {
  const value: unknown = JSON.parse(json)
  if (!isObject(value)) throw new SyntaxError("a record is an object")
  const record = value as FileRecord
  const times = [record.lastAccessTime, record.lastWriteTime, record.changeTime]
  const good = (record.attributes === undefined || Number.isInteger(record.attributes)) &&
    (record.creationTime === undefined || isNumber(record.creationTime)) &&
    times.every((time) => time === undefined || (isNumber(time.ticks) && isNumber(time.whileNanos))) &&
    (record.born === undefined || isNumber(record.born)) &&
    (record.changeTime === undefined || isNumber(record.changeTime.modifiedNanos)) &&
    (record.lastAccessTime?.modifiedNanos === undefined || isNumber(record.lastAccessTime.modifiedNanos)) &&
    (record.blobs === undefined || (isObject(record.blobs) && Object.values(record.blobs).every(isText))) &&
    (record.streams ?? []).every(({ file, name }) => isText(name) && isText(file) && /^\d+$/.test(file))
  if (!good) throw new SyntaxError("a record has other fields")
  // Removes the path of its file, which was only needed while the file was made.
  const { making: _, ...rest } = record as FileRecord & { readonly making?: unknown }
  return rest
}
