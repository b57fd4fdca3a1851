/**
 * Work on the elements of a stream, by a few fibers that each take one element after the other. `Stream.mapEffect` starts
 * a fiber for each element, which costs more than the rest of what a small file needs of Effect.
 */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

/**
 * Runs `use` for each element, for `concurrency` of them at once. The stream runs ahead by at most `capacity` elements. A
 * failure of the stream or of one element ends all.
 */
export const forEach = <A, E, R, E1, R1>(
  stream: Stream.Stream<A, E, R>,
  options: { readonly capacity: number; readonly concurrency: number },
  use: (element: A) => Effect.Effect<unknown, E1, R1>
): Effect.Effect<void, E | E1, R | R1> =>
  Effect.scoped(Effect.flatMap(
    Stream.toQueue(stream, { capacity: options.capacity }),
    (queue) => {
      const next = Effect.flatMap(Queue.take(queue), use)
      // A fiber that works through elements without a wait yields by the count of its steps.
      const worker = Pull.catchDone(Effect.forever(next, { disableYield: true }), () => Effect.void)
      const workers = Array.from({ length: options.concurrency }, () => worker)
      return Effect.all(workers, { concurrency: "unbounded", discard: true })
    }
  )) as Effect.Effect<void, E | E1, R | R1>
