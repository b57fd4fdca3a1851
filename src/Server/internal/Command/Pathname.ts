/**
 * Names as clients send them: their components, their stream, and which names are invalid (MS-FSCC 2.1.5, MS-FSA
 * 2.1.5.1, phases 1 and 5).
 *
 * | name | meaning, or status |
 * | --- | --- |
 * | `` (empty), `.` | the root |
 * | `\d` | INVALID_PARAMETER (MS-SMB2 3.3.5.9); a rename accepts it |
 * | `d\.\f`, `d\x\..\f` | `d\f`: the server removes such components before it looks for anything |
 * | `..`, `d\..\f` | INVALID_PARAMETER: `..` leads to the root, or above it (as from Windows, MS-SMB2 3.3.5.9) |
 * | `d\` | a directory; OBJECT_NAME_INVALID if the name stands for a file |
 * | `d\\f` | OBJECT_PATH_NOT_FOUND: no directory has an entry with an empty name |
 * | `f:s`, `f:s:$DATA` | the stream `s` |
 * | `f::$DATA` | the data of the file |
 * | `d::$INDEX_ALLOCATION`, `d:$I30:$INDEX_ALLOCATION` | the directory, also before a backslash |
 * | `d:s:$INDEX_ALLOCATION` | INVALID_PARAMETER |
 * | `f:`, `f::`, `f:s:` | OBJECT_NAME_INVALID |
 * | `f:s:$OTHER`, `f:s:$DATA:x`, `f:s\g` | OBJECT_NAME_INVALID |
 * | `f:s\` | OBJECT_NAME_INVALID |
 */
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { fold } from "../../../Codec/UpCase.ts"
import type { StorePath } from "../../ShareStore.ts"

/** The parts of a name. */
export interface Name {
  readonly path: StorePath
  /** A named stream; undefined for the file's own data. */
  readonly stream: string | undefined
  /** The type, if the name ended in `::$DATA` or `::$INDEX_ALLOCATION`. */
  readonly type: "data" | "directory" | undefined
  /** Whether the name ended in a backslash: it can only stand for a directory. */
  readonly endsInBackslash: boolean
  /**
   * For each component of `path`, the part of the name after it, as the client wrote it, with its stream and type:
   * UnparsedPathLength of a symbolic link error counts it from the end of that name (MS-SMB2 2.2.2.2.1).
   */
  readonly rests: ReadonlyArray<string>
}

/** One component, without its backslash. */
type Component = Pick<Name, "stream" | "type"> & { readonly name: string }

// eslint-disable-next-line no-control-regex
const forbidden = /[\u0000-\u001f"*/:<>?|]/
// eslint-disable-next-line no-control-regex
const forbiddenInStream = /[\u0000/:\\]/

/** Most UTF-16 code units of a component's name and of a stream's name. */
const longest = 255

/** Reads the name of a CREATE or of a rename; gives a status if it is invalid. */
export const parse = (name: string): Name | number => {
  if (name.startsWith("\\")) return NtStatus.STATUS_INVALID_PARAMETER
  const endsInBackslash = name.endsWith("\\")
  const texts = (endsInBackslash ? name.slice(0, -1) : name).split("\\")
  const last = componentOf(texts.pop()!, texts.length === 0 && !endsInBackslash)
  if (typeof last === "number") return last
  const path: Array<string> = []
  const rests: Array<string> = []
  /** Adds a component that ends at `end`; false if it leads to the root, or above it. */
  const step = (component: string, end: number): boolean => {
    if (component === "..") return rests.pop() !== undefined && path.pop() !== undefined && path.length > 0
    if (component === "." || component === "") return true
    rests.push(name.slice(end))
    return path.push(component) > 0
  }
  // As Windows: a path that begins above the root has a syntax error, and a later step to the root is invalid.
  const above = /^\.\.(\\|$)/.test(name) ? NtStatus.STATUS_OBJECT_PATH_SYNTAX_BAD : NtStatus.STATUS_INVALID_PARAMETER
  let isEmpty = false
  let start = 0
  for (const text of texts) {
    // An empty name is not found. A fault in a later component comes first: the server reads all of the name before.
    if (text === "") isEmpty = true
    else {
      const component = componentOf(text, false)
      if (typeof component === "number") return component
      if (component.stream !== undefined || component.type === "data") return NtStatus.STATUS_OBJECT_NAME_INVALID
      if (!step(component.name, start + component.name.length)) return above
    }
    start += text.length + 1
  }
  if (endsInBackslash && (last.stream !== undefined || last.type === "data")) {
    return NtStatus.STATUS_OBJECT_NAME_INVALID
  }
  if (isEmpty) return NtStatus.STATUS_OBJECT_PATH_NOT_FOUND
  return step(last.name, start + last.name.length)
    ? { path, stream: last.stream, type: last.type, endsInBackslash, rests }
    : above
}

/** Reads one component. Only the first one can have an empty name: then it stands for the root. */
const componentOf = (text: string, mayBeRoot: boolean): Component | number => {
  const [name, stream, type, ...more] = text.split(":") as [string, string?, string?, ...Array<string>]
  if (name === "" ? !mayBeRoot : name.length > longest || forbidden.test(name)) {
    return NtStatus.STATUS_OBJECT_NAME_INVALID
  }
  if (stream === undefined) return { name, stream, type: undefined }
  // `.` and `..` stand for other components, which cannot have a stream here.
  if (more.length > 0 || name === "." || name === "..") return NtStatus.STATUS_OBJECT_NAME_INVALID
  if (forbiddenInStream.test(stream) || stream.length > longest) return NtStatus.STATUS_OBJECT_NAME_INVALID
  switch (type === undefined ? undefined : fold(type)) {
    case undefined:
      return stream === "" ? NtStatus.STATUS_OBJECT_NAME_INVALID : { name, stream, type: "data" }
    case "$DATA":
      return { name, stream: stream === "" ? undefined : stream, type: "data" }
    case "$INDEX_ALLOCATION":
      return stream === "" || fold(stream) === "$I30"
        ? { name, stream: undefined, type: "directory" }
        : NtStatus.STATUS_INVALID_PARAMETER
    default:
      return NtStatus.STATUS_OBJECT_NAME_INVALID
  }
}
