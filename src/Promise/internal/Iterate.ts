/** A stream as an async iterable that holds nothing open after its end, by success, failure, abort or an early exit. */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type * as Stream from "effect/Stream"
import type { Part, Runner } from "./Runner.ts"

class Iteration<A, E> implements AsyncIterator<A, void, void> {
  private readonly runner: Runner
  private readonly stream: Stream.Stream<A, E>
  private readonly signal: AbortSignal | undefined
  private part: Part | undefined
  private pull: Effect.Effect<NonEmptyReadonlyArray<A> | undefined, E> | undefined
  private chunk: Iterator<A> | undefined
  private isDone = false
  /** Interrupts the pull that is under way. */
  private readonly leaving = new AbortController()
  /** Calls of `next` that come before the one before has ended wait for it. */
  private last: Promise<unknown> = Promise.resolve()

  constructor(runner: Runner, stream: Stream.Stream<A, E>, signal: AbortSignal | undefined) {
    this.runner = runner
    this.stream = stream
    this.signal = signal
  }

  next(): Promise<IteratorResult<A, void>> {
    const step = () => this.step()
    const result = this.last.then(step, step)
    this.last = result
    return result
  }

  async return(): Promise<IteratorResult<A, void>> {
    this.isDone = true
    this.leaving.abort()
    await this.last.catch(() => undefined)
    await this.end()
    return { done: true, value: undefined }
  }

  private async step(): Promise<IteratorResult<A, void>> {
    if (this.isDone) return { done: true, value: undefined }
    try {
      this.signal?.throwIfAborted()
      const buffered = this.chunk?.next()
      if (buffered?.done === false) return buffered
      this.chunk = (await this.runner.run(this.start(), this.leaving.signal))?.[Symbol.iterator]()
    } catch (error) {
      const wasLeft = this.isDone
      this.isDone = true
      // The failure of the iteration says more than one of the end.
      await this.end().catch(() => undefined)
      this.signal?.throwIfAborted()
      if (wasLeft) return { done: true, value: undefined }
      throw error
    }
    const first = this.chunk?.next()
    if (first?.done === false) return first
    this.isDone = true
    await this.end()
    return { done: true, value: undefined }
  }

  /** The next chunk; nothing at the end of the stream. */
  private start(): Effect.Effect<NonEmptyReadonlyArray<A> | undefined, E> {
    if (this.pull !== undefined) return this.pull
    if (this.runner.isClosed) return Effect.succeed(undefined)
    const part = this.part = this.runner.part()
    // Also between two calls of `next`: nothing stays open for a loop that does not go on.
    this.signal?.addEventListener("abort", this.abort, { once: true })
    return Effect.flatMap(Channel.toPullScoped(this.stream.channel, part.scope), (pull) => {
      this.pull = Pull.catchDone(pull, () => Effect.undefined)
      return this.pull
    })
  }

  private readonly abort = (): void => {
    this.leaving.abort()
    this.end().catch(() => undefined)
  }

  private async end(): Promise<void> {
    this.signal?.removeEventListener("abort", this.abort)
    await this.part?.close()
  }
}

export const iterate = <A, E>(
  runner: Runner,
  stream: Stream.Stream<A, E>,
  signal?: AbortSignal
): AsyncIterable<A, void, void> => ({
  [Symbol.asyncIterator]: () => new Iteration(runner, stream, signal)
})
