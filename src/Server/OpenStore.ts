/**
 * The place that keeps the persistent opens of a server (MS-SMB2 3.3.1.10, Open.IsPersistent), so that a server that
 * starts after it gives them back to their clients: with their locks, their leases and oplocks, their pending
 * deletions, and the requests that clients may repeat.
 *
 * A store knows nothing of opens. It keeps short texts, each under the number of an open and the name of a part, and
 * changes several of them in one step. No text holds a key of a session or a password.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

const ofShare = {
  /** The name of the share. */
  share: Schema.String
}

/** What the store is, in words: a path, or `memory`. */
const ofStore = { store: Schema.String }

/**
 * Why persistent opens cannot be kept.
 *
 * @category models
 * @since 0.2.0
 */
export const OpenStoreReason = Schema.TaggedUnion({
  NoOpenStore: ofShare,
  ShareStoreUnsuitable: ofShare,
  InUse: ofStore,
  NotPrivate: ofStore,
  OtherVersion: ofStore,
  Damaged: {
    ...ofStore,
    /** What is wrong, in words. */
    detail: Schema.String
  },
  Failed: {
    ...ofStore,
    /** For the server's log. Clients do not get it. */
    cause: Schema.Defect()
  }
})
export type OpenStoreReason = typeof OpenStoreReason.Type

/**
 * Persistent opens cannot be kept.
 *
 * - `NoOpenStore`: a share is continuously available, and the server has no `OpenStore`.
 * - `ShareStoreUnsuitable`: the files of that share cannot be recognized after a restart (`lastingIdentities` of
 *   `StoreVolume.supports`).
 * - `InUse`: another server uses the store.
 * - `NotPrivate`: users other than the user of this process and root can read or change it.
 * - `OtherVersion`: another version of this package wrote its content, and this version cannot read it.
 * - `Damaged`: its content is not valid.
 * - `Failed`: it cannot be read or written, such as when its disk is full.
 *
 * @category errors
 * @since 0.2.0
 */
export class OpenStoreError extends Schema.TaggedError<OpenStoreError>()("OpenStoreError", {
  reason: OpenStoreReason
}) {
  override get message(): string {
    return OpenStoreReason.match(this.reason, {
      NoOpenStore: ({ share }) =>
        `the share ${share} is to be continuously available, and the server has no place to keep its opens: give it an ` +
        "OpenStore, or leave continuousAvailability out",
      ShareStoreUnsuitable: ({ share }) =>
        `the share ${share} cannot be continuously available: the server could not recognize its files after a ` +
        "restart. Serve a folder on a file system that keeps the numbers of its files, such as ext4, XFS or Btrfs",
      InUse: ({ store }) =>
        `the opens in ${store} belong to another server, which still runs: stop it, or give each server its own store`,
      NotPrivate: ({ store }) =>
        `other users can read or change the opens in ${store}, and could take files that clients have open: ` +
        "`chmod 600` the file, and `chown` it to the user of the server",
      OtherVersion: ({ store }) =>
        `the opens in ${store} were written by another version of this package: start that version once more, or ` +
        "remove them, and clients lose the files that they had open",
      Damaged: ({ detail, store }) =>
        `the opens in ${store} are damaged (${detail}): restore them from a copy, or remove them, and clients lose the ` +
        "files that they had open",
      Failed: ({ cause, store }) =>
        `the opens in ${store} cannot be read or written${cause instanceof Error ? `: ${cause.message}` : ""}`
    })
  }
  /** The failure behind `Failed`. */
  override get cause(): unknown {
    return this.reason._tag === "Failed" ? this.reason.cause : undefined
  }
}

/**
 * One text of the store.
 *
 * @category models
 * @since 0.2.0
 */
export interface Entry {
  /** The number of the open: a whole number from 0 to 2^63 - 1. */
  readonly open: bigint
  /** The name of the part of the open; at most one entry of an open has that name. */
  readonly part: string
  readonly value: string
}

/**
 * One change of the store. With a `value`, the part has that value from now on. Without a `value`, the part is gone.
 * Without a `part`, the open is gone with all its parts.
 *
 * @category models
 * @since 0.2.0
 */
export interface Change {
  readonly open: bigint
  readonly part?: string | undefined
  readonly value?: string | undefined
}

/**
 * The store in the hands of one server.
 *
 * @category models
 * @since 0.2.0
 */
export interface Claimed {
  /** What the store is, for messages: a path, or `memory`. */
  readonly place: string
  /** What the store has when the server begins. */
  readonly entries: ReadonlyArray<Entry>
  /**
   * Makes the changes in their order, all of them or none. When it is done, they outlive the process. The server makes
   * one call after the other, and repeats the changes of a call that has failed.
   */
  readonly commit: (changes: ReadonlyArray<Change>) => Effect.Effect<void, OpenStoreError>
}

/**
 * A place that keeps persistent opens.
 *
 * @category services
 * @since 0.2.0
 */
export class OpenStore extends Context.Service<OpenStore, {
  /** Reads the store. Until the scope closes, it belongs to this server: it fails with `InUse` for any other one. */
  readonly claim: Effect.Effect<Claimed, OpenStoreError, Scope.Scope>
}>()("effect-smb/Server/OpenStore") {}

/**
 * A store in memory, for tests: opens outlive the server, and end with the process.
 *
 * @category constructors
 * @since 0.2.0
 */
export const inMemory = (): OpenStore["Service"] => {
  const opens = new Map<bigint, Map<string, string>>()
  let claimed = false
  const apply = ({ open, part, value }: Change): void => {
    if (part === undefined) {
      opens.delete(open)
      return
    }
    const parts = opens.get(open) ?? new Map<string, string>()
    if (value === undefined) parts.delete(part)
    else parts.set(part, value)
    if (parts.size === 0) opens.delete(open)
    else opens.set(open, parts)
  }
  return {
    claim: Effect.map(
      Effect.acquireRelease(
        Effect.suspend(() => {
          if (claimed) return Effect.fail(new OpenStoreError({ reason: { _tag: "InUse", store: "memory" } }))
          claimed = true
          return Effect.void
        }),
        () =>
          Effect.sync(() => {
            claimed = false
          })
      ),
      () => ({
        place: "memory",
        entries: [...opens].flatMap(([open, parts]) => [...parts].map(([part, value]) => ({ open, part, value }))),
        commit: (changes) => Effect.sync(() => changes.forEach(apply))
      })
    )
  }
}

/**
 * `inMemory` as a layer.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerInMemory: Layer.Layer<OpenStore> = Layer.sync(OpenStore, inMemory)
