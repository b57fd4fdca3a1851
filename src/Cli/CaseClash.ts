/**
 * Names of one tree that differ in case alone. A server, and many a disk, takes them for one: the second would replace the
 * first, or fill its folder.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { stat } from "node:fs/promises"
import { fold } from "../Codec/UpCase.ts"

/** The names of a folder that another one before them has taken, with that one. */
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

/** What is at a path here, so that two names of one thing are equal; nothing where nothing is. */
export const identityOf = (path: string): Effect.Effect<string | undefined> =>
  Effect.promise(() => stat(path, { bigint: true }).then(({ dev, ino }) => `${dev}:${ino}`, () => undefined))

interface Place {
  readonly path: string
  readonly made: Deferred.Deferred<void>
}

/**
 * The places here that a tree is written to. Whether a disk tells names apart shows when the first of two is there: then the
 * second is the same file, or is not.
 */
export class Places {
  private readonly taken = new Map<string, Array<Place>>()
  private readonly identity: typeof identityOf

  constructor(identity: typeof identityOf = identityOf) {
    this.identity = identity
  }

  /** Makes something at a path, unless that is another one's already: then it gives that one, and makes nothing. */
  make<E, R>(path: string, effect: Effect.Effect<void, E, R>): Effect.Effect<string | undefined, E, R> {
    return Effect.suspend(() => {
      const folded = fold(path)
      const others = this.taken.get(folded) ?? []
      const own: Place = { path, made: Deferred.makeUnsafe<void>() }
      this.taken.set(folded, [...others, own])
      const made = Effect.ensuring(Effect.as(effect, undefined), Deferred.succeed(own.made, undefined))
      const { identity } = this
      return others.length === 0 ? made : Effect.gen(function*() {
        for (const other of others) {
          if (other.path === path) continue
          yield* Deferred.await(other.made)
          const here = yield* identity(path)
          if (here !== undefined && here === (yield* identity(other.path))) {
            yield* Deferred.succeed(own.made, undefined)
            return other.path
          }
        }
        return yield* made
      })
    })
  }
}
