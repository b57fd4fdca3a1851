/** This project's clients in a storm, and what they must not leave behind. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Credentials from "../../src/Auth/Credentials.ts"
import * as ClientMetrics from "../../src/Client/ClientMetrics.ts"
import type * as ReconnectNotice from "../../src/Client/ReconnectNotice.ts"
import * as SmbClient from "../../src/Client/SmbClient.ts"
import * as TcpTransport from "../../src/Layers/TcpTransport.ts"

/** What a client holds: files, locks, requests, connections. */
export type Holdings = Readonly<Record<string, number>>

/** A client of a storm. */
export interface StormClient {
  readonly smb: SmbClient.Client
  readonly run: <A, E>(effect: Effect.Effect<A, E>, signal?: AbortSignal) => Promise<A>
  /** What it holds and should not while no operation is under way. */
  readonly held: () => Holdings
  /** What it holds and should not after its end. */
  readonly left: () => Holdings
  readonly end: () => Promise<void>
}

/** The manners of the three clients: one signs, one encrypts, and one does neither. */
const manners: ReadonlyArray<SmbClient.Options> = [
  {},
  { encryption: "required" },
  { signing: "if-required", dialects: ["2.1"] }
]

const whileIdle = {
  opens: ClientMetrics.opens,
  locks: ClientMetrics.locks,
  requestsInFlight: ClientMetrics.requestsInFlight,
  requestsWaiting: ClientMetrics.requestsWaiting
}
const afterEnd = {
  ...whileIdle,
  connections: ClientMetrics.connections,
  sessions: ClientMetrics.sessions,
  trees: ClientMetrics.trees,
  credits: ClientMetrics.credits
}

/** Makes a client that connects to `address`, which can change, with `password`, which can change as well. */
export const make = async (
  number: number,
  options: {
    readonly user: string
    readonly password: () => string
    readonly address: () => string
    readonly clock: Clock.Clock
    readonly told: (notice: ReconnectNotice.Notice["_tag"]) => void
  }
): Promise<StormClient> => {
  const registry = new Map()
  const context = Context.make(Metric.MetricRegistry, registry)
  const values = (gauges: Readonly<Record<string, typeof ClientMetrics.opens>>): Holdings =>
    Object.fromEntries(
      Object.entries(gauges).map(([name, gauge]) => [name, gauge.of().valueUnsafe(context).value] as const)
        .filter(([, value]) => value !== 0)
    )
  const fibers = () =>
    Metric.snapshotUnsafe(context).flatMap((metric) =>
      metric.id === "child_fibers_active" && metric.type === "Gauge" && metric.state.value !== 0
        ? [["fibers", Number(metric.state.value)] as const]
        : []
    )
  const runtime = ManagedRuntime.make(
    SmbClient.layer({
      // Short, so that a line that holds everything ends within a round.
      requestTimeout: "3 seconds",
      keepAlive: "1 second",
      onReconnect: ({ _tag }) => Effect.sync(() => options.told(_tag)),
      ...manners[number]
    }).pipe(
      Layer.provide([
        TcpTransport.layer({
          connectTimeout: "3 seconds",
          lookup: (_name, _options, done) => done(null, [{ address: options.address(), family: 4 }])
        }),
        Credentials.layerFrom(() =>
          Effect.sync(() => Credentials.password(options.user, Redacted.make(options.password())))
        )
      ]),
      Layer.provideMerge(Layer.mergeAll(
        Layer.succeed(Clock.Clock)(options.clock),
        Layer.succeed(Metric.MetricRegistry)(registry),
        Metric.enableRuntimeMetricsLayer,
        // Lost connections are what a storm is made of: they are counted, and not written to the log.
        Layer.succeed(References.MinimumLogLevel)("None")
      ))
    )
  )
  const smb = await runtime.runPromise(Effect.service(SmbClient.SmbClient))
  return {
    smb,
    run: (effect, signal) => runtime.runPromise(effect, signal === undefined ? undefined : { signal }),
    held: () => values(whileIdle),
    left: () => ({ ...values(afterEnd), ...Object.fromEntries(fibers()) }),
    end: () => runtime.dispose()
  }
}
