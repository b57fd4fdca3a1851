/**
 * The part of a resolution by referrals alone that needs no server: the cache answers at once, which is not worth an
 * effect for each step. For `DfsResolver` alone.
 */
import type * as DfsResolution from "../DfsResolution.ts"
import type { Event } from "../DfsStep.ts"
import type * as Observe from "./Observe.ts"
import { begin, type InProgress, type Try } from "./ResolutionLoop.ts"
import { noLines, type SharedKnowledge } from "./SharedKnowledge.ts"

/** The event for a target that is not tried. */
export const probe: Event<never> = { _tag: "Probe" }

/**
 * Takes the steps from the start on, as long as they only name targets and write no line to the log. `collect` adds the
 * target of a step to the caller's result.
 */
export const fromCache = <A, E>(
  knowledge: SharedKnowledge,
  state: DfsResolution.State<E>,
  watcher: Observe.Watcher,
  collect: (command: Try<E>) => A
): InProgress<A, E> => {
  let { taken, value } = begin<A, E>(knowledge, state, watcher)
  while (taken.command._tag === "Try" && taken.lines === noLines) {
    value = collect(taken.command)
    taken = knowledge.step(taken.state, probe, watcher)
  }
  return { taken, value }
}

/** Whether the cache has answered, so that nothing is left to do or to write. */
export const isComplete = <A, E>({ taken }: InProgress<A, E>): boolean =>
  taken.command._tag === "Done" && taken.lines === noLines && taken.state.due === undefined
