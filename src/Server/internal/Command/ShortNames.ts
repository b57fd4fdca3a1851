/**
 * Short names (8.3) in requests: which file a generated short name stands for (MS-FSA 2.1.5.1, phase 6: Link.ShortName),
 * and the short name of a file.
 *
 * A name that exists as the client wrote it is never looked up here. If two names of a directory have the same short
 * name, the short name finds no file: the client could mean either.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ShortName from "../../../Codec/ShortName.ts"
import type { StorePath } from "../../ShareStore.ts"
import type { FileOpen, Share } from "../State/Model.ts"

/** Most names of a directory that are compared with a short name. */
const most = 100_000

/** Whether files of the share have generated short names. */
export const areOn = ({ options }: Share): boolean => options.shortNames !== false

/** Whether a name exists. A store that cannot say it reports its error to the request itself. */
const exists = ({ store }: Share, path: StorePath): Effect.Effect<boolean> =>
  Effect.match(store.stat(path), {
    onSuccess: () => true,
    onFailure: ({ reason }) => reason._tag !== "NotFound" && reason._tag !== "PathNotFound"
  })

/** The names of a directory that have a short name; none if the store cannot list the directory. */
const namesOf = ({ store }: Share, directory: StorePath, short: string): Effect.Effect<ReadonlyArray<string>> => {
  const found: Array<string> = []
  const all = store.names?.(directory) ?? Stream.map(store.list(directory), ({ name }) => name)
  return Stream.runForEachArray(Stream.take(all, most), (names) =>
    Effect.suspend(() => {
      for (const name of names) if (ShortName.generate(name) === short) found.push(name)
      return Effect.yieldNow
    })).pipe(Effect.match({ onSuccess: () => found, onFailure: () => [] }))
}

/** The name in a directory for which a generated short name stands; the short name itself if there is no such name. */
const find = Effect.fnUntraced(function*(share: Share, directory: StorePath, sent: string) {
  if (yield* exists(share, [...directory, sent])) return sent
  const { shortNames } = share.table
  const known = shortNames.find(directory, sent)
  if (known !== undefined && (yield* exists(share, [...directory, known]))) return known
  const [name, other] = yield* namesOf(share, directory, sent.toUpperCase())
  if (name !== undefined && other === undefined) {
    shortNames.learn([...directory, name])
    return name
  }
  return shortNames.tunnel(directory, sent) ?? sent
})

/** The path with long names in place of generated short names. */
export const resolve = (share: Share, path: StorePath): Effect.Effect<StorePath> =>
  !areOn(share) || !path.some(ShortName.isGenerated) ? Effect.succeed(path) : Effect.gen(function*() {
    const resolved: Array<string> = []
    for (const name of path) {
      resolved.push(ShortName.isGenerated(name) ? yield* find(share, resolved, name) : name)
    }
    return resolved
  })

/**
 * The 8.3 name of an open file (FileAlternateNameInformation, MS-FSCC 2.4.5): the name itself if it is short, and `.`
 * for the root, as from NTFS. Empty if it has none, or if another file is called so.
 */
export const alternate = ({ path, share }: FileOpen): Effect.Effect<string> => {
  const name = path.at(-1)
  if (name === undefined) return Effect.succeed(".")
  if (ShortName.isShort(name)) return Effect.succeed(name.toUpperCase())
  if (!areOn(share)) return Effect.succeed("")
  const short = ShortName.generate(name)
  return Effect.map(exists(share, [...path.slice(0, -1), short]), (taken) => {
    if (!taken) share.table.shortNames.learn(path)
    return taken ? "" : short
  })
}
