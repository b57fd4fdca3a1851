/** What a shell can put in place of an unfinished word: subcommands, flags, names on the server and local names. */
import type * as Descriptor from "effect/cli/Completions"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { join } from "node:path"
import { SmbClient } from "../../Client/SmbClient.ts"
import * as Copying from "../Copying.ts"
import { printable } from "../Failure.ts"
import * as CurrentDirectory from "./CurrentDirectory.ts"
import * as Words from "./Words.ts"

/** The candidates for a word, and the text of the line that they replace. */
export interface Completions {
  readonly candidates: ReadonlyArray<string>
  readonly replaced: string
}

/** The most names that are shown. */
const most = 500

/** How long a user waits for names of a server. */
const patience = "5 seconds"

type Kind = "remote" | "local" | "both" | "either" | "none"

/** The kinds of the words of a subcommand, by their position; the last one is that of all further words. */
const kinds: Readonly<Record<string, ReadonlyArray<Kind>>> = {
  get: ["remote", "both"],
  put: ["local", "both"],
  cp: ["either"],
  sync: ["either"],
  check: ["either"],
  lcd: ["local"],
  pwd: ["none"],
  lpwd: ["none"],
  exit: ["none"]
}

const kindOf = (name: string, position: number): Kind => {
  const all = kinds[name] ?? ["remote"]
  return all[Math.min(position, all.length - 1)]!
}

/** The part of a path that is a folder, with the separator, and the beginning of a name in it. */
const split = (text: string): readonly [folder: string, start: string] => {
  const at = Math.max(text.lastIndexOf("/"), text.lastIndexOf("\\")) + 1
  return [text.slice(0, at), text.slice(at)]
}

const startsWith = (name: string, start: string): boolean => name.toLowerCase().startsWith(start.toLowerCase())

/** Names of the server's folder that begin like the word, in any case of letters. */
const remoteNames = Effect.fnUntraced(function*(here: CurrentDirectory.Here, text: string) {
  const [folder, start] = split(text)
  if (/[*?]/.test(start)) return []
  const base = CurrentDirectory.resolve(here, folder === "" ? "." : folder, { share: true })
  // A key does not log on to another server: only a line does, after a look at servers.json.
  if (Result.isFailure(base) || base.success.server !== here.path.server) return []
  const smb = yield* SmbClient
  const found = yield* smb.list(base.success, { pattern: `${start}*` }).pipe(
    Stream.take(most),
    Stream.runCollect,
    Effect.timeout(patience)
  )
  return found.flatMap(({ name, type }) =>
    // The name would not be one on this terminal.
    printable(name) === name ? [`${folder}${name}${type === "directory" ? "/" : ""}`] : []
  )
}, Effect.orElseSucceed((): ReadonlyArray<string> => []))

/** Names of a local folder that begin like the word. */
const localNames = Effect.fnUntraced(function*(text: string) {
  const [folder, start] = split(text)
  const fs = yield* FileSystem.FileSystem
  const path = Copying.localPath(folder === "" ? "." : folder)
  const names = (yield* fs.readDirectory(path)).filter((name) =>
    (process.platform === "win32" ? startsWith(name, start) : name.startsWith(start)) &&
    (start.startsWith(".") || !name.startsWith(".")) && printable(name) === name
  )
  return yield* Effect.forEach(names.slice(0, most), (name) =>
    fs.stat(join(path, name)).pipe(
      Effect.map(({ type }) => `${folder}${name}${type === "Directory" ? "/" : ""}`),
      Effect.orElseSucceed(() => `${folder}${name}`)
    ))
}, Effect.orElseSucceed((): ReadonlyArray<string> => []))

const names = Effect.fnUntraced(function*(here: CurrentDirectory.Here, kind: Kind, text: string) {
  switch (kind) {
    case "none":
      return []
    case "remote":
      return yield* remoteNames(here, text)
    case "local":
      return yield* localNames(text)
    case "both":
      return [...new Set([...yield* localNames(text), ...yield* remoteNames(here, text)])]
    case "either":
      return text.startsWith("file:")
        ? (yield* localNames(text.slice("file:".length))).map((name) => `file:${name}`)
        : [...yield* remoteNames(here, text), ..."file:".startsWith(text) && text !== "" ? ["file:"] : []]
  }
})

/** The flag that a word sets, if it is one. */
const flagOf = (command: Descriptor.CommandDescriptor, word: string | undefined) =>
  word === undefined || !word.startsWith("-")
    ? undefined
    : command.flags.find(({ aliases, name }) => word === `--${name}` || aliases.includes(word.replace(/^-/, "")))

/** The words that are no flags and no values of flags. */
const operands = (command: Descriptor.CommandDescriptor, words: ReadonlyArray<string>): ReadonlyArray<string> =>
  words.filter((word, i) => {
    const flag = flagOf(command, words[i - 1])
    return !(word.startsWith("-") && word !== "-") && (flag === undefined || flag.type._tag === "Boolean")
  })

/** The completions of the text before the cursor. `tree`: the command above the subcommands. */
export const complete = Effect.fnUntraced(function*(
  tree: Descriptor.CommandDescriptor,
  here: CurrentDirectory.Here,
  text: string
) {
  const found = Words.unfinished(text)
  if (found === undefined) return { candidates: [], replaced: "" }
  const { before, last } = found
  const only = (all: ReadonlyArray<string>): Completions => ({
    replaced: text.slice(last.start),
    candidates: all.toSorted().map((value) => {
      // More follows after a folder: its quote stays open.
      const isOpen = value.endsWith("/") || value === "file:"
      return Words.written(value, last.quote) + (isOpen ? "" : `${last.quote} `)
    })
  })
  const beginning = (all: ReadonlyArray<string>) => only(all.filter((name) => name.startsWith(last.value)))
  let command = tree
  let depth = 0
  for (const word of before) {
    const next = command.subcommands.find(({ name }) => name === word)
    if (next === undefined) break
    command = next
    depth++
  }
  if (command.name === "help") return beginning(tree.subcommands.map(({ name }) => name))
  if (command.subcommands.length > 0) {
    return depth === before.length ? beginning(command.subcommands.map(({ name }) => name)) : only([])
  }
  if (last.value.startsWith("-")) {
    return beginning([...command.flags.map(({ name }) => `--${name}`), "--json", "--help"])
  }
  const words = before.slice(depth)
  const flag = flagOf(command, words.at(-1))
  if (flag !== undefined && flag.type._tag !== "Boolean") {
    return flag.type._tag === "Choice" ? beginning(flag.type.values) : only([])
  }
  return only(yield* names(here, kindOf(command.name, operands(command, words).length), last.value))
})
