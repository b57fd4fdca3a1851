/** One run of a transfer: its counts, and how its events reach the caller. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type * as FileReplacement from "../../Client/FileReplacement.ts"
import { concernsOne, Incomplete } from "../Incomplete.ts"
import type { EntryError, Progress, TransferEvent, Warning } from "../TransferEvent.ts"

/** An event without the counts. */
export type Happening = TransferEvent extends infer Event ? Event extends unknown ? Omit<Event, "progress"> : never
  : never

/** A file that is being copied. */
export interface File {
  /** Adds this many bytes. */
  readonly advance: (count: number) => Effect.Effect<void>
}

/** Gives events to the consumer, and waits for it. */
export type Emit = (events: ReadonlyArray<TransferEvent>) => Effect.Effect<unknown>

/** The state of a run, and its events. */
export class Run {
  failures = 0
  /** What this run has copied, without what was at the target before. */
  readonly moved = { files: 0, bytes: 0 }
  private readonly done = { files: 0, bytes: 0 }
  private readonly total = { files: 0, bytes: 0 }
  private isTotalKnown = false
  private readonly emit: Emit

  constructor(emit: Emit) {
    this.emit = emit
  }

  private progress(): Progress {
    return { done: { ...this.done }, total: { ...this.total }, isTotalKnown: this.isTotalKnown }
  }

  private withProgress(event: Happening): TransferEvent {
    return { ...event, progress: this.progress() } as TransferEvent
  }

  tell(event: Happening): Effect.Effect<void> {
    return Effect.suspend(() => Effect.asVoid(this.emit([this.withProgress(event)])))
  }

  warn(warning: Warning): Effect.Effect<void> {
    return this.tell({ _tag: "Warned", warning })
  }

  /** How the replacement of a file on a server tells this run. */
  get replacing(): FileReplacement.Options {
    return { tell: (warning) => this.warn(warning), hint: "--in-place writes into the file itself" }
  }

  /** Adds a found file to the total. */
  found(size: bigint | undefined): void {
    this.total.files++
    this.total.bytes += Number(size ?? 0n)
  }

  /** One file is all that there is to copy. */
  only(size: bigint | undefined): void {
    this.total.files = 1
    this.total.bytes = Number(size ?? 0n)
    this.isTotalKnown = true
  }

  /** Everything to copy has been found. */
  scanned(): void {
    this.isTotalKnown = true
  }

  /** A file is at the target without a copy. */
  skipped(size: bigint): void {
    this.done.files++
    this.done.bytes += Number(size)
  }

  /** A file begins, and ends with the scope; `offset` bytes of it were there before. */
  file(from: string, to: string, size: number | undefined, offset = 0): Effect.Effect<File, never, Scope.Scope> {
    let counted = 0
    const count = (bytes: number) =>
      Effect.sync(() => {
        counted += bytes
        this.done.bytes += bytes
      })
    return Effect.addFinalizer((exit) =>
      // What a failed copy has brought does not count: another attempt counts it again.
      Exit.isFailure(exit) ? count(-counted) : Effect.void
    ).pipe(
      Effect.andThen(count(offset)),
      Effect.andThen(this.tell({ _tag: "Started", from, to, size, offset })),
      Effect.as({
        advance: (bytes: number) => {
          this.moved.bytes += bytes
          return Effect.andThen(count(bytes), this.tell({ _tag: "Moved", from, to, count: bytes }))
        }
      })
    )
  }

  /** Copies a file that arrives as a whole: it counts when it is at its place. */
  whole<A, E, R>(from: string, to: string, length: number, copy: Effect.Effect<A, E, R>): Effect.Effect<void, E, R> {
    return this.tell({ _tag: "Started", from, to, size: length, offset: 0 }).pipe(
      Effect.andThen(copy),
      Effect.andThen(Effect.suspend(() => {
        this.moved.bytes += length
        this.done.bytes += length
        const moved = this.withProgress({ _tag: "Moved", from, to, count: length })
        this.moved.files++
        this.done.files++
        return Effect.asVoid(
          this.emit([moved, this.withProgress({ _tag: "Copied", from, to, size: BigInt(length) })])
        )
      }))
    )
  }

  /** A file is complete at its place. */
  copied(from: string, to: string, size: bigint): Effect.Effect<void> {
    this.done.files++
    this.moved.files++
    return this.tell({ _tag: "Copied", from, to, size })
  }

  /** Counts and tells the failure of one entry. */
  fail(path: string, error: EntryError): Effect.Effect<void> {
    this.failures++
    return this.tell({ _tag: "Failed", path, error })
  }

  /** Tells a failure that concerns one entry, and goes on with `otherwise`; all other failures end the transfer. */
  alone<A, E extends EntryError, R>(
    path: string,
    effect: Effect.Effect<A, E, R>,
    otherwise: A
  ): Effect.Effect<A, E, R> {
    return Effect.catchIf(effect, concernsOne, (error) => Effect.as(this.fail(path, error), otherwise))
  }

  /** The end of the run: fails if entries failed. */
  end(what: Incomplete["what"]): Effect.Effect<void, Incomplete> {
    return Effect.suspend(() =>
      this.failures > 0 ? Effect.fail(new Incomplete({ failures: this.failures, what })) : Effect.void
    )
  }
}
