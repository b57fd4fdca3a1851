/** The `OpenStore` of a server that starts: whether it can be used, and the opens of an earlier server in it. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { type Change, type OpenStore, OpenStoreError } from "../../OpenStore.ts"
import { type StoreError, storeError } from "../../ShareStore.ts"
import type { Share } from "./Model.ts"
import * as OpenRecord from "./OpenRecord.ts"

/** The opens of an earlier server, and how the changes of opens are written. */
export interface ClaimedOpens {
  /** What the store is, for messages. */
  readonly place: string
  readonly records: OpenRecord.Records
  readonly commit: (changes: ReadonlyArray<Change>) => Effect.Effect<void, StoreError>
}

/** Takes the store, until the scope closes. `undefined` without a store, if no share needs one. */
export const claim = Effect.fnUntraced(function*(
  shares: Iterable<Share>,
  store: OpenStore["Service"] | undefined
): Effect.fn.Return<ClaimedOpens | undefined, OpenStoreError, Scope.Scope> {
  for (const { name: share, options, volume } of shares) {
    if (options.continuousAvailability !== true) continue
    if (store === undefined) return yield* new OpenStoreError({ reason: { _tag: "NoOpenStore", share } })
    if (volume.supports.lastingIdentities !== true) {
      return yield* new OpenStoreError({ reason: { _tag: "ShareStoreUnsuitable", share } })
    }
  }
  if (store === undefined) return undefined
  const { commit, entries, place } = yield* store.claim
  const decoded = OpenRecord.decode(entries)
  if (Result.isFailure(decoded)) return yield* new OpenStoreError({ reason: { ...decoded.failure, store: place } })
  return {
    place,
    records: decoded.success,
    commit: (changes) => Effect.mapError(commit(changes), (error) => storeError("Failed", error))
  }
})

const low = (id: bigint): bigint => id & 0xffff_ffffn

/**
 * The first number for the opens of a server. A client must not take an open of this server for one of an earlier
 * server, so the high half is `part`, a number that no other server is likely to have. Lists of open files show the low
 * half (MS-SRVS 2.2.2.7), which restored opens must not share.
 */
export const firstOpen = (part: bigint, records: OpenRecord.Records | undefined): bigint =>
  (part << 32n) + 1n +
  [...records?.opens ?? [], ...records?.interrupted ?? []].reduce((most, { id }) => low(id) > most ? low(id) : most, 0n)
