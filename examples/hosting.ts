import { Effect, SubscriptionRef } from "effect"
import type * as Namespace from "../src/Dfs/Namespace.ts"
import type { ShareOptions } from "../src/Server/ShareState.ts"
import * as SmbServer from "../src/Server/SmbServer.ts"
import type { Users } from "../src/Server/UserStore.ts"

/** A server whose namespace changes while it runs. */
export const hosting = Effect.fnUntraced(function*(users: Users, folder: ShareOptions) {
  const namespaces = yield* SubscriptionRef.make<Namespace.Namespace>({ roots: { public: { links: {} } } })
  yield* SmbServer.make({ port: 4455, users, shares: { public: folder }, namespaces })
  // Later: sessions stay, the next look sees it.
  yield* SubscriptionRef.update(namespaces, ({ roots }) => ({
    roots: { ...roots, public: { links: { plans: ["\\\\nas1\\plans"] } } }
  }))
})
