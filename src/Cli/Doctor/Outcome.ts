/** The outcome of a step of `doctor`, as a line and as an object. */
import * as Schema from "effect/Schema"
import { printable } from "../Failure.ts"
import * as Output from "../Output.ts"
import type { Step } from "./Advice.ts"

/** The result of a step. `details`: what was done for it, in order. `advice`: what to do next. */
export interface Outcome {
  readonly step: Step
  readonly state: "ok" | "failed" | "left out"
  readonly message: string
  readonly details?: ReadonlyArray<string> | undefined
  readonly advice?: string | undefined
}

/** One or more steps have failed, and are on standard output. */
export class StepsFailed extends Schema.TaggedError<StepsFailed>()("StepsFailed", {
  steps: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `failed: ${this.steps.join(", ")}`
  }
}

/** Where the text of a line begins. */
const indentation = 18

const pad = " ".repeat(indentation)

/** `ok       name     nas is 10.0.0.5`, with its details and the advice below. */
export const text = ({ advice, details, message, state, step }: Outcome): string => {
  const shown = state === "failed" ? "FAILED" : state
  const lines = [
    `${shown.padEnd(9)} ${step.padEnd(7)} ${printable(message)}\n`,
    ...(details ?? []).map((detail) => `${pad}- ${printable(detail)}\n`),
    ...(advice === undefined ? [] : [`${pad}=> ${printable(advice)}\n`])
  ].join("")
  return process.stdout.isTTY === true ? Output.fold(lines, Output.columnsOf(process.stdout), indentation) : lines
}
