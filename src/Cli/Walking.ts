/** Walks that go on after a directory that cannot be listed: each failure is a line, and the walk fails at its end. */
import * as Effect from "effect/Effect"
import type { ClientError } from "../Client/ClientError.ts"
import type { WalkOptions } from "../Client/Directory.ts"
import type { Entry } from "../Client/Entry.ts"
import { concernsOne, Incomplete } from "../Transfer/Incomplete.ts"
import { printable, type Report, report } from "./Failure.ts"
import * as Output from "./Output.ts"

/** The reactions to a directory that cannot be listed, or that leads back. */
export type Told = { readonly [K in "onError" | "onLoop"]-?: NonNullable<WalkOptions[K]> }

/** The report on a directory that is one of its own ancestors: a link there leads back. */
export const leadsBack = ({ path }: Entry): Report => {
  const message = `${printable(path)}: this folder leads back to a folder above it, and its content is not listed again`
  return { code: 0, message, json: { warning: "Loop", path, message } }
}

/** The reactions of one run, and what fails at its end if a directory could not be listed. */
export const make = (json: boolean) => {
  let failures = 0
  const tellOne = <E extends ClientError | Incomplete>(error: E) =>
    Effect.suspend(() => {
      if (error._tag === "Incomplete" || !concernsOne(error)) return Effect.fail(error)
      failures++
      return Output.tell(report(error), json)
    })
  const told: Told = {
    onError: tellOne,
    onLoop: (entry) => Output.tell(leadsBack(entry), json)
  }
  return {
    told,
    /** How many directories could not be listed. */
    failures: () => failures,
    end: Effect.suspend(() => failures > 0 ? Effect.fail(new Incomplete({ failures, what: "listed" })) : Effect.void)
  }
}
