/**
 * Families of metrics: one name, unit and meaning, and a series for each combination of the labels' values. Each room has
 * its families in one module, and docs/observability.md lists them.
 *
 * The values of labels come from closed sets, such as the names of commands: never from a path, a user or an address. So
 * no peer can make more series.
 */
import * as Context from "effect/Context"
import * as Metric from "effect/Metric"
import * as NtStatus from "../Codec/NtStatus.ts"

/**
 * The metrics of one name.
 *
 * @category models
 * @since 0.2.0
 */
export interface MetricFamily<M extends Metric.Metric<any, any> = Metric.Metric<any, any>> {
  readonly name: string
  readonly type: "counter" | "gauge" | "histogram"
  /** A unit of UCUM, as OpenTelemetry wants it: `By`, `ms`, or what is counted in braces. */
  readonly unit: string
  readonly labels: ReadonlyArray<string>
  readonly description: string
  /** The metric with these values of the labels, in the order of `labels`. */
  readonly of: (...values: ReadonlyArray<string>) => M
}

type About = Omit<MetricFamily, "type" | "of" | "labels"> & { readonly labels?: ReadonlyArray<string> | undefined }

type Options = { readonly description: string; readonly attributes: Record<string, string> }

/** Metrics are kept, since a request asks for them. */
const family = <M extends Metric.Metric<any, any>>(
  type: MetricFamily["type"],
  { description, labels = [], name, unit }: About,
  make: (options: Options) => M
): MetricFamily<M> => {
  const known = new Map<string, unknown>()
  const create = (values: ReadonlyArray<string>): M =>
    make({ description, attributes: { unit, ...Object.fromEntries(labels.map((label, i) => [label, values[i]!])) } })
  const of = (...values: ReadonlyArray<string>): M => {
    let level = known
    for (let i = 0; i < labels.length - 1; i++) {
      const value = values[i]!
      let next = level.get(value) as Map<string, unknown> | undefined
      if (next === undefined) level.set(value, next = new Map())
      level = next
    }
    const last = values[labels.length - 1] ?? ""
    let metric = level.get(last) as M | undefined
    if (metric === undefined) level.set(last, metric = create(values))
    return metric
  }
  return { name, type, unit, labels, description, of }
}

/**
 * Counters, which only grow.
 *
 * @category constructors
 * @since 0.2.0
 */
export const counter = (about: About): MetricFamily<Metric.Counter<number>> =>
  family("counter", about, (options) => Metric.counter(about.name, { ...options, incremental: true }))

/**
 * Gauges, whose values go up and down.
 *
 * @category constructors
 * @since 0.2.0
 */
export const gauge = (about: About): MetricFamily<Metric.Gauge<number>> =>
  family("gauge", about, (options) => Metric.gauge(about.name, options))

/**
 * Histograms of times in milliseconds, from an eighth of a millisecond to about a minute.
 *
 * @category constructors
 * @since 0.2.0
 */
export const latency = (about: Omit<About, "unit">): MetricFamily<Metric.Histogram<number>> =>
  family(
    "histogram",
    { ...about, unit: "ms" },
    (options) =>
      Metric.histogram(about.name, {
        ...options,
        boundaries: Metric.exponentialBoundaries({ start: 0.125, factor: 2, count: 20 })
      })
  )

/**
 * The constructors of a room's families. The name of each metric begins with `effect_smb_` and the room.
 *
 * @category constructors
 * @since 0.2.0
 */
export const ofRoom = (room: "client" | "server") => {
  const nameOf = (name: string) => `effect_smb_${room}_${name}`
  return {
    counter: (name: string, unit: string, description: string, labels?: ReadonlyArray<string>) =>
      counter({ name: nameOf(name), unit, description, labels }),
    gauge: (name: string, unit: string, description: string, labels?: ReadonlyArray<string>) =>
      gauge({ name: nameOf(name), unit, description, labels }),
    latency: (name: string, description: string, labels?: ReadonlyArray<string>) =>
      latency({ name: nameOf(name), description, labels })
  }
}

/**
 * An NTSTATUS as the value of a label: its name, or `OTHER` for a number that has no explanation here, so that a peer
 * cannot make a series for each number.
 *
 * @since 0.2.0
 */
export const statusLabel = (status: number): string =>
  status === 0 ? "STATUS_SUCCESS" : NtStatus.isExplained(status) ? NtStatus.name(status) : "OTHER"

/** The owners that a gauge adds up, by registry and series. */
const owners = new WeakMap<Metric.MetricRegistry, Map<string, Set<() => number>>>()

/**
 * Lets a gauge show a number that something keeps anyway. It is read only when somebody looks at the metrics, so that
 * keeping it costs nothing. Several owners in one registry are added up. Gives a function that ends this.
 *
 * @since 0.2.0
 */
export const observe = (
  family: MetricFamily<Metric.Gauge<number>>,
  context: Context.Context<never>,
  read: () => number,
  ...values: ReadonlyArray<string>
): () => void => {
  const registry = Context.get(context, Metric.MetricRegistry)
  const series = JSON.stringify([family.name, values, Context.get(context, Metric.CurrentMetricAttributes)])
  let known = owners.get(registry)
  if (known === undefined) owners.set(registry, known = new Map())
  let readers = known.get(series)
  if (readers === undefined) {
    const all = new Set<() => number>()
    readers = all
    known.set(series, all)
    const sum = () => {
      let value = 0
      for (const one of all) value += one()
      return { value }
    }
    const nothing = () => {}
    Metric.registerUnsafe(family.of(...values), context, { get: sum, update: nothing, modify: nothing })
  }
  readers.add(read)
  return () => {
    readers.delete(read)
    if (readers.size > 0) return
    known.delete(series)
    Metric.removeUnsafe(family.of(...values), context)
  }
}
