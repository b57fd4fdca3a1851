/** A workload of the bench: what is measured, by which contenders, and which row comes of it. */
import { Effect, type Scope } from "effect"
import { type Contender, inTurn } from "./Measure.ts"
import * as Row from "./Row.ts"

/** A workload: its name, by which the command line selects it, and its measurement. */
export interface Workload {
  readonly name: string
  readonly rows: Effect.Effect<ReadonlyArray<Row.Row>, unknown, Scope.Scope>
}

/** A workload whose contenders do the same in turn: ours first, then the peer. */
export const rate = <E, R extends Scope.Scope>(
  name: string,
  rounds: number,
  of: Row.Amount,
  contenders: Effect.Effect<ReadonlyArray<Contender<E, R>>, E, R>
): Workload => ({
  name,
  rows: Effect.flatMap(
    contenders,
    (all) => Effect.map(inTurn(rounds, all), (measured) => [Row.rate(name, of, measured)])
  ) as Workload["rows"]
})
