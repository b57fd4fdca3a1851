/**
 * Makes each operation one unit for its caller, no matter how many requests it takes: if the connection breaks after
 * the operation has changed something, its `TransportError` says `sent`.
 */
import type * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Changes from "../../Protocol/Changes.ts"
import type { Operations } from "../Operations.ts"

const recorded = <Args extends ReadonlyArray<any>, A, E, R>(
  operation: (...args: Args) => Effect.Effect<A, E, R>
): (...args: Args) => Effect.Effect<A, E, R> =>
(...args) => Changes.whole(operation(...args))

/** The same for a sink. */
const recordedSink = <A, In, L, E, R>(self: Sink.Sink<A, In, L, E, R>): Sink.Sink<A, In, L, E, R> =>
  Sink.fromTransform((upstream, scope) => Changes.whole(self.transform(upstream, scope)))

/**
 * All operations; each one that changes something has its own record.
 *
 * @category combinators
 */
export const recordEach = (each: Operations): Operations => ({
  ...each,
  writeFile: recorded(each.writeFile),
  sink: (path, options) => recordedSink(each.sink(path, options)),
  writeFrom: (path, fill, options) => Changes.whole(each.writeFrom(path, fill, options)),
  makeDirectory: recorded(each.makeDirectory),
  remove: recorded(each.remove),
  rename: recorded(each.rename),
  makeHardLink: recorded(each.makeHardLink),
  copy: recorded(each.copy),
  setAttributes: recorded(each.setAttributes),
  truncate: recorded(each.truncate),
  makeLink: recorded(each.makeLink),
  security: { ...each.security, set: recorded(each.security.set) }
})
