/** Measures programs beside each other: their rounds alternate, so that a busy machine slows down all of them. */
import * as Effect from "effect/Effect"
import * as Processor from "./Processor.ts"

/** One of the compared programs: its name, and one round of its work. */
export interface Contender<E, R> {
  readonly name: string
  readonly round: Effect.Effect<unknown, E, R>
  /** Runs before each round, and is not measured: it removes what the last round made. */
  readonly before?: Effect.Effect<unknown, E, R>
  /** Runs after each round, and is not measured: it fails if the round did not do its work. */
  readonly after?: Effect.Effect<unknown, E, R>
  /** Processor seconds so far. Default: those of this process and of the programs that it ran. */
  readonly processor?: () => number
}

/** The rounds of one program in their order, in seconds and in seconds of the processor. */
export interface Measured {
  readonly name: string
  readonly seconds: ReadonlyArray<number>
  readonly processor: ReadonlyArray<number>
}

const nothing = Effect.void

/** Runs all contenders once without measuring, then `rounds` times in turn. */
export const inTurn = Effect.fnUntraced(function*<E, R>(rounds: number, contenders: ReadonlyArray<Contender<E, R>>) {
  const all = contenders.map(({ name }) => ({ name, seconds: [] as Array<number>, processor: [] as Array<number> }))
  for (let round = -1; round < rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      const processor = contender.processor ?? Processor.ofThisProcess
      yield* contender.before ?? nothing
      const used = processor()
      const start = performance.now()
      yield* contender.round
      const seconds = (performance.now() - start) / 1000
      const usedAfter = processor()
      yield* contender.after ?? nothing
      if (round < 0) continue
      all[index]!.seconds.push(seconds)
      all[index]!.processor.push(usedAfter - used)
    }
  }
  return all as ReadonlyArray<Measured>
})

/** The value in the middle: of an even number of values the upper one of the two. */
export const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
