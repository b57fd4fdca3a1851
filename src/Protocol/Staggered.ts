/**
 * Several attempts of which one must succeed, started at short intervals, as RFC 8305 5 does with the addresses of a
 * name.
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * Starts one attempt, and the next one after `stagger` or as soon as the previous one has failed. Gives the result of
 * the first that succeeds; the others go on until then, and are interrupted. If all have failed, fails with the failure
 * of one of them. There must be at least one candidate.
 *
 * @category running
 * @since 0.1.0
 */
export const first = <A, B, E, R>(
  candidates: ReadonlyArray<A>,
  attempt: (candidate: A, index: number) => Effect.Effect<B, E, R>,
  stagger: Duration.Input
): Effect.Effect<B, E, R> =>
  Effect.gen(function*() {
    // A gate opens when its candidate's time is over or the candidate has failed: the next one starts.
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
