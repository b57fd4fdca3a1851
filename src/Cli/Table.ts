/** Facts as lines of a key and a value, for a person. */
import { printable } from "./Failure.ts"
import * as Output from "./Output.ts"

/** A key, and its value; a fact without a value is not shown. */
export type Fact = readonly [key: string, value: string | undefined]

/** Aligned lines. On a terminal, a value that is wider than the terminal continues below itself. */
export const lines = (facts: ReadonlyArray<Fact>): string => {
  const shown = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined && fact[1] !== "")
  const width = Math.max(0, ...shown.map(([key]) => key.length)) + 1
  const text = shown.map(([key, value]) => `${`${key}:`.padEnd(width)} ${printable(value)}\n`).join("")
  return process.stdout.isTTY === true ? Output.fold(text, Output.columnsOf(process.stdout), width + 1) : text
}
