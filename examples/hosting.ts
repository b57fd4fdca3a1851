import { Effect, SubscriptionRef } from "effect"
import { type Namespace, type ShareStore, SmbServer, type UserStore } from "effect-smb"

/** A server whose namespace changes while it runs. */
export const hosting = Effect.fnUntraced(function*(users: UserStore.Users, folder: ShareStore.ShareStore) {
  const namespaces = yield* SubscriptionRef.make<Namespace.Namespace>({ roots: { public: { links: {} } } })
  yield* SmbServer.make({ port: 4455, users, shares: { public: folder }, namespaces })
  // Later: sessions stay, the next look sees it.
  yield* SubscriptionRef.update(namespaces, ({ roots }) => ({
    roots: { ...roots, public: { links: { plans: ["//nas1/plans"] } } }
  }))
})
