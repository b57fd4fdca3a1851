/**
 * A staggered race: connects to one target, to the next one a little later or as soon as the one before has failed, and
 * takes the first that answers.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Staggered from "../../Protocol/Staggered.ts"
import type { ConnectFailure, Event, Target } from "../DfsStep.ts"

/** Runs the race to its end; targets that have not answered by then are abandoned. */
export const run = <E>(targets: ReadonlyArray<Target>, options: {
  readonly connect: (target: Target) => Effect.Effect<unknown, E>
  readonly judge: (error: E) => string
  readonly stagger: Duration.Input
  readonly reasonOf: (error: E) => string
}): Effect.Effect<Event<E>> =>
  Effect.suspend(() => {
    const failures: Array<ConnectFailure<E>> = []
    const connect = (target: Target, index: number) =>
      options.connect(target).pipe(
        Effect.tapError((error) =>
          Effect.sync(() => {
            const what = options.judge(error) === "ServerFailed" ? "server" : "share"
            failures.push({ index, error, reason: options.reasonOf(error), what })
          })
        ),
        Effect.as(index)
      )
    return Staggered.first(targets, connect, options.stagger).pipe(
      Effect.map((index): Event<E> => ({ _tag: "Connected", index, failures })),
      Effect.catch(() => Effect.succeed<Event<E>>({ _tag: "ConnectFailed", failures }))
    )
  })
