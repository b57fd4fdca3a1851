/**
 * What a store cannot do, for `StoreConformance`: it decides which tests of the kit run.
 */
import type { ShareStore, StorePath } from "../Server/ShareStore.ts"

/**
 * What a store may lack, with the words for the title of a skipped test. `link`, `mayRemove` and `readInto` are the
 * optional functions of a store.
 *
 * @since 0.1.0
 */
export const features = {
  streams: "no named streams",
  securityDescriptors: "no security descriptors",
  extendedAttributes: "no extended attributes",
  reparsePoints: "no reparse points",
  sparse: "no sparse files",
  objectIds: "no object ids",
  link: "no links",
  mayRemove: "no mayRemove",
  readInto: "no readInto"
} as const

/**
 * A feature that a store may lack.
 *
 * @category models
 * @since 0.1.0
 */
export type StoreFeature = keyof typeof features

/**
 * How another program changes the storage of a store that has `changes`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outside {
  readonly write: (path: StorePath, content: string) => void
  readonly makeDirectory: (path: StorePath) => void
  readonly remove: (path: StorePath) => void
}

/**
 * The limits of a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoreTraits {
  /** The features that the store does not have. A test fails if the store itself says otherwise. Default: none. */
  readonly lacks?: ReadonlyArray<StoreFeature> | undefined
  /** The store's resolution of times, in ticks of 100 ns. Default: 1. */
  readonly timeResolution?: bigint | undefined
  /** Whether the store keeps creation times, change times and attributes as they are set. Default: true. */
  readonly keepsMetadata?: boolean | undefined
  /** Whether this storage cannot keep a name that other storages can keep. */
  readonly cannotName?: ((name: string) => boolean) | undefined
  /** The number of files in one directory, and of files open at once, in the tests with many files. Default: 1200. */
  readonly many?: number | undefined
  /** How another program changes the files of a store that has `changes`. */
  readonly outside?: ((store: ShareStore) => Outside) | undefined
}
