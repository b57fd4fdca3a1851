/** `ln`: other names for a file, and symbolic links. */
import * as Effect from "effect/Effect"
import { SmbClient } from "../Client/SmbClient.ts"
import * as UncPath from "../Client/UncPath.ts"
import { destination } from "./Actions.ts"
import type { Remote } from "./Remote.ts"

/** Gives a file another name on its share. A directory as the new name means the same name in it. */
export const hard = Effect.fnUntraced(function*(from: Remote, to: Remote) {
  const smb = yield* SmbClient
  yield* smb.makeHardLink(from, yield* destination(to, UncPath.name(from)))
})

/** The path that a relative target leads to from the directory of its link; `undefined` for one with a root. */
const targetOf = (link: UncPath.UncPath, target: string): string | undefined =>
  /^(?:[\\/]|[A-Za-z]:)/.test(target) ? undefined : `${UncPath.format(UncPath.parent(link))}\\${target}`

/** Makes a symbolic link. `directory`: whether it leads to a directory. Default: what the target is now. */
export const symbolic = Effect.fnUntraced(function*(target: string, to: Remote, directory: boolean | undefined) {
  const smb = yield* SmbClient
  const link = yield* destination(to, target.split(/[\\/]/).findLast((name) => name !== "") ?? target)
  const path = targetOf(link, target)
  const isDirectory = directory ?? (path === undefined ? false : yield* smb.stat(path).pipe(
    Effect.map(({ type }) => type === "directory"),
    // A link can lead to what does not exist yet.
    Effect.orElseSucceed(() => false)
  ))
  yield* smb.makeLink(link, target, { directory: isDirectory })
})
