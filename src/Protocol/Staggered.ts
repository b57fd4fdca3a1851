/**
 * Several attempts of which one is enough, begun at short intervals, as RFC 8305 5 does with the addresses of a name.
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * Begins one attempt, the next one after `stagger` or as soon as the one before it has failed, and gives what the first
 * that succeeds gives. Those that have begun go on until then, and are interrupted when it is there. Fails with the failure
 * of one of them when all have failed. There has to be at least one candidate.
 *
 * @category running
 */
export const first = <A, B, E, R>(
  candidates: ReadonlyArray<A>,
  attempt: (candidate: A, index: number) => Effect.Effect<B, E, R>,
  stagger: Duration.Input
): Effect.Effect<B, E, R> =>
  Effect.gen(function*() {
    // Opened when a candidate has had its time, or has failed: the next one begins.
    const gates = yield* Effect.forEach(candidates, () => Deferred.make<void>())
    return yield* Effect.raceAll(candidates.map((candidate, index) => {
      const open = Deferred.succeed(gates[index]!, undefined)
      const previous = gates[index - 1]
      const impatient = Effect.andThen(Effect.sleep(stagger), Effect.andThen(open, Effect.never))
      return (previous === undefined ? Effect.void : Deferred.await(previous)).pipe(
        Effect.andThen(Effect.raceFirst(Effect.tapError(attempt(candidate, index), () => open), impatient))
      )
    }))
  })
