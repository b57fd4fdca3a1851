/**
 * Limits how often one kind of line is written to the log. Clients can cause some lines as often as they like: only
 * some of those are written, and the next line says how many were left out.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/**
 * @category models
 */
export class LogRate {
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #at = 0
  #untold = 0

  /** At most `burst` lines at once; then `perSecond` lines a second. */
  constructor(burst: number, perSecond: number) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
  }

  /** Writes a line, or leaves it out. `line` gets the number of lines of its kind that were left out before it. */
  tell(line: (more: number) => Effect.Effect<void>): Effect.Effect<void> {
    return Effect.flatMap(Clock.monotonicTimeNanos, (nanos) => {
      const now = Number(nanos / 1_000_000n)
      this.#left = Math.min(this.#burst, this.#left + (now - this.#at) / 1000 * this.#perSecond)
      this.#at = now
      if (this.#left < 1) {
        this.#untold++
        return Effect.void
      }
      const more = this.#untold
      this.#left--
      this.#untold = 0
      return line(more)
    })
  }
}
