/** The output of the command: text for a person, or one JSON object per line. */
import * as Effect from "effect/Effect"
import type { Entry } from "../Client/Entry.ts"
import type { ShareEntry } from "../Client/Operations.ts"
import * as FileTime from "../Codec/FileTime.ts"
import { LocalError } from "../Transfer/LocalError.ts"
import { OutputClosed, printable, type Report } from "./Failure.ts"
import * as Quantity from "./Quantity.ts"

const failed = (error: NodeJS.ErrnoException) =>
  error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED"
    ? new OutputClosed()
    : new LocalError({ path: "standard output", detail: error.message })

/** Writes to standard output, and returns when the operating system has it. */
export const write = (data: string | Uint8Array): Effect.Effect<void, OutputClosed | LocalError> =>
  Effect.callback((resume) => {
    process.stdout.write(
      data,
      (error) => resume(error === undefined || error === null ? Effect.void : Effect.fail(failed(error)))
    )
  })

/** Writes to standard error. If standard error is closed, this is no failure. */
export const writeError = (text: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    process.stderr.write(text, () => resume(Effect.void))
  })

/** Prints a failure or a warning on a line of standard error. */
export const tell = ({ json: object, message }: Report, json: boolean): Effect.Effect<void> =>
  message === undefined
    ? Effect.void
    : writeError(json && object !== undefined ? jsonLine(object) : `effect-smb: ${message}\n`)

/** The callback of a write also gets a stream's late error. Here the error only needs a listener. */
export const listen = (): void => {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})
}

const iso = (time: FileTime.FileTime): string | null =>
  FileTime.isTime(time) ? new Date(FileTime.toMillis(time)).toISOString() : null

/** One entry as an object for JSON. A size beyond 2^53 is rounded, as JSON's readers round every number. */
export const entryObject = (entry: Entry): Readonly<Record<string, unknown>> => ({
  name: entry.name,
  path: entry.path,
  type: entry.type,
  size: Number(entry.size),
  creationTime: iso(entry.creationTime),
  lastAccessTime: iso(entry.lastAccessTime),
  lastWriteTime: iso(entry.lastWriteTime),
  changeTime: iso(entry.changeTime),
  fileAttributes: entry.fileAttributes
})

/** One object on its own line. */
export const jsonLine = (value: Readonly<Record<string, unknown>>): string => `${JSON.stringify(value)}\n`

/** The flags of MS-FSCC 2.6 that have a well-known letter. */
const letters: ReadonlyArray<readonly [flag: number, letter: string]> = [
  [0x1, "r"],
  [0x2, "h"],
  [0x4, "s"],
  [0x20, "a"],
  [0x400, "l"],
  [0x800, "c"],
  [0x4000, "e"],
  [0x1000, "o"]
]

const attributes = (flags: number): string =>
  letters.map(([flag, letter]) => (flags & flag) === 0 ? "-" : letter).join("")

const two = (value: number): string => String(value).padStart(2, "0")

/** `2026-11-21 10:05:00` in this machine's time zone. */
export const clockTime = (date: Date): string =>
  `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
  `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`

const localTime = (time: FileTime.FileTime): string =>
  FileTime.isTime(time) ? clockTime(new Date(FileTime.toMillis(time))) : "-".padEnd(19)

const types = { file: "-", directory: "d", symlink: "l" } as const
const marks = { file: "", directory: "/", symlink: "@" } as const

/** A line of `ls`; `name` is the displayed name of the entry. `human`: the size with K, M, G. */
export const entryLine = (entry: Entry, name: string, long: boolean, human = false): string => {
  const shown = `${printable(name)}${marks[entry.type]}\n`
  return long
    ? `${types[entry.type]}${attributes(entry.fileAttributes)} ${
      human ? Quantity.human(entry.size).padStart(5) : String(entry.size).padStart(14)
    } ${localTime(entry.lastWriteTime)} ${shown}`
    : shown
}

/** Shares as a table. */
export const shareLines = (shares: ReadonlyArray<ShareEntry>): string => {
  const width = Math.max(0, ...shares.map((share) => share.name.length))
  return shares.map((share) =>
    `${printable(share.name).padEnd(width)}  ${share.type.padEnd(7)}  ${printable(share.comment)}`.trimEnd() + "\n"
  ).join("")
}

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const

/** `12.3 MiB` */
export const bytes = (count: number): string => {
  let value = count
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

// oxlint-disable-next-line no-control-regex
const colours = /\u001b\[[0-9;]*m/g

const widthOf = (text: string): number => text.replace(colours, "").length

/** The column where the text of a line begins: after its second column, if it has one. */
const hanging = (line: string): number => {
  const plain = line.replace(colours, "")
  return (/^ +\S.*? {2,}(?=\S)/.exec(plain) ?? /^ */.exec(plain))![0].length
}

/** The width of text if no terminal tells its width. */
const usualColumns = 80

/** The least width for folded text. */
const leastColumns = 40

/** The width of a terminal, from the terminal or from COLUMNS, for text that goes to it or into a file for reading. */
export const columnsOf = (stream: { readonly columns?: number }): number =>
  // A terminal that does not know its width returns 0.
  stream.columns || Number(process.env.COLUMNS) || usualColumns

/**
 * Folds lines that are wider than the terminal, at spaces. `indentation`: the column where the rest of a line begins. Default:
 * below its second column.
 */
export const fold = (text: string, wanted: number, indentation?: number): string => {
  const columns = Math.max(leastColumns, wanted)
  return text.split("\n").map((line) => {
    if (widthOf(line) <= columns) return line
    const indent = Math.min(indentation ?? hanging(line), Math.floor(columns / 2))
    const lines: Array<string> = []
    let current = ""
    for (const word of line.split(/(?<=\S )(?=\S)/)) {
      if (current !== "" && widthOf((current + word).trimEnd()) > columns) {
        lines.push(current.trimEnd())
        current = " ".repeat(indent)
      }
      current += word
    }
    return [...lines, current].join("\n")
  }).join("\n")
}
