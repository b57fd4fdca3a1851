/**
 * The life of an open from its CREATE to its CLOSE, the same in each version of the protocol: what it has changed, and
 * where a failure of the CLOSE goes.
 *
 * A server may find out only at the CLOSE that it cannot keep the data: a full disk behind a cache, a quota, a deletion
 * that the file system refuses. The status of the CLOSE therefore belongs to the operations before it. `close` fails
 * with it. The finalizers of a scope have no typed failures: if the scope closes an open that has changed something,
 * the scope ends with the failure as a defect, as with the files of Effect's own file systems. So lost data is never
 * reported as written. If an operation on the open has already failed because the connection ended, that is not
 * reported twice.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Changes from "./Changes.ts"
import { type RequestError, SmbError } from "./Errors.ts"
import type * as Operation from "./Operation.ts"
import type * as Share from "./Share.ts"

/**
 * How a version of the protocol ends an open.
 *
 * @since 0.1.0
 */
export interface Ends {
  readonly options: Share.OpenOptions
  /** A named pipe stores nothing, so that nothing can be lost. */
  readonly isPipe: boolean
  /** Closes it, and fails with the server's error. `close` and `closeLater` are each called at most once. */
  readonly close: Effect.Effect<void, RequestError>
  /** Closes it without waiting: the owner has failed, perhaps because the server does not answer. */
  readonly closeLater: () => void
}

/**
 * An open and its end.
 *
 * @since 0.1.0
 */
export interface Open {
  readonly isClosed: () => boolean
  /** Runs an operation on it. */
  readonly run: <A>(operation: Operation.Any, effect: Effect.Effect<A, RequestError>) => Effect.Effect<A, RequestError>
  /** The same, but a failure says `sent` only of this operation (`Share.OpenFile.attempt`). */
  readonly attempt: Open["run"]
  /** Closes before the scope does, and fails with the server's error. */
  readonly close: Effect.Effect<void, RequestError>
}

/** Whether the server said that nothing was done. */
const isRefused = (exit: Exit.Exit<unknown, RequestError>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.every((reason) => Cause.isFailReason(reason) && reason.error instanceof SmbError)

/**
 * An open that closes with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (ends: Ends): Effect.Effect<Open, never, Scope.Scope> =>
  Effect.suspend(() => {
    const record = new Changes.Record()
    if (Changes.opens(ends.options)) record.note()
    /** An operation that was cut off or interrupted may also have changed something. */
    let touched = record.changed
    let closed = false
    const close = Effect.suspend(() => {
      if (closed) return Effect.void
      closed = true
      return Effect.mapError(ends.close, record.mark)
    })
    /** Whether an operation has already failed by the end of the connection, so that it need not be reported again. */
    let reported = false
    const atEnd = Effect.catch(close, (error) => {
      const isNews = error instanceof SmbError || !reported
      return touched && isNews && !ends.isPipe ? Effect.die(error) : Effect.void
    })
    const changing = <A>(effect: Effect.Effect<A, RequestError>) =>
      Changes.recorded((own) =>
        effect.pipe(
          Effect.mapError(own.mark),
          Effect.onExit((exit) => {
            if (own.changed) record.note()
            const refused = isRefused(exit)
            touched ||= own.changed || !refused
            reported ||= Exit.isFailure(exit) && !refused
            return Effect.void
          })
        )
      )
    const open: Open = {
      isClosed: () => closed,
      attempt: (operation, effect) => Changes.operation(operation) ? changing(effect) : effect,
      run: (operation, effect) =>
        Changes.operation(operation)
          ? Effect.mapError(changing(effect), record.mark)
          // A flush, which makes the changes durable, is part of them.
          : operation._tag === "Flush"
          ? Effect.mapError(effect, record.mark)
          : effect,
      close
    }
    return Effect.as(
      Effect.addFinalizer((exit) =>
        Exit.isSuccess(exit) ? atEnd : Effect.sync(() => {
          if (closed) return
          closed = true
          ends.closeLater()
        })
      ),
      open
    )
  })

/**
 * The results of a batch; `Share.batch` gives each the type of its operation.
 *
 * @since 0.1.0
 */
export interface Batched {
  readonly opened: Share.Opened
  readonly results: any
}

/**
 * Whether a failure of the CLOSE at the end of a batch is the batch's own failure: the batch was to change something,
 * and no operation has failed before. Otherwise an earlier failure is the better reason, or nothing can be lost.
 *
 * @since 0.1.0
 */
export const closeCounts = (
  options: Share.OpenOptions,
  operations: ReadonlyArray<Operation.Any>,
  results: ReadonlyArray<Result.Result<unknown, unknown>>
): boolean => Changes.batch(options, operations) && results.every(Result.isSuccess)

/**
 * Runs a batch one operation after the other, and closes.
 *
 * @since 0.1.0
 */
export const batch = Effect.fnUntraced(function*(
  file: Share.OpenFile,
  options: Share.OpenOptions,
  operations: ReadonlyArray<Operation.Any>
): Effect.fn.Return<Batched, RequestError> {
  const results: Array<Result.Result<unknown, RequestError>> = []
  for (const operation of operations) {
    const result = yield* Effect.result(file.run(operation) as Effect.Effect<unknown, RequestError>)
    if (Result.isFailure(result) && result.failure._tag !== "SmbError") return yield* result.failure
    results.push(result)
  }
  yield* closeCounts(options, operations, results) ? file.close : Effect.ignore(file.close)
  return { opened: file.opened, results }
})
