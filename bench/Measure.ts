/** Measures two programs side by side: their rounds alternate, so that a busy machine slows down both. */
import * as Effect from "effect/Effect"

/** One of the compared programs: its name, and one round of its work. */
export interface Contender<E, R> {
  readonly name: string
  readonly round: Effect.Effect<unknown, E, R>
}

/** The seconds of each round, fastest first. */
export interface Measured {
  readonly name: string
  readonly seconds: ReadonlyArray<number>
}

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    const start = performance.now()
    return Effect.map(effect, () => (performance.now() - start) / 1000)
  })

/** Runs all contenders once without measuring, then `rounds` times in turn. */
export const inTurn = Effect.fnUntraced(function*<E, R>(rounds: number, contenders: ReadonlyArray<Contender<E, R>>) {
  const seconds = contenders.map(() => [] as Array<number>)
  for (const { round } of contenders) yield* round
  for (let i = 0; i < rounds; i++) {
    for (const [index, { round }] of contenders.entries()) seconds[index]!.push(yield* timed(round))
  }
  return contenders.map(({ name }, index): Measured => ({ name, seconds: seconds[index]!.toSorted((a, b) => a - b) }))
})

/** The median of the rounds, in seconds. */
export const median = ({ seconds }: Measured): number => seconds[Math.floor(seconds.length / 2)]!

/** One line of the table: both in `unit` per second, and their ratio. */
export const line = (what: string, amount: number, unit: string, measured: ReadonlyArray<Measured>): string => {
  const rates = measured.map((one) => amount / median(one))
  const columns = measured.map(({ name }, i) =>
    `${name} ${rates[i]!.toFixed(rates[i]! < 100 ? 1 : 0).padStart(6)} ${unit}/s`
  )
  const ratio = rates.length > 1 ? `  ratio ${(rates[0]! / rates[1]!).toFixed(2)}` : ""
  return `${what.padEnd(28)} ${columns.join("   ")}${ratio}`
}
