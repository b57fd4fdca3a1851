/** Runs effects as promises, and knows what still runs and what is still open, so that `close` can end it. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { ClientClosed } from "../ClientClosed.ts"

/** The value, or throws the error itself: no wrapper of Effect reaches the caller. */
const valueOf = <A, E>(exit: Exit.Exit<A, E>): A => {
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}

/** How long `close` waits for the operations that it has interrupted. */
const patience = "5 seconds"

export class Runner {
  /** What the client holds: connections, open files, iterations. */
  readonly scope = Scope.makeUnsafe()
  private readonly running = new Set<Fiber.Fiber<unknown, unknown>>()
  private closing: Promise<void> | undefined
  isClosed = false

  run<A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal): Promise<A> {
    return new Promise((resolve, reject) => {
      // Before the fiber starts: it would send its first request at once.
      if (signal?.aborted === true) return reject(signal.reason)
      if (this.isClosed) return reject(new ClientClosed())
      const fiber = Effect.runFork(effect)
      const abort = () => fiber.interruptUnsafe()
      signal?.addEventListener("abort", abort, { once: true })
      this.running.add(fiber)
      fiber.addObserver((exit) => {
        signal?.removeEventListener("abort", abort)
        this.running.delete(fiber)
        if (Exit.isSuccess(exit)) resolve(exit.value)
        else if (signal?.aborted === true) reject(signal.reason)
        else if (this.isClosed && Cause.hasInterruptsOnly(exit.cause)) reject(new ClientClosed())
        else reject(Cause.squash(exit.cause))
      })
    })
  }

  /** Runs to its end, also while the client closes and after that. */
  finish<A, E>(effect: Effect.Effect<A, E>): Promise<A> {
    return Effect.runPromiseExit(effect, { uninterruptible: true }).then(valueOf)
  }

  /** A part of the client's scope, or of another part, and a function that closes it once. */
  part(parent: Scope.Scope = this.scope): Part {
    const scope = Scope.forkUnsafe(parent)
    let closed: Promise<void> | undefined
    return {
      scope,
      close: (first = Effect.void) => closed ??= this.finish(Effect.ensuring(first, Scope.close(scope, Exit.void)))
    }
  }

  /** Runs an effect that acquires something. What it has acquired is released if it fails, or else by the part. */
  async acquire<A, E>(
    effect: Effect.Effect<A, E, Scope.Scope>,
    signal: AbortSignal | undefined,
    parent?: Scope.Scope
  ): Promise<{ readonly value: A; readonly part: Part }> {
    const part = this.part(parent)
    try {
      return { value: await this.run(Scope.provide(effect, part.scope), signal), part }
    } catch (error) {
      await part.close().catch(() => undefined)
      throw error
    }
  }

  close(): Promise<void> {
    // Before the first fiber ends: its promise says so.
    this.isClosed = true
    return this.closing ??= this.finish(Effect.suspend(() => {
      const running = [...this.running]
      for (const fiber of running) fiber.interruptUnsafe()
      return Effect.andThen(
        // They remove what they have not completed, and need the connections for that.
        Effect.timeoutOption(Effect.interruptible(Fiber.awaitAll(running)), patience),
        Scope.close(this.scope, Exit.void)
      )
    }))
  }
}

export interface Part {
  readonly scope: Scope.Closeable
  /** Runs `first`, and closes the part even if that fails. Later calls return the result of the first one. */
  readonly close: (first?: Effect.Effect<void, unknown>) => Promise<void>
}
