/**
 * Records of files that are being made. A record is written in `new/`, with the path of its file, before the file
 * exists. It is moved to its final place when the file's number is known. If the process ends in between, the security
 * descriptor is kept, and the next start gives it to the file.
 */
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { StorePath } from "../../ShareStore.ts"
import * as Local from "./Local.ts"
import type { PromptCalls } from "./PromptCalls.ts"
import type { FileRecord } from "./SidecarRecord.ts"
import { parse } from "./SidecarRecord.ts"

/** The suffix of such records: no other files in `new/` are read. */
const suffix = ".record"

/** A record with the place of its file, as components below the topmost directory of the file system. */
interface Placed extends FileRecord {
  readonly making: StorePath
}

/** Writes a record. */
export const write = async (
  calls: PromptCalls,
  fresh: string,
  making: StorePath,
  record: FileRecord
): Promise<string> => {
  const path = fresh + suffix
  const placed: Placed = { ...record, making }
  try {
    await Local.writeText(calls, path, JSON.stringify(placed))
  } catch (error) {
    await Fs.promises.rm(path, { force: true }).catch(() => undefined)
    throw error
  }
  return path
}

/** A record that a crash left: its place below `records`, and the file that it belongs to. */
export interface Left {
  readonly name: string
  readonly stats: Fs.BigIntStats
}

/**
 * The records in a sidecar whose files exist. `birthIsSteady`: a file that is older than its record is another file.
 */
export const find = async (folder: string, birthIsSteady: boolean): Promise<ReadonlyArray<Left>> => {
  const names = await Local.orMissing(Fs.promises.readdir(Path.join(folder, "new"))) ?? []
  const all = await Promise.all(
    names.filter((name) => name.endsWith(suffix)).map(async (name) => {
      const path = Path.join(folder, "new", name)
      const making = await placeIn(path)
      const written = await Local.orMissing(Local.lstat(path))
      if (making === undefined || written === undefined) return undefined
      const stats = await fileAt(`${folder}/..`, making)
      if (stats === undefined || stats.dev !== written.dev) return undefined
      return birthIsSteady && stats.birthtimeNs < written.mtimeNs ? undefined : { name: `../new/${name}`, stats }
    })
  )
  return all.filter((one) => one !== undefined)
}

/** `undefined` for an incomplete record: the crash was before its file was made, so it has no file. */
const placeIn = async (path: string): Promise<StorePath | undefined> => {
  try {
    const text = await Fs.promises.readFile(path, "utf8")
    parse(text)
    const { making } = JSON.parse(text) as Partial<Placed>
    const isPlace = Array.isArray(making) && making.length > 0 &&
      making.every((name) => typeof name === "string" && !/^\.{0,2}$|[/\0]/.test(name))
    return isPlace ? making : undefined
  } catch (error) {
    if (error instanceof SyntaxError || Local.codeOf(error) === "ENOENT") return undefined
    throw error
  }
}

/** The file at a path, never through a symbolic link. */
const fileAt = async (top: string, path: StorePath): Promise<Fs.BigIntStats | undefined> => {
  let at = top
  let stats: Fs.BigIntStats | undefined
  for (const name of path) {
    if (stats !== undefined && !stats.isDirectory()) return undefined
    at = `${at}/${name}`
    // oxlint-disable-next-line no-await-in-loop -- one below the other
    stats = await Local.orMissing(Local.lstat(at))
    if (stats === undefined) return undefined
  }
  return stats?.isFile() === true || stats?.isDirectory() === true ? stats : undefined
}
