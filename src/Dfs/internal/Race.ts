/**
 * A staggered race: connects to one target, to the next one a little later or as soon as the one before has failed, and
 * takes the first that answers (as RFC 8305 does with addresses).
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { ConnectFailure, Event, Target } from "../DfsStep.ts"

/** Runs the race to its end; those that have not answered when it ends are left. */
export const run = <E>(targets: ReadonlyArray<Target>, options: {
  readonly connect: (target: Target) => Effect.Effect<unknown, E>
  readonly judge: (error: E) => string
  readonly stagger: Duration.Input
  readonly reasonOf: (error: E) => string
}): Effect.Effect<Event<E>> =>
  Effect.gen(function*() {
    const failures: Array<ConnectFailure<E>> = []
    // Opened when a target has had its time, or has failed: the next one starts.
    const gates = yield* Effect.forEach(targets, () => Deferred.make<void>())
    const runners = targets.map((target, index) => {
      const gate = gates[index]!
      const previous = gates[index - 1]
      const connect = Effect.tapError(options.connect(target), (error) => {
        const what = options.judge(error) === "ServerFailed" ? "server" : "share"
        failures.push({ index, error, reason: options.reasonOf(error), what })
        return Deferred.succeed(gate, undefined)
      })
      const impatient = Effect.andThen(
        Effect.sleep(options.stagger),
        Effect.andThen(Deferred.succeed(gate, undefined), Effect.never)
      )
      return (previous === undefined ? Effect.void : Deferred.await(previous)).pipe(
        Effect.andThen(Effect.raceFirst(connect, impatient)),
        Effect.as(index)
      )
    })
    return yield* Effect.raceAll(runners).pipe(
      Effect.map((index): Event<E> => ({ _tag: "Connected", index, failures })),
      Effect.catch(() => Effect.succeed<Event<E>>({ _tag: "ConnectFailed", failures }))
    )
  })
