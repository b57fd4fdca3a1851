/**
 * Names as clients send them: their components, their stream, and which names are invalid (MS-FSCC 2.1.5, MS-FSA
 * 2.1.5.1).
 */
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type { StorePath } from "../../ShareStore.ts"

/** The parts of a name. */
export interface Name {
  readonly path: StorePath
  /** A named stream; undefined for the file's own data. */
  readonly stream: string | undefined
  /** The type, if the name ended in `::$DATA` or `::$INDEX_ALLOCATION`. */
  readonly type: "data" | "directory" | undefined
}

// eslint-disable-next-line no-control-regex
const forbidden = /[\u0000-\u001f"*/:<>?|]/
// eslint-disable-next-line no-control-regex
const forbiddenInStream = /[\u0000/:\\]/

/** Reads the name of a CREATE or of a rename; gives a status if it is invalid. */
export const parse = (name: string): Name | number => {
  if (name === "") return { path: [], stream: undefined, type: undefined }
  if (name.startsWith("\\")) return NtStatus.STATUS_INVALID_PARAMETER
  const components = (name.endsWith("\\") ? name.slice(0, -1) : name).split("\\")
  if (components.includes("..")) return NtStatus.STATUS_OBJECT_PATH_SYNTAX_BAD
  const last = components.pop()!
  const [base, stream, type, ...more] = last.split(":") as [string, string?, string?, ...Array<string>]
  if (more.length > 0) return NtStatus.STATUS_OBJECT_NAME_INVALID
  if (components.some((part) => !valid(part))) return NtStatus.STATUS_OBJECT_NAME_INVALID
  const path = base === "" && components.length === 0 && stream !== undefined ? [] : [...components, base]
  if (path.length > 0 && !valid(base)) return NtStatus.STATUS_OBJECT_NAME_INVALID
  if (stream === undefined) return { path, stream: undefined, type: undefined }
  if (forbiddenInStream.test(stream) || stream.length > 255) return NtStatus.STATUS_OBJECT_NAME_INVALID
  switch (type?.toUpperCase()) {
    case undefined:
      return stream === "" ? NtStatus.STATUS_OBJECT_NAME_INVALID : { path, stream, type: "data" }
    case "$DATA":
      return { path, stream: stream === "" ? undefined : stream, type: "data" }
    case "$INDEX_ALLOCATION":
      return stream === "" || stream.toUpperCase() === "$I30"
        ? { path, stream: undefined, type: "directory" }
        : NtStatus.STATUS_OBJECT_NAME_INVALID
    default:
      return NtStatus.STATUS_OBJECT_NAME_INVALID
  }
}

const valid = (part: string): boolean =>
  part !== "" && part !== "." && part !== ".." && part.length <= 255 && !forbidden.test(part)
