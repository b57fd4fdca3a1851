/**
 * Makes each operation one unit for its caller, no matter how many requests it takes: if the connection breaks after
 * the operation has changed something, its `TransportError` says `sent`.
 */
import type * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Changes from "../../Protocol/Changes.ts"
import type { Operations } from "../Operations.ts"

const whole = <Args extends ReadonlyArray<any>, A, E, R>(
  operation: (...args: Args) => Effect.Effect<A, E, R>
): (...args: Args) => Effect.Effect<A, E, R> =>
(...args) => Changes.whole(operation(...args))

/** The same for a sink. */
export const sink = <A, In, L, E, R>(self: Sink.Sink<A, In, L, E, R>): Sink.Sink<A, In, L, E, R> =>
  Sink.fromTransform((upstream, scope) => Changes.whole(self.transform(upstream, scope)))

/**
 * All operations; each one that changes something has its own record.
 *
 * @category combinators
 */
export const operations = (each: Operations): Operations => ({
  ...each,
  writeFile: whole(each.writeFile),
  sink: (path, options) => sink(each.sink(path, options)),
  writeFrom: (path, fill, options) => Changes.whole(each.writeFrom(path, fill, options)),
  makeDirectory: whole(each.makeDirectory),
  remove: whole(each.remove),
  rename: whole(each.rename),
  copy: whole(each.copy),
  setAttributes: whole(each.setAttributes),
  truncate: whole(each.truncate),
  makeLink: whole(each.makeLink),
  security: { ...each.security, set: whole(each.security.set) }
})
