/** Finds out where a path leads, and what a path on a namespace means without DFS. */
import { Console, Effect, Layer } from "effect"
import { DfsAdapter, DfsPolicy, DfsResolver, SmbClient } from "effect-smb"

/** Fails with `NotDfsCapable` if a server has no DFS. */
export const Strict = DfsAdapter.layerWithoutDiscovery({ mode: "strict" }).pipe(Layer.provide(SmbClient.layer()))

export const show = Effect.fn("show")(function*(path: string) {
  const resolver = yield* DfsResolver.DfsResolver
  const { resolvedPath, status, targets } = yield* resolver.resolve(path).pipe(
    DfsPolicy.fallback(() => DfsResolver.asPlain(path)) // the policy of mode "fallback", alone
  )
  yield* Console.log(`${path} is a ${status} at ${resolvedPath}`)
  for (const target of targets) yield* Console.log(`  \\\\${target.server}\\${target.share}`)
})
