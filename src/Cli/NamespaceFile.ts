/**
 * Follows the file of `serve --namespace` while the server runs: after a change the server hosts the new namespace, and
 * no session ends for it. An invalid file is reported once, and the server keeps the previous namespace.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { stat } from "node:fs/promises"
import type * as Namespace from "../Dfs/Namespace.ts"
import { oneLine } from "./Failure.ts"
import * as ServeOptions from "./ServeOptions.ts"

/** How often the file is checked. Editors put another file in its place, which a watch on the file would not see. */
const interval = "1 second"

/** A mark that changes with the file's content; empty if the file does not exist. */
const mark = (path: string): Effect.Effect<string> =>
  Effect.promise(() => stat(path).then(({ ino, mtimeMs, size }) => [ino, mtimeMs, size].join(), () => ""))

/** The namespace to host, beginning with `first`, until the scope closes. */
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
        Effect.logWarning("the namespace stays unchanged"),
        { event: "namespace refused", reason: oneLine(error.message) }
      )
    )
  )
  yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(interval)))
  return hosted
})
