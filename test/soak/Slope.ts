/**
 * Whether a series of measurements stays flat. Pure.
 *
 * The slope is the median of the slopes between all pairs of points (Theil and Sen): some slow intervals, such as those of
 * a garbage collection or of another program, do not move it.
 */

export interface Sample {
  /** Minutes since the beginning. */
  readonly at: number
  readonly value: number
}

/** How much a value may grow over a whole run. */
export interface Tolerance {
  /** Part of the median. */
  readonly part: number
  /** In addition to that, in the value's own unit. */
  readonly absolute: number
}

export interface Verdict {
  readonly median: number
  /** How much the value grows over the run, by its slope. */
  readonly growth: number
  readonly allowed: number
  readonly flat: boolean
}

/** The part of a run in which caches fill and code is compiled: it does not count. */
export const warmUp = 0.25

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

/** The change of a value in a minute. */
export const slope = (samples: ReadonlyArray<Sample>): number => {
  const slopes: Array<number> = []
  for (const [i, one] of samples.entries()) {
    for (const other of samples.slice(i + 1)) {
      if (other.at !== one.at) slopes.push((other.value - one.value) / (other.at - one.at))
    }
  }
  return slopes.length === 0 ? 0 : median(slopes)
}

/** Judges a whole run, without its beginning. */
export const judge = (all: ReadonlyArray<Sample>, { absolute, part }: Tolerance): Verdict => {
  const samples = all.slice(Math.floor(all.length * warmUp))
  const middle = median(samples.map(({ value }) => value))
  const minutes = (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0)
  const growth = slope(samples) * minutes
  const allowed = Math.abs(middle) * part + absolute
  return { median: middle, growth, allowed, flat: growth <= allowed }
}

/** The value below which this part of the values lies; 0 if there are none. */
export const percentile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)] ?? 0
}
