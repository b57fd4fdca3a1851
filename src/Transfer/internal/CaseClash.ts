/**
 * Names of one tree that differ only in case. A server, and many file systems, take them for the same name: the second
 * entry would replace the first, or go into its folder.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { stat } from "node:fs/promises"
import { basename, dirname, join, resolve } from "node:path"
import { fold } from "../../Codec/UpCase.ts"

/** The names in a folder that clash with an earlier name, each with that earlier name. */
export const within = (names: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const first = new Map<string, string>()
  const clashes = new Map<string, string>()
  for (const name of names) {
    const folded = fold(name)
    const other = first.get(folded)
    if (other === undefined) first.set(folded, name)
    else clashes.set(name, other)
  }
  return clashes
}

/** Why an entry is not copied to a server; `other` is the name or path that was there first. */
export const notCopied = (other: string): string =>
  `not copied: to a server this is the same name as ${JSON.stringify(other)}, which differs only in case`

/** The identity of a local file, equal for two names of one file; `undefined` if nothing is at the path. */
export const identityOf = (path: string): Effect.Effect<string | undefined> =>
  Effect.promise(() => stat(path, { bigint: true }).then(({ dev, ino }) => `${dev}:${ino}`, () => undefined))

const otherCase = (text: string): string => {
  const upper = text.toUpperCase()
  return upper === text ? text.toLowerCase() : upper
}

/**
 * Whether the file system of a path ignores case, by the next folder above it that exists and whose name has letters: is
 * that folder found by the same name in another case?
 */
const ignoresCase = (path: string, identity: typeof identityOf): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    for (let folder = dirname(resolve(path)); folder !== dirname(folder); folder = dirname(folder)) {
      const other = otherCase(basename(folder))
      if (other === basename(folder)) continue
      const here = yield* identity(folder)
      if (here !== undefined) return here === (yield* identity(join(dirname(folder), other)))
    }
    return false
  })

interface Place {
  readonly path: string
  readonly made: Deferred.Deferred<void>
}

const none: ReadonlyArray<Place> = []

/**
 * The local places that a tree is written to. If the file system ignores case, the second of two names turns out to be
 * the same file as the first.
 */
export class Places {
  private readonly taken = new Map<string, ReadonlyArray<Place>>()
  private readonly identity: typeof identityOf
  private readonly dryRun: boolean

  /** `dryRun`: nothing is made, so two names count as one if the file system ignores case. */
  constructor(identity: typeof identityOf = identityOf, dryRun = false) {
    this.identity = identity
    this.dryRun = dryRun
  }

  /**
   * Creates an entry at a path. If the path is already the place of another name, it returns that name's path and
   * creates nothing.
   */
  make<E, R>(path: string, effect: Effect.Effect<void, E, R>): Effect.Effect<string | undefined, E, R> {
    return Effect.suspend(() => {
      const folded = fold(path)
      const others = this.taken.get(folded) ?? none
      const own: Place = { path, made: Deferred.makeUnsafe<void>() }
      this.taken.set(folded, [...others, own])
      const made = Effect.ensuring(Effect.as(effect, undefined), Deferred.succeed(own.made, undefined))
      if (others.length === 0) return made
      const { dryRun, identity } = this
      return Effect.gen(function*() {
        for (const other of others) {
          if (other.path === path) continue
          yield* Deferred.await(other.made)
          const here = yield* identity(path)
          const isSame = here === undefined
            ? dryRun && (yield* ignoresCase(path, identity))
            : here === (yield* identity(other.path))
          if (isSame) {
            yield* Deferred.succeed(own.made, undefined)
            return other.path
          }
        }
        return yield* made
      })
    })
  }
}
