/**
 * Counts for one client: what happens goes into counters at once; how much there is of something is read from the
 * connections when somebody looks at the metrics.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as MetricFamily from "../../Protocol/MetricFamily.ts"
import type { RequestMeter } from "../../Protocol/RequestMeter.ts"
import * as ClientMetrics from "../ClientMetrics.ts"

/** How much a connection carries now. */
export interface Load {
  readonly inFlight: number
  readonly waiting: number
  readonly credits: number
  readonly opens: number
}

/** A connection, as far as it is counted. */
export interface Counted {
  readonly failed: () => unknown
  readonly load: () => Load
}

/** The most servers whose broken connections are remembered: one that is forgotten costs only a count. */
const mostBroken = 1024

/** The counts of a client. */
export class Meter implements RequestMeter {
  private readonly context: Context.Context<never>
  private readonly connections = new Set<Counted>()
  /** The last connection to each server, or that it was broken when it was given up. */
  private readonly last = new Map<string, Counted | "broken">()
  private sessions = 0
  private trees = 0
  private readonly forget: ReadonlyArray<() => void>

  constructor(context: Context.Context<never>) {
    this.context = context
    const observed = (family: MetricFamily.MetricFamily<Metric.Gauge<number>>, read: () => number) =>
      MetricFamily.observe(family, context, read)
    const sum = (of: (load: Load) => number) => () => {
      let all = 0
      for (const one of this.connections) if (one.failed() === undefined) all += of(one.load())
      return all
    }
    this.forget = [
      observed(ClientMetrics.connections, sum(() => 1)),
      observed(ClientMetrics.requestsInFlight, sum(({ inFlight }) => inFlight)),
      observed(ClientMetrics.requestsWaiting, sum(({ waiting }) => waiting)),
      observed(ClientMetrics.credits, sum(({ credits }) => credits)),
      observed(ClientMetrics.opens, sum(({ opens }) => opens)),
      observed(ClientMetrics.sessions, () => this.sessions),
      observed(ClientMetrics.trees, () => this.trees)
    ]
  }

  ended(command: string, status: number | undefined, millis: number, read: number, written: number): void {
    const { context } = this
    const label = status === undefined ? "NONE" : MetricFamily.statusLabel(status)
    ClientMetrics.requests.of(command, label).updateUnsafe(1, context)
    ClientMetrics.requestLatency.of(command).updateUnsafe(millis, context)
    if (read > 0) ClientMetrics.bytesRead.of().updateUnsafe(read, context)
    if (written > 0) ClientMetrics.bytesWritten.of().updateUnsafe(written, context)
  }

  broken(kind: "oplock" | "lease"): void {
    ClientMetrics.breaks.of(kind).updateUnsafe(1, this.context)
  }

  /** Counts an attempt to connect to the server of `key`; the connection counts until the scope closes. */
  connecting<A extends Counted, E, R>(
    key: string,
    connect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R | Scope.Scope> {
    const { connections, context, last } = this
    const enter = (connected: A) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const before = last.get(key)
          if (before === "broken" || before?.failed() !== undefined) {
            ClientMetrics.reconnects.of().updateUnsafe(1, context)
          }
          connections.add(connected)
          last.set(key, connected)
        }),
        () =>
          Effect.sync(() => {
            connections.delete(connected)
            if (last.get(key) !== connected) return
            if (connected.failed() !== undefined && last.size <= mostBroken) last.set(key, "broken")
            else last.delete(key)
          })
      )
    return connect.pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          const outcome = Exit.isSuccess(exit) ? "connected" : "failed"
          ClientMetrics.connectionAttempts.of(outcome).updateUnsafe(1, context)
        })
      ),
      Effect.tap(enter)
    )
  }

  /** Counts a logon; the session counts until the scope closes. */
  loggingOn<A, E, R>(logon: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> {
    return logon.pipe(
      Effect.onExit((exit) =>
        Effect.sync(() => {
          const outcome = Exit.isSuccess(exit) ? "succeeded" : "failed"
          ClientMetrics.logons.of(outcome).updateUnsafe(1, this.context)
        })
      ),
      Effect.tap(() => this.held((by) => this.sessions += by))
    )
  }

  /** Counts a logon by which the user of a session that has expired authenticates again. */
  readonly reauthenticating = <A, E, R>(logon: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.onExit(logon, (exit) =>
      Effect.sync(() => {
        const outcome = Exit.isSuccess(exit) ? "succeeded" : "failed"
        ClientMetrics.reauthentications.of(outcome).updateUnsafe(1, this.context)
      }))

  /** The share counts until the scope closes. */
  treeConnecting<A, E, R>(connect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> {
    return Effect.tap(connect, () => this.held((by) => this.trees += by))
  }

  private held(count: (by: number) => void): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(Effect.sync(() => count(1)), () => Effect.sync(() => count(-1)))
  }

  /** Ends the gauges. */
  end(): void {
    for (const one of this.forget) one()
  }
}

/**
 * The meter of a client, in the registry of the context, until the scope closes.
 *
 * @category constructors
 */
export const make: Effect.Effect<Meter, never, Scope.Scope> = Effect.acquireRelease(
  Effect.contextWith((context: Context.Context<never>) => Effect.sync(() => new Meter(context))),
  (meter) => Effect.sync(() => meter.end())
)
