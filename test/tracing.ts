/** A tracer that keeps the spans that it makes, in the order of their starts. */
import { Effect, Option, Tracer } from "effect"

export type Spans = ReadonlyArray<Tracer.NativeSpan>

export const make = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span(given) {
      const span = new Tracer.NativeSpan(given)
      spans.push(span)
      return span
    }
  })
  return { spans: spans as Spans, tracer }
}

/** The spans of an effect, however it ends. */
export const spansOf = <A, E, R>(run: Effect.Effect<A, E, R>): Effect.Effect<Spans, never, R> =>
  Effect.suspend(() => {
    const { spans, tracer } = make()
    return Effect.as(Effect.exit(Effect.withTracer(run, tracer)), spans)
  })

/** The name of a span, and those of its parents. */
export const lineage = (span: Tracer.AnySpan): ReadonlyArray<string> =>
  span._tag === "Span" ? [span.name, ...Option.match(span.parent, { onNone: () => [], onSome: lineage })] : []

export const attributesOf = (span: Tracer.NativeSpan | undefined): Record<string, unknown> =>
  Object.fromEntries(span?.attributes ?? [])
