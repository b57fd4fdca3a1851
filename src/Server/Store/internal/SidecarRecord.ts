/**
 * What is kept of a file beside it, as JSON, and who keeps it.
 */
import type { Blob } from "../../ShareStore.ts"
import type { Descriptor } from "./Descriptors.ts"

/** A time that was set, for as long as the platform's own is still what it became then. Ticks and nanoseconds, as text. */
export interface KeptTime {
  readonly ticks: string
  readonly whileNanos: string
}

/** What is kept of a file; what is left out is as the platform says. */
export interface FileRecord {
  readonly attributes?: number
  readonly creationTime?: string
  readonly lastAccessTime?: KeptTime
  readonly lastWriteTime?: KeptTime
  /** Holds while neither the time of change nor that of modification moves. */
  readonly changeTime?: KeptTime & { readonly modifiedNanos: string }
  /** In base64. */
  readonly blobs?: { readonly [B in Blob]?: string }
  readonly streams?: ReadonlyArray<{ readonly name: string; readonly file: string }>
  /**
   * On an overlay, where a file's time of birth is not in its key: that of the file that this was kept of, once it can move
   * no more. Nanoseconds, as text.
   */
  readonly born?: string
  /** Its file could not be read. Nothing is made up in its place: blobs are refused until they are set again. */
  readonly damaged?: boolean
}

/** Of a file about which there is nothing to say. */
export const empty: FileRecord = {}

/** Says nothing. */
export const isEmpty = (record: FileRecord): boolean =>
  Object.entries(record).every(([key, value]) => key === "born" || value === undefined)

/** Keeps records and named streams of the files of one file system, each under its key. */
export interface Records {
  /** Whether something is kept of a file. */
  readonly has: (key: string) => boolean
  readonly get: (key: string) => Promise<FileRecord>
  /** One change at a time of each file. */
  readonly update: (key: string, change: (record: FileRecord) => FileRecord | Promise<FileRecord>) => Promise<void>
  /** The file is gone for good. */
  readonly drop: (key: string) => Promise<void>
  /** When it is done, what is known of the file survives a crash. */
  readonly flush: (key: string) => Promise<void>
  /** Where the bytes of a stream are. */
  readonly stream: (key: string, file: string) => string
  /** The bytes of a stream, opened as they are needed. */
  readonly descriptor: (key: string, file: string) => Descriptor
  /** Finds a stream or makes it. */
  readonly openStream: (
    key: string,
    name: string,
    mode: "existing" | "new" | "either"
  ) => Promise<{ readonly name: string; readonly file: string; readonly created: boolean }>
  readonly removeStream: (key: string, name: string, before: (file: string) => Promise<void>) => Promise<void>
}

const isText = (value: unknown): value is string => typeof value === "string"
const isNumber = (value: unknown): value is string => isText(value) && /^-?\d+$/.test(value)

/** Throws for what is no record. */
export const parse = (json: string): FileRecord => {
  const value: unknown = JSON.parse(json)
  if (typeof value !== "object" || value === null) throw new SyntaxError("a record is an object")
  const record = value as FileRecord
  const times = [record.lastAccessTime, record.lastWriteTime, record.changeTime]
  const good = (record.attributes === undefined || Number.isInteger(record.attributes)) &&
    (record.creationTime === undefined || isNumber(record.creationTime)) &&
    times.every((time) => time === undefined || (isNumber(time.ticks) && isNumber(time.whileNanos))) &&
    (record.born === undefined || isNumber(record.born)) &&
    (record.changeTime === undefined || isNumber(record.changeTime.modifiedNanos)) &&
    Object.values(record.blobs ?? {}).every(isText) &&
    (record.streams ?? []).every(({ file, name }) => isText(name) && isText(file) && /^\d+$/.test(file))
  if (!good) throw new SyntaxError("a record has other fields")
  // Where its file was to be, from when it was made.
  const { making: _, ...rest } = record as FileRecord & { readonly making?: unknown }
  return rest
}
