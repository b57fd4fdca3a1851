/**
 * What the parts of a server tell of the opens that an `OpenStore` keeps. `Open` is an open of a file, of which this
 * module knows nothing. `KeptOpens.ts` implements it.
 */
import type * as Effect from "effect/Effect"
import type { StoreError, StorePath } from "../../ShareStore.ts"
import type { Creating, InterruptedCreates } from "./InterruptedCreates.ts"
import type { Lease, Link } from "./OpenFiles.ts"

/** The opens that an `OpenStore` keeps. */
export interface Keeping<Open> {
  readonly size: number
  /** Whether the store does not know everything about them yet. */
  readonly behind: boolean
  /** Counts the changes: if it has not changed, no open has. */
  readonly changes: number
  readonly has: (open: Open) => boolean
  /** The open that a CREATE with this CreateGuid has made. */
  readonly find: (createGuid: string) => Open | undefined
  /** An open that the store has already is kept from now on. */
  readonly enter: (open: Open) => void
  /** An open is kept from now on: with the next `flush` the store has it. */
  readonly keep: (open: Open) => void
  /** An open is not kept any more. */
  readonly forget: (open: Open) => void
  /** As `forget`, for an open that the server does not have. */
  readonly remove: (id: bigint) => void
  // What has changed. Each does nothing for opens that are not kept.
  readonly changed: (open: Open) => void
  readonly leaseChanged: (lease: Lease<Open>) => void
  readonly linkChanged: (link: Link<Open>) => void
  readonly locksChanged: (open: Open, range: string) => void
  readonly sequencesChanged: (open: Open) => void
  /** CREATEs of an earlier server that had not been answered when it ended. */
  readonly interrupted: InterruptedCreates
  /** Notes, under a number, a CREATE that makes a file before it does so; `undefined`: it does not. */
  readonly creating: (id: bigint, creating: Creating | undefined) => Effect.Effect<void, StoreError>
  /** Notes, before a rename begins, which path it gives the opens of a link; `undefined`: it gives none. */
  readonly renaming: (link: Link<Open>, to: StorePath | undefined) => Effect.Effect<void, StoreError>
  /** A rename has given the opens of a link their new path. */
  readonly renamed: (link: Link<Open>) => void
  /** When it is done, the store knows everything that has changed before. */
  readonly flush: Effect.Effect<void, StoreError>
}
