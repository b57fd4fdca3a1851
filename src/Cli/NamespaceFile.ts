/**
 * The file that `serve --namespace` names, for as long as the server runs: what is written into it is hosted from then on,
 * and no session ends for it. A file that makes no sense is told of once, and what was hosted before stays.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { stat } from "node:fs/promises"
import type * as Namespace from "../Dfs/Namespace.ts"
import { oneLine } from "./Failure.ts"
import * as ServeOptions from "./ServeOptions.ts"

/** How often it is looked at. Editors put another file in its place, which a watch on the file would not see. */
const interval = "1 second"

/** What changes with its content; nothing where it is not there. */
const mark = (path: string): Effect.Effect<string> =>
  Effect.promise(() => stat(path).then(({ ino, mtimeMs, size }) => [ino, mtimeMs, size].join(), () => ""))

/** What to host, beginning with `first`, until the scope closes. */
export const follow = Effect.fnUntraced(function*(
  path: string,
  first: Namespace.Namespace
): Effect.fn.Return<SubscriptionRef.SubscriptionRef<Namespace.Namespace>, never, Scope.Scope> {
  const hosted = yield* SubscriptionRef.make(first)
  let seen = yield* mark(path)
  const look = Effect.gen(function*() {
    const now = yield* mark(path)
    if (now === seen) return
    seen = now
    const namespace = yield* ServeOptions.readNamespace(path)
    yield* SubscriptionRef.set(hosted, namespace)
    const roots = Object.keys(namespace.roots).join(", ")
    yield* Effect.annotateLogs(Effect.logInfo("the namespace has changed"), { event: "namespace", roots })
  }).pipe(
    Effect.catch((error) =>
      Effect.annotateLogs(
        Effect.logWarning("the namespace stays as it was"),
        { event: "namespace refused", reason: oneLine(error.message) }
      )
    )
  )
  yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(interval)))
  return hosted
})
