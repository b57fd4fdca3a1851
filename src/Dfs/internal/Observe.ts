/**
 * What others see of a resolution while it runs: spans of the slow parts, and lines in the log. Attributes and lines
 * have servers, shares and paths, and never the user. For `DfsResolver` alone.
 *
 * A resolution from the cache opens no span and formats no line.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as LogLevel from "effect/LogLevel"
import * as References from "effect/References"
import * as Spans from "../../Protocol/Spans.ts"
import * as DfsPath from "../DfsPath.ts"
import type { Command, ReferralKind, Target } from "../DfsStep.ts"
import * as DfsTrace from "../DfsTrace.ts"
import { type State, toUnc } from "./Transitions.ts"

const { Attribute } = Spans

/**
 * The level of a note: `Debug` for each thing that is tried, and for a failure that the caller gets as an error. A higher
 * one is for what the caller does not see, because the resolution goes on without it.
 */
const levelOf = (note: DfsTrace.Note): LogLevel.Severity | undefined => {
  switch (note._tag) {
    case "Trying":
    case "Racing":
    case "Found":
    case "Asking":
    case "NotDfs":
    case "Unusable":
    case "Failed":
      return "Debug"
    case "Failover":
    case "Failback":
      return "Info"
    // A response that makes no sense is worth a line even if the resolution goes on without it.
    case "Refused":
      return note.error === "Malformed" ? "Warn" : "Debug"
    default:
      return undefined
  }
}

/** Which of the levels used here are logged at a minimum level, computed once for each. */
const said = new Map<LogLevel.LogLevel, ReadonlySet<LogLevel.Severity>>()

const saidAt = (minimum: LogLevel.LogLevel): ReadonlySet<LogLevel.Severity> => {
  let levels = said.get(minimum)
  if (levels === undefined) {
    const used: ReadonlyArray<LogLevel.Severity> = ["Debug", "Info", "Warn"]
    levels = new Set(used.filter((level) => LogLevel.isGreaterThanOrEqualTo(level, minimum)))
    said.set(minimum, levels)
  }
  return levels
}

/** Receives the steps of a resolution. */
export interface Watcher {
  readonly context: Context.Context<never>
  readonly clock: Clock.Clock
  readonly listener: ((note: DfsTrace.Note) => void) | undefined
  /** A line for the log; nothing if the minimum level is higher. */
  readonly log: (note: DfsTrace.Note) => Effect.Effect<void> | undefined
}

/** The watcher of a context. */
export const watcher = (context: Context.Context<never>): Watcher => {
  const levels = saidAt(Context.get(context, References.MinimumLogLevel))
  return {
    context,
    clock: Context.get(context, Clock.Clock),
    listener: Context.get(context, DfsTrace.TraceListener),
    log: (note) => {
      const level = levelOf(note)
      if (level === undefined || !levels.has(level)) return undefined
      return Effect.annotateLogs(Effect.logWithLevel(level)(DfsTrace.explain(note)), {
        dfs: note._tag,
        step: note.step
      })
    }
  }
}

/** The span of a resolution that has to ask a server. */
export const resolving = <A, E, R, F>(state: State<F>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Spans.effect(effect, "DfsResolver.resolve", { attributes: { [Attribute.path]: DfsPath.toString(state.original) } })

/** A request for a referral. */
export const referral = <A, E, R>(
  asked: { readonly server: string; readonly path: string; readonly kind: ReferralKind },
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Spans.effect(effect, "DfsResolver.referral", {
    kind: "client",
    attributes: {
      [Attribute.serverAddress]: asked.server,
      [Attribute.path]: asked.path,
      [Attribute.dfsReferral]: asked.kind
    }
  })

/** A search for the controllers of a domain. */
export const finding = <A, E, R>(domain: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Spans.effect(effect, "DfsResolver.findControllers", { attributes: { [Attribute.dfsDomain]: domain } })

/** A connection to a target in a race. */
export const connecting = <A, E, R>(target: Target, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Spans.effect(effect, "DfsResolver.connect", {
    attributes: { [Attribute.serverAddress]: target.server, [Attribute.share]: target.share }
  })

/** The work at a target, with the prefix of the entry that it is a target of. */
export const attempting = <A, E, R, F>(
  { of, target }: Extract<Command<F>, { readonly _tag: "Try" }>,
  { phase }: State<F>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Spans.effect(effect, "DfsResolver.attempt", {
    attributes: {
      [Attribute.dfsTargetOf]: of,
      ...(phase._tag === "Trying" ? { [Attribute.dfsPrefix]: DfsPath.toString(phase.inUse.entry.prefix) } : {}),
      [Attribute.serverAddress]: target.server,
      [Attribute.share]: target.share,
      [Attribute.dfsTarget]: toUnc(target)
    }
  })
