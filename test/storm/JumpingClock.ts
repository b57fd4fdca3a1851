/** A clock whose time of day jumps, as when an administrator sets it. What waits on it waits no longer and no shorter. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** A clock, and the function that moves its time of day by milliseconds. */
export const jumping = (): { readonly clock: Clock.Clock; readonly jump: (milliseconds: number) => void } => {
  const real = Context.get(Context.empty(), Clock.Clock)
  let moved = 0
  return {
    clock: {
      currentTimeMillisUnsafe: () => real.currentTimeMillisUnsafe() + moved,
      currentTimeMillis: Effect.sync(() => real.currentTimeMillisUnsafe() + moved),
      currentTimeNanosUnsafe: () => real.currentTimeNanosUnsafe() + BigInt(moved) * 1_000_000n,
      currentTimeNanos: Effect.sync(() => real.currentTimeNanosUnsafe() + BigInt(moved) * 1_000_000n),
      monotonicTimeNanosUnsafe: () => real.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: real.monotonicTimeNanos,
      sleep: (duration) => real.sleep(duration)
    },
    jump: (milliseconds) => {
      moved += milliseconds
    }
  }
}
