/**
 * The position of an open directory's listing (MS-FSA 2.1.5.6.3), between one QUERY_DIRECTORY and the next.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as DosWildcard from "../../../Codec/DosWildcard.ts"
import type { StoreError, StoreNode } from "../../ShareStore.ts"
import * as StoreNames from "../../Store/internal/StoreNames.ts"

type Pieces = Effect.Effect<ReadonlyArray<StoreNode>, StoreError | Cause.Done>

/** How many entries a store may have read before the listing asks for them. */
const ahead = 256

/** The most names of removed entries that are kept. */
const mostGone = 4096

/** The position of an open directory's listing. */
export class DirectoryCursor {
  readonly pattern: string
  readonly matcher: DosWildcard.Matcher
  /** Whether it has shown an entry. */
  found = false
  /** Entries from the store that are in no response yet. */
  private entries: Array<StoreNode> = []
  private at = 0
  /** How many entries the store has given. */
  private count = 0
  /** Names that were removed during the listing, with `count` at that time: the store may have read them before. */
  private readonly gone = new Map<string, number>()
  /** Undefined after the store has given all entries. */
  private pieces: Pieces | undefined
  private readonly scope: Scope.Closeable

  constructor(pattern: string, first: Array<StoreNode>, pieces: Pieces, scope: Scope.Closeable) {
    this.pattern = pattern
    this.matcher = new DosWildcard.Matcher(pattern)
    this.entries = first
    this.pieces = pieces
    this.scope = scope
  }

  /** The next existing entry. It stays the next until it is `taken`. */
  get next(): StoreNode | undefined {
    return this.entries[this.at]
  }

  /** Whether the store has given all entries. */
  get ended(): boolean {
    return this.pieces === undefined
  }

  /** Asks the store for more entries. After a failure the store is not asked again. */
  more(): Effect.Effect<void, StoreError> {
    return Effect.suspend(() => {
      if (this.pieces === undefined) return Effect.void
      return Pull.catchDone(this.pieces, () => Effect.succeed(undefined)).pipe(
        Effect.tapError((error) => Effect.andThen(this.end(), Effect.sync(() => this.pieces = Effect.fail(error)))),
        Effect.flatMap((piece) => {
          this.at = 0
          this.entries = []
          if (piece === undefined) return this.end()
          this.entries = piece.filter(({ name }) => !this.gone.has(StoreNames.fold(name)))
          this.count += piece.length
          this.prune()
          return Effect.void
        })
      )
    })
  }

  taken(): void {
    this.at++
  }

  /** A name was removed: the listing does not show it any more. The name is folded. */
  forget(name: string): void {
    if (!this.ended) {
      this.gone.set(name, this.count)
      this.prune()
    }
    const at = this.entries.findIndex((entry, i) => i >= this.at && StoreNames.fold(entry.name) === name)
    if (at >= 0) this.entries.splice(at, 1)
  }

  /** The store can no longer give names that were removed long ago. */
  private prune(): void {
    for (const [name, count] of this.gone) {
      if (count + ahead >= this.count && this.gone.size <= mostGone) return
      this.gone.delete(name)
    }
  }

  /** Ends the store's part of the listing. */
  end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.pieces = undefined
      this.gone.clear()
      return Scope.close(this.scope, Exit.void)
    })
  }
}
