/**
 * A place for immutable bytes by id: the chunks of an `ObjectStore`.
 *
 * A blob is put once, whole, and never changed, so any number of machines can read and cache it. The interface is small
 * enough for an object storage: a conditional PUT, a GET of a range, a DELETE and a listing.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Arguments from "../Protocol/Arguments.ts"
import { type StoreError, storeError } from "./ShareStore.ts"
import { FolderBlobs } from "./Store/internal/FolderBlobs.ts"
import * as Local from "./Store/internal/Local.ts"

/**
 * A blob in a listing.
 *
 * @category models
 * @since 0.2.0
 */
export interface BlobInformation {
  readonly id: string
  /** Bytes. */
  readonly size: number
}

/**
 * The operations of a `BlobStore`. An id has 32 hexadecimal digits in lower case; the caller chooses one at random.
 *
 * @category models
 * @since 0.2.0
 */
export interface Blobs {
  /**
   * Keeps `pieces`, one after the other, under a new id. `Exists` if the id is taken: a blob is never replaced. The
   * caller does not change the pieces until the effect is done.
   *
   * When it has succeeded, the blob survives the end of the process; with `durable`, a loss of power too. When it has
   * failed, a part of the bytes can exist under the id, and `remove` removes it.
   */
  readonly put: (
    id: string,
    pieces: ReadonlyArray<Uint8Array>,
    options: { readonly durable: boolean }
  ) => Effect.Effect<void, StoreError>
  /**
   * Reads from `offset` until `target` is full or the blob ends, and returns the number of bytes. `NotFound` if no such
   * blob exists. `target` belongs to the caller again when the effect is done, or was interrupted.
   */
  readonly readInto: (id: string, offset: number, target: Uint8Array) => Effect.Effect<number, StoreError>
  /** When it is done, the blobs survive a loss of power as if they had been put with `durable`. */
  readonly persist: (ids: ReadonlyArray<string>) => Effect.Effect<void, StoreError>
  /** Removes a blob. Succeeds if it does not exist. */
  readonly remove: (id: string) => Effect.Effect<void, StoreError>
  /** All blobs, in any order; new ones may be missing. */
  readonly list: Stream.Stream<BlobInformation, StoreError>
  /** Bytes in total, and bytes free. */
  readonly space: Effect.Effect<{ readonly total: bigint; readonly free: bigint }, StoreError>
}

/**
 * The service of a place for immutable bytes.
 *
 * @category services
 * @since 0.2.0
 */
export class BlobStore extends Context.Service<BlobStore, Blobs>()("effect-smb/Server/BlobStore") {}

/**
 * Blobs in memory, until the process ends: for tests. `capacity` is in bytes. Default: 1 GiB. `ArgumentError` is a
 * defect, for a capacity that cannot be used.
 *
 * @category constructors
 * @since 0.2.0
 */
export const memory = (options: { readonly capacity?: number | undefined } = {}): Effect.Effect<Blobs> =>
  Effect.sync(() => {
    Arguments.assertOptions({ capacity: [Arguments.memory, options.capacity] })
    const capacity = options.capacity ?? 1024 * 1024 * 1024
    const blobs = new Map<string, Uint8Array>()
    let used = 0
    return {
      put: (id, pieces) =>
        Effect.suspend(() => {
          if (blobs.has(id)) return Effect.fail(storeError("Exists"))
          const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
          if (used + length > capacity) return Effect.fail(storeError("Full"))
          const bytes = new Uint8Array(length)
          let at = 0
          for (const piece of pieces) {
            bytes.set(piece, at)
            at += piece.length
          }
          used += length
          blobs.set(id, bytes)
          return Effect.void
        }),
      readInto: (id, offset, target) =>
        Effect.suspend(() => {
          const bytes = blobs.get(id)
          if (bytes === undefined) return Effect.fail(storeError("NotFound"))
          const found = bytes.subarray(offset, offset + target.length)
          target.set(found)
          return Effect.succeed(found.length)
        }),
      persist: () => Effect.void,
      remove: (id) =>
        Effect.sync(() => {
          used -= blobs.get(id)?.length ?? 0
          blobs.delete(id)
        }),
      list: Stream.suspend(() =>
        Stream.fromIterable(Array.from(blobs, ([id, bytes]): BlobInformation => ({ id, size: bytes.length })))
      ),
      space: Effect.sync(() => ({ total: BigInt(capacity), free: BigInt(capacity - used) }))
    }
  })

/**
 * Blobs as the files of a folder, which is made if it does not exist, until the scope closes. The files lie in up to 256
 * folders by the first two digits of their ids, and only this user can read them.
 *
 * Fails with `AccessDenied`, `NotDirectory` or `Failed` if the folder cannot be used.
 *
 * @category constructors
 * @since 0.2.0
 */
export const folder = (path: string): Effect.Effect<Blobs, StoreError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Local.run(() => FolderBlobs.open(path)),
      (blobs) => Effect.promise(() => blobs.close())
    ),
    (blobs): Blobs => ({
      put: (id, pieces, { durable }) => Local.run(() => blobs.put(id, pieces, durable)),
      readInto: (id, offset, target) => Local.run(() => blobs.readInto(id, offset, target)),
      persist: (ids) => Local.run(() => blobs.persist(ids)),
      remove: (id) => Local.run(() => blobs.remove(id)),
      list: Stream.suspend(() => Stream.fromAsyncIterable(blobs.list(), Local.toStoreError)),
      space: Local.run(() => blobs.space())
    })
  )

/**
 * The service over `memory`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerMemory = (options?: { readonly capacity?: number | undefined }): Layer.Layer<BlobStore> =>
  Layer.effect(BlobStore, memory(options))

/**
 * The service over `folder`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerFolder = (path: string): Layer.Layer<BlobStore, StoreError> => Layer.effect(BlobStore, folder(path))
