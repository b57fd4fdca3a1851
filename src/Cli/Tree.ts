/** `tree`: the folders and files below a path, drawn. The drawing needs every entry first: it is in memory. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Entry } from "../Client/Entry.ts"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { printable } from "./Failure.ts"
import { titleOf } from "./Find.ts"
import * as Output from "./Output.ts"
import type { Remote } from "./Remote.ts"
import { compare } from "./Sorting.ts"
import * as Walking from "./Walking.ts"

const marks = { file: "", directory: "/", symlink: "@" } as const

/** The entries by the folder that they are in. */
type Children = ReadonlyMap<string, ReadonlyArray<Entry>>

/** The lines below a folder, siblings sorted by name. */
export const draw = (folder: string, children: Children): ReadonlyArray<string> => {
  const lines: Array<string> = []
  const below = (at: string, indentation: string): void => {
    const entries = (children.get(at) ?? []).toSorted((a, b) => compare(a, b, "name"))
    for (const [i, { name, path, type }] of entries.entries()) {
      const isLast = i === entries.length - 1
      lines.push(`${indentation}${isLast ? "└── " : "├── "}${printable(name)}${marks[type]}`)
      below(path, `${indentation}${isLast ? "    " : "│   "}`)
    }
  }
  below(folder, "")
  return lines
}

const count = (number: number, one: string): string => `${number} ${one}${number === 1 ? "" : "s"}`

/** Draws the entries below a path; with `json` an object for each entry, as they come. */
export const tree = Effect.fnUntraced(function*(
  path: Remote,
  options: { readonly json: boolean; readonly maximumDepth?: number | undefined; readonly directories: boolean }
) {
  const smb = yield* SmbClient
  const walking = Walking.make(options.json)
  const depth = options.maximumDepth
  const entries = smb.walk(path, { ...walking.told, ...(depth === undefined ? {} : { maximumDepth: depth }) }).pipe(
    Stream.filter(({ type }) => !options.directories || type === "directory")
  )
  if (options.json) {
    yield* Stream.runForEachArray(
      entries,
      (found) => Output.write(found.map((entry) => Output.jsonLine(Output.entryObject(entry))).join(""))
    )
    return yield* walking.end
  }
  const children = new Map<string, Array<Entry>>()
  let folders = 0
  let files = 0
  yield* Stream.runForEach(entries, (entry) =>
    Effect.sync(() => {
      const folder = entry.path.slice(0, -entry.name.length - 1)
      const siblings = children.get(folder)
      if (siblings === undefined) children.set(folder, [entry])
      else siblings.push(entry)
      if (entry.type === "directory") folders++
      else files++
    }))
  const summary = `${count(folders, "folder")}${options.directories ? "" : `, ${count(files, "file")}`}`
  yield* Output.write(
    [printable(titleOf(path)), ...draw(UncPath.format(path), children), "", summary, ""].join("\n")
  )
  yield* walking.end
})
