/** Checks each operation of the client below a base path, against the server's disk or another client. */
import { Cause, Effect, type Scope } from "effect"
import * as Data from "./checks/Data.ts"
import * as Extras from "./checks/Extras.ts"
import * as Names from "./checks/Names.ts"
import { type Check, type Place, spot } from "./checks/Place.ts"
import * as Sharing from "./checks/Sharing.ts"

export type { Place } from "./checks/Place.ts"

const all: ReadonlyArray<Check> = [...Data.all, ...Names.all, ...Sharing.all, ...Extras.all]
const few: ReadonlyArray<Check> = [...Data.few, ...Names.few, ...Sharing.few, ...Extras.few]

const run = (checks: ReadonlyArray<Check>, concurrency: number) => (place: Place): Effect.Effect<void> =>
  Effect.gen(function*() {
    const failures = yield* Effect.forEach(checks, ({ name, run }) => {
      const here = spot(place, name)
      here.folderAt("..")
      here.folderAt()
      const began = performance.now()
      return (Effect.scoped(run(here)) as Effect.Effect<unknown, unknown>).pipe(
        Effect.timeout("30 seconds"),
        Effect.as(undefined),
        Effect.catchCause((cause) => Effect.succeed(`${name} at ${place.base}: ${Cause.pretty(cause)}`)),
        Effect.tap(() =>
          Effect.sync(() => {
            const took = performance.now() - began
            if (process.env.LAB_TIMES !== undefined) console.log(`${place.base} ${name} ${took.toFixed(0)} ms`)
          })
        )
      )
    }, { concurrency })
    const said = failures.filter((failure) => failure !== undefined)
    if (said.length > 0) return yield* Effect.die(new Error(said.join("\n\n")))
  })

/** Every operation. */
export const everything: (place: Place) => Effect.Effect<void, never, Scope.Scope> = run(all, 6)

/** Every operation except these checks, by their names. */
export const everythingBut = (
  ...names: ReadonlyArray<string>
): (place: Place) => Effect.Effect<void, never, Scope.Scope> => {
  const unknown = names.filter((name) => !all.some((check) => check.name === name))
  if (unknown.length > 0) throw new Error(`there are no checks ${unknown.join(", ")}`)
  return run(all.filter(({ name }) => !names.includes(name)), 6)
}

/** The operations whose bytes differ between dialects, signatures and ciphers. */
export const compact: (place: Place) => Effect.Effect<void, never, Scope.Scope> = run(few, 6)
