/** `df`: the space of a share; `du`: the space that folders take. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import type { ClientError } from "../Client/ClientError.ts"
import type { Entry } from "../Client/Entry.ts"
import * as Information from "../Client/Information.ts"
import * as OpenMode from "../Client/OpenMode.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { printable } from "./Failure.ts"
import { slashed, titleOf } from "./Find.ts"
import * as Output from "./Output.ts"
import * as Quantity from "./Quantity.ts"
import type { Remote } from "./Remote.ts"
import * as SeveralPaths from "./SeveralPaths.ts"
import * as Walking from "./Walking.ts"

interface Format {
  readonly json: boolean
  /** Sizes with K, M, G. */
  readonly human: boolean
}

/** The space of a volume in bytes. `available` is what this user can write; a quota can make it less than `free`. */
export interface Space {
  readonly total: bigint
  readonly free: bigint
  readonly available: bigint
  readonly label?: string | undefined
  readonly fileSystem?: string | undefined
}

/** Asks for the space at a path. */
export const spaceOf = Effect.fnUntraced(
  function*(path: UncPath.PathInput): Effect.fn.Return<Space, ClientError, SmbClient> {
    const smb = yield* SmbClient
    const { results } = yield* Effect.scoped(
      smb.withShare(path, (share, below) =>
        share.batch(below, OpenMode.attributes, [
          Information.queryFileSystem("FileFsFullSizeInformation"),
          Information.queryFileSystem("FileFsSizeInformation"),
          Information.queryFileSystem("FileFsVolumeInformation"),
          Information.queryFileSystem("FileFsAttributeInformation")
        ]))
    )
    const [full, size, volume, attributes] = results
    const names = {
      label: Result.getOrUndefined(Result.map(volume, ({ volumeLabel }) => volumeLabel)),
      fileSystem: Result.getOrUndefined(Result.map(attributes, ({ fileSystemName }) => fileSystemName))
    }
    if (Result.isSuccess(full)) {
      const found = full.success
      const unit = BigInt(found.sectorsPerAllocationUnit) * BigInt(found.bytesPerSector)
      return {
        total: found.totalAllocationUnits * unit,
        free: found.actualAvailableAllocationUnits * unit,
        available: found.callerAvailableAllocationUnits * unit,
        ...names
      }
    }
    // Some servers of SMB 1 know only the older class, which has what this user can write.
    const found = yield* Effect.fromResult(size)
    const unit = BigInt(found.sectorsPerAllocationUnit) * BigInt(found.bytesPerSector)
    const available = found.availableAllocationUnits * unit
    return { total: found.totalAllocationUnits * unit, free: available, available, ...names }
  }
)

/** Aligns columns: the first to the left, the others to the right. */
const columns = (rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)))
  return rows.map((row) =>
    `${row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)).join("  ").trimEnd()}\n`
  ).join("")
}

const shown = (bytes: bigint, { human }: Format): string => human ? Quantity.human(bytes) : String(bytes)

/** The part that is used in percent, rounded up, of what this user can use at all. */
export const percent = ({ available, free, total }: Space): string => {
  const used = total - free
  return used + available <= 0n ? "-" : `${(used * 100n + used + available - 1n) / (used + available)}%`
}

/** Prints the space at each path. */
export const df = Effect.fnUntraced(function*(paths: ReadonlyArray<Remote>, options: Format) {
  const rows: Array<ReadonlyArray<string>> = []
  const ask = Effect.fnUntraced(function*(path: Remote) {
    const found = yield* spaceOf(path)
    const limited = found.available < found.free
    if (options.json) {
      yield* Output.write(Output.jsonLine({
        path: UncPath.format(path),
        total: Number(found.total),
        used: Number(found.total - found.free),
        free: Number(found.free),
        available: Number(found.available),
        quotaLimited: limited,
        label: found.label ?? null,
        fileSystem: found.fileSystem ?? null
      }))
      return
    }
    rows.push([
      printable(titleOf(path)),
      shown(found.total, options),
      shown(found.total - found.free, options),
      shown(found.available, options) + (limited ? " (quota)" : ""),
      percent(found)
    ])
  })
  const asked = yield* Effect.result(SeveralPaths.each(paths, { json: options.json, what: "read" }, ask))
  if (rows.length > 0) yield* Output.write(columns([["Share", "Size", "Used", "Available", "Use"], ...rows]))
  yield* Effect.fromResult(asked)
})

interface Sum {
  size: bigint
  allocated: bigint
  files: number
}

/** The folders from `start` down to the folder of `path`, as far as `depth` levels below the start. */
const foldersOf = (start: string, path: string, depth: number): ReadonlyArray<string> => {
  const names = path.slice(start.length + 1).split("\\").slice(0, -1)
  const folders = [start]
  for (const name of names.slice(0, depth)) folders.push(`${folders.at(-1)!}\\${name}`)
  return folders
}

/**
 * Prints the size of each folder with all below it, the folders in a folder before the folder itself. `depth`: how many
 * levels of folders are printed. Memory grows with the number of printed folders, and not with the number of files.
 */
export const du = Effect.fnUntraced(function*(
  paths: ReadonlyArray<Remote>,
  options: Format & { readonly depth: number; readonly allocated: boolean }
) {
  const smb = yield* SmbClient
  const sum = Effect.fnUntraced(function*(path: Remote) {
    const walking = Walking.make(options.json)
    const start = UncPath.format(path)
    const sums = new Map<string, Sum>([[start, { size: 0n, allocated: 0n, files: 0 }]])
    const add = (folder: string, { allocationSize, size, type }: Entry) => {
      let sum = sums.get(folder)
      if (sum === undefined) sums.set(folder, sum = { size: 0n, allocated: 0n, files: 0 })
      if (type !== "file") return
      sum.size += size
      sum.allocated += allocationSize
      sum.files++
    }
    const itself = yield* smb.stat(path, { follow: false })
    if (itself.type !== "directory") add(start, itself)
    else {
      yield* Stream.runForEach(smb.walk(path, walking.told), (entry) =>
        Effect.sync(() => {
          for (const folder of foldersOf(start, entry.path, options.depth)) add(folder, entry)
          // An empty folder is a folder too.
          if (entry.type === "directory") {
            const depth = entry.path.slice(start.length + 1).split("\\").length
            if (depth <= options.depth && !sums.has(entry.path)) {
              sums.set(entry.path, { size: 0n, allocated: 0n, files: 0 })
            }
          }
        }))
    }
    // With a separator at the end, a folder is sorted behind the folders in it.
    const folders = [...sums].toSorted(([a], [b]) =>
      a.startsWith(`${b}\\`) ? -1 : b.startsWith(`${a}\\`) ? 1 : a < b ? -1 : 1
    )
    yield* Output.write(
      folders.map(([folder, sum]) =>
        options.json
          ? Output.jsonLine({
            path: folder,
            size: Number(sum.size),
            allocated: Number(sum.allocated),
            files: sum.files
          })
          : `${shown(options.allocated ? sum.allocated : sum.size, options).padEnd(options.human ? 7 : 15)} ${
            printable(slashed(folder))
          }\n`
      ).join("")
    )
    yield* walking.end
  })
  yield* SeveralPaths.each(paths, { json: options.json, what: "listed" }, sum)
})
