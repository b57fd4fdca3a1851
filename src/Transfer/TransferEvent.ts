/** What a transfer tells while it runs: files that begin, move on and end, warnings, and failures of single entries. */
import type { PlatformError } from "effect/PlatformError"
import type { ClientError } from "../Client/ClientError.ts"
import type { LocalError } from "./LocalError.ts"

/**
 * How much a transfer has done, or knows of: files, and bytes of their content.
 *
 * @category models
 * @since 0.2.0
 */
export interface Amount {
  readonly files: number
  readonly bytes: number
}

/**
 * The state of the whole transfer when an event happened.
 *
 * @category models
 * @since 0.2.0
 */
export interface Progress {
  /** What is at the target: copied by this transfer, or there before. */
  readonly done: Amount
  /** What the transfer has found so far. It grows until `isTotalKnown`. */
  readonly total: Amount
  /** Whether everything to copy has been found. */
  readonly isTotalKnown: boolean
}

/**
 * Why something was not copied, or what the user should know.
 *
 * - `SymbolicLink`: a symbolic link, which is not copied: its target has no meaning elsewhere.
 * - `NoFile`: a pipe, a device or a socket, which is not copied in a tree.
 * - `IntoItself`: the folder that the copy is written to, which is not read.
 * - `Loop`: a folder that leads back to a folder above it, which is not read again.
 * - `Unfinished`: a file of an unfinished copy is left at `path`, or may be.
 * - `TimeNotKept`: the file at `path` was copied, and its server did not set the time of the original.
 * - `TriedAgain`: the copy or the removal of `path` failed for a reason that may pass, and is tried again after a pause.
 * - `TargetChanged`: a read went on at another DFS target: `move` says from where to where, and at which byte.
 * - `NotContinued`: the file at `path` has the name of a part of an upload with `resume`, and is none. The upload leaves
 *   it as it is, and sends the whole file.
 *
 * @category models
 * @since 0.2.0
 */
export interface Warning {
  readonly kind:
    | "SymbolicLink"
    | "NoFile"
    | "IntoItself"
    | "Loop"
    | "Unfinished"
    | "TimeNotKept"
    | "TriedAgain"
    | "TargetChanged"
    | "NotContinued"
  readonly path: string
  readonly message: string
  readonly move?: { readonly from: string; readonly to: string; readonly offset: bigint } | undefined
}

/**
 * Why a file was not copied: the target has the same file (`Same`), or a newer one (`Newer`), or any one (`Exists`).
 *
 * @category models
 * @since 0.2.0
 */
export type SkipReason = "Same" | "Newer" | "Exists"

/**
 * Errors of one entry, or of a transfer.
 *
 * @category errors
 * @since 0.2.0
 */
export type EntryError = ClientError | LocalError | PlatformError

/**
 * What happened. Paths are as the user wrote them, with the names below: local paths, and `\\server\share\path`. Sizes
 * and counts are bytes.
 *
 * - `Started`: a file begins. `size` is absent for a pipe; `offset` bytes of it were there before.
 * - `Moved`: `count` more bytes of the file are at the target.
 * - `Copied`: the whole file is at the target, under its name.
 * - `Skipped`: the file is not copied, for `because`.
 * - `Removed`: an entry that only the target had was removed.
 * - `Planned`: a dry run would copy or remove this.
 * - `Warned`: see `Warning`.
 * - `Failed`: one entry could not be copied or removed. The others go on.
 *
 * @category models
 * @since 0.2.0
 */
export type TransferEvent =
  & { readonly progress: Progress }
  & (
    | {
      readonly _tag: "Started"
      readonly from: string
      readonly to: string
      readonly size: number | undefined
      readonly offset: number
    }
    | { readonly _tag: "Moved"; readonly from: string; readonly to: string; readonly count: number }
    | { readonly _tag: "Copied"; readonly from: string; readonly to: string; readonly size: bigint }
    | {
      readonly _tag: "Skipped"
      readonly from: string
      readonly to: string
      readonly size: bigint
      readonly because: SkipReason
    }
    | { readonly _tag: "Removed"; readonly path: string }
    | {
      readonly _tag: "Planned"
      readonly action: "Copy" | "Remove"
      readonly path: string
      readonly to?: string | undefined
      readonly size?: bigint | undefined
    }
    | { readonly _tag: "Warned"; readonly warning: Warning }
    | { readonly _tag: "Failed"; readonly path: string; readonly error: EntryError }
  )
