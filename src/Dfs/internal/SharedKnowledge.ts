/**
 * What all resolutions of one resolver know: referrals, domains, and which targets are dead. Each step of a resolution
 * reads it, and keeps in it what the step has learned. For `DfsResolver` alone.
 */
import type * as Effect from "effect/Effect"
import * as DfsMetrics from "../DfsMetrics.ts"
import type * as DfsOptions from "../DfsOptions.ts"
import * as DfsResolution from "../DfsResolution.ts"
import type { Command, Event, Knowledge } from "../DfsStep.ts"
import * as DomainCache from "../DomainCache.ts"
import * as ReferralCache from "../ReferralCache.ts"
import * as TargetHealth from "../TargetHealth.ts"
import type * as Observe from "./Observe.ts"

/** A step that was taken: the next command, and the lines for the log, which the caller writes. */
export interface StepTaken<E> {
  readonly state: DfsResolution.State<E>
  readonly command: Command<E>
  readonly lines: ReadonlyArray<Effect.Effect<void>>
}

/** The lines of a step that has none: always this array. */
export const noLines: ReadonlyArray<Effect.Effect<void>> = []

/** The knowledge, and the one function that changes it. */
export interface SharedKnowledge {
  readonly current: () => Knowledge
  /** Takes one step. Keeps what the step has learned, counts it, and tells the listener of the watcher. */
  readonly step: <E>(before: DfsResolution.State<E>, event: Event<E>, watcher: Observe.Watcher) => StepTaken<E>
}

/**
 * Knowledge of nothing but the controllers that the options name.
 *
 * @category constructors
 */
export const make = (settings: DfsOptions.Settings): SharedKnowledge => {
  let knowledge: Knowledge = {
    cache: ReferralCache.make({ capacity: settings.capacity }),
    domains: DomainCache.make({ controllers: settings.domainControllers }),
    health: TargetHealth.none
  }
  return {
    current: () => knowledge,
    step: (before, event, { clock, context, listener, log }) => {
      const { evictions } = knowledge.cache
      const { cache, command, domains, health, notes, state } = DfsResolution.step(before, event, {
        ...knowledge,
        now: clock.currentTimeMillisUnsafe(),
        options: settings
      })
      knowledge = { cache, domains, health }
      let lines = noLines
      for (const note of notes) {
        const metric = DfsMetrics.ofNote(note)
        if (metric !== undefined) DfsMetrics.count(metric, context)
        listener?.(note)
        const line = log(note)
        if (line !== undefined) lines = [...lines, line]
      }
      if (cache.evictions > evictions) DfsMetrics.count(DfsMetrics.cacheEvictions, context, cache.evictions - evictions)
      return { state, command, lines }
    }
  }
}
