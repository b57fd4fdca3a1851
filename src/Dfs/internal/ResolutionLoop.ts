/**
 * The loop of a resolution: performs each command of `DfsResolution`, and gives its result back as the next event, until
 * the resolution ends. For `DfsResolver` alone.
 */
import * as Effect from "effect/Effect"
import type { ReferralUnavailable, ResolutionError } from "../../Protocol/DfsError.ts"
import type * as DfsPath from "../DfsPath.ts"
import type * as DfsResolution from "../DfsResolution.ts"
import type { Command, Event, Target } from "../DfsStep.ts"
import type { SourceError } from "../ReferralSource.ts"
import * as Observe from "./Observe.ts"
import { noLines, type SharedKnowledge, type StepTaken } from "./SharedKnowledge.ts"

/** The errors of a resolution besides those of DFS: the caller's own, and those of asking a server. */
export type OwnError<E> = E | SourceError | ReferralUnavailable

/** A command to work at a target. */
export type Try<E> = Extract<Command<E>, { readonly _tag: "Try" }>

/** A command to ask a server, which does not concern the caller's own work. */
export type ServerRequest<E> = Extract<Command<E>, { readonly _tag: "AskReferral" | "FindControllers" }>

/** The result of an attempt: an event for the algorithm, and the caller's result so far. */
export interface Attempted<A, E> {
  readonly event: Event<E>
  readonly value?: A | undefined
}

/** A resolution in progress: the last step, and the caller's result of the last attempt. */
export interface InProgress<A, E> {
  readonly taken: StepTaken<E>
  readonly value: A | undefined
}

/** What the loop needs of its resolver. */
export interface LoopContext {
  readonly knowledge: SharedKnowledge
  /** Asks a server. */
  readonly request: <E>(command: ServerRequest<OwnError<E>>) => Effect.Effect<Event<OwnError<E>>>
  /** Called at the end if the referral of `prefix` was used, and is due for renewal. `now` is in milliseconds. */
  readonly onDue: (prefix: DfsPath.DfsPath, now: number) => Effect.Effect<void>
}

/** The caller's part of the work. */
export interface Work<A, E, R> {
  readonly attempt: (
    command: Try<OwnError<E>>,
    state: DfsResolution.State<OwnError<E>>
  ) => Effect.Effect<Attempted<A, OwnError<E>>, never, R>
  readonly connect: (targets: ReadonlyArray<Target>) => Effect.Effect<Event<OwnError<E>>>
}

/** Takes the first target as connected: the attempt connects by itself. */
export const takeFirst = <E>(): Effect.Effect<Event<E>> => Effect.succeed({ _tag: "Connected", index: 0, failures: [] })

const startEvent = { _tag: "Start" } as const

/** Takes the first step of a resolution. */
export const begin = <A, E>(
  knowledge: SharedKnowledge,
  state: DfsResolution.State<E>,
  watcher: Observe.Watcher
): InProgress<A, E> => ({ taken: knowledge.step(state, startEvent, watcher), value: undefined })

/**
 * Performs commands until the end, and gives the caller's result of the last attempt. From the first command that asks
 * a server on, this runs in a span.
 */
const perform = Effect.fnUntraced(function*<A, E, R>(
  context: LoopContext,
  progressOf: (watcher: Observe.Watcher) => InProgress<A, OwnError<E>>,
  work: Work<A, E, R>,
  inSpan: boolean
): Effect.fn.Return<A, E | ResolutionError | SourceError, R> {
  const watcher = Observe.watcher(yield* Effect.context<never>())
  let { taken, value } = progressOf(watcher)
  for (;;) {
    const { command, lines, state } = taken
    for (const line of lines) yield* line
    let event: Event<OwnError<E>>
    switch (command._tag) {
      case "Try": {
        const attempted: Attempted<A, OwnError<E>> = yield* work.attempt(command, state)
        event = attempted.event
        value = attempted.value
        break
      }
      case "Done":
        if (state.due !== undefined) yield* context.onDue(state.due, watcher.clock.currentTimeMillisUnsafe())
        return value as A
      case "Fail":
        // What cannot be asked for a referral is a reason of `DfsError` by now.
        return yield* Effect.fail(command.error as Exclude<typeof command.error, ReferralUnavailable>)
      default: {
        if (!inSpan) {
          const rest = { taken: { state, command, lines: noLines }, value }
          return yield* Observe.resolving(state, perform(context, () => rest, work, true))
        }
        event = command._tag === "Connect"
          ? yield* work.connect(command.targets)
          : yield* context.request<E>(command)
      }
    }
    taken = context.knowledge.step(state, event, watcher)
  }
})

/** Continues a resolution until its end. */
export const finish = <A, E, R>(
  context: LoopContext,
  progress: InProgress<A, OwnError<E>>,
  work: Work<A, E, R>
): Effect.Effect<A, E | ResolutionError | SourceError, R> => perform(context, () => progress, work, false)

/** Runs a resolution from its start to its end. */
export const run = <A, E, R>(
  context: LoopContext,
  state: DfsResolution.State<OwnError<E>>,
  work: Work<A, E, R>
): Effect.Effect<A, E | ResolutionError | SourceError, R> =>
  perform(context, (watcher) => begin<A, OwnError<E>>(context.knowledge, state, watcher), work, false)
