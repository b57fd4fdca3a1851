/** Functions and iterables of the caller as effects and streams. What they throw is the failure, unchanged. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const isThenable = <A>(value: A | PromiseLike<A>): value is PromiseLike<A> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"

/**
 * Calls a function of the caller. `E` is the claim of the caller: every value that the function throws passes through the client's
 * operations as a failure of theirs.
 */
export const call = <A, E = never>(use: () => A | PromiseLike<A>): Effect.Effect<A, E> =>
  Effect.suspend((): Effect.Effect<A, E> => {
    try {
      const result = use()
      // A function that returns no promise costs no turn of the event loop.
      return isThenable(result)
        ? Effect.tryPromise({ try: () => result, catch: (error) => error as E })
        : Effect.succeed(result)
    } catch (error) {
      return Effect.fail(error as E)
    }
  })

/**
 * The elements of an iterable. If the stream ends early, the iterable is told so. Its `return` is not waited for: a
 * generator that waits for something else would hold up the end.
 */
export const fromIterable = <A>(source: AsyncIterable<A> | Iterable<A>): Stream.Stream<A, unknown> =>
  Stream.scoped(Stream.fromPull(Effect.suspend(() => {
    let isDone = false
    const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
    const pull = Effect.flatMap(
      call<IteratorResult<A>, unknown>(() => iterator.next()),
      (result): Effect.Effect<readonly [A], Cause.Done<void>> => {
        if (result.done !== true) return Effect.succeed([result.value] as const)
        isDone = true
        return Cause.done()
      }
    )
    const end = Effect.sync(() => {
      if (isDone) return
      new Promise((resolve) => resolve(iterator.return?.())).catch(() => undefined)
    })
    return Effect.as(Effect.addFinalizer(() => end), pull)
  })))
