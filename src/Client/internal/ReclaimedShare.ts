/**
 * A share whose open files outlive their connection (`ReclaimedOpen`), and whose opens and batches are repeated on a
 * share that was reached again, if that changes nothing twice.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Changes from "../../Protocol/Changes.ts"
import { type RequestError, SmbError, TransportError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import * as RequestArguments from "../../Protocol/RequestArguments.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import { CreateDisposition, CreateOptions } from "../../Smb2/Message/Constants.ts"
import type { Target } from "../Locator.ts"
import * as DurableOpen from "./DurableOpen.ts"
import * as DurableOptions from "./DurableOptions.ts"
import * as Pauses from "./Pauses.ts"
import { type Environment, type Generation, inTheWay, ReclaimedOpen } from "./ReclaimedOpen.ts"
import type { Patience, Reconnection } from "./Reconnection.ts"
import * as Repeat from "./Repeat.ts"
import * as SameFile from "./SameFile.ts"

const isSent = (error: RequestError): boolean => error instanceof TransportError && error.sent === true

/**
 * Repeats on a share that was reached again, until the policy ends. `obstructs`: an error that a lost request can have
 * caused itself, and that passes once the server has noticed the loss. If an attempt may have had its effect, the failure
 * says so.
 */
const riding = <A, R>(
  { reconnection, target }: Environment,
  lost: Share.Share,
  cause: RequestError,
  path: string,
  use: (share: Share.Share) => Effect.Effect<A, RequestError, R>,
  mayRepeat: (error: RequestError) => boolean,
  obstructs: (error: RequestError) => boolean = () => false
): Effect.Effect<A, RequestError, R | Scope.Scope> =>
  Effect.gen(function*() {
    const unc = UncName.format(lost, lost.name, path)
    const next = yield* Pauses.make(reconnection.policy)
    let doubted = isSent(cause) ? cause : undefined
    const known = (error: RequestError) => doubted === undefined ? error : DurableOpen.inDoubt(doubted, error)
    let share = lost
    let error = cause
    for (;;) {
      share = yield* Effect.mapError(reconnection.again(target, share, error, unc), known)
      let result = yield* Effect.result(use(share))
      while (Result.isFailure(result) && obstructs(result.failure) && (yield* next(result.failure))) {
        result = yield* Effect.result(use(share))
      }
      if (Result.isSuccess(result)) return result.success
      error = result.failure
      if (isSent(error)) doubted = error
      if (!Repeat.isLoss(error, share) || !mayRepeat(error) || !(yield* next(error))) {
        return yield* Effect.fail(known(error))
      }
    }
  })

/** Whether an open or a batch that failed may be repeated as a whole. */
const mayRepeatBatch = (changes: boolean) => (error: RequestError): boolean =>
  !changes || error instanceof SmbError || error instanceof TransportError && error.sent !== true

/** The server may have carried out the open whose response was lost, and that open is in the way of the next one. */
const obstructs = (lost: RequestError) => (error: RequestError): boolean =>
  isSent(lost) && error instanceof SmbError && inTheWay.has(error.reason._tag)

/**
 * FILE_CREATE: a second one would find the file of the first. Only a continuously available share knows for sure that it
 * is the same CREATE.
 */
const mayRepeatOpen = (options: Share.OpenOptions, { continuouslyAvailable }: Share.Share) => (error: RequestError) =>
  (options.createDisposition !== CreateDisposition.FILE_CREATE || continuouslyAvailable === true) &&
    (options.createOptions & CreateOptions.FILE_DELETE_ON_CLOSE) === 0 ||
  mayRepeatBatch(true)(error)

/** A repeated FILE_CREATE that finds its name taken cannot tell by whom: then the failure of the first one stands. */
const asFirst = <A, R>(
  opening: Effect.Effect<A, RequestError, R>,
  { createDisposition }: Share.OpenOptions,
  cause: RequestError
): Effect.Effect<A, RequestError, R> =>
  createDisposition !== CreateDisposition.FILE_CREATE || !(cause instanceof TransportError) || cause.sent !== true
    ? opening
    : Effect.catchReason(opening, "SmbError", "ObjectNameCollision", () => Effect.fail(cause))

/**
 * Wraps a share. `requests` is for batches and opens, `files` for files that are open.
 *
 * @category constructors
 */
export const share = (
  reconnection: Reconnection,
  target: Target,
  over: Share.Share,
  patience: { readonly requests: Patience; readonly files: Patience }
): Share.Share => {
  const environment: Environment = { reconnection, target }
  const rides = patience.requests === "policy"
  const open = (path: string, given: Share.OpenOptions) => {
    const options: Share.OpenOptions = { ...given, outlives: true }
    return Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.scope, (outer) =>
        Effect.flatMap(Scope.fork(outer), (scope) => {
          const identity: Share.CreateIdentity = {}
          const opening = (share: Share.Share): Effect.Effect<Generation, RequestError, Scope.Scope> =>
            Effect.map(DurableOpen.open(share, path, options, identity), (file) => ({ number: 0, share, file, scope }))
          const work = Effect.gen(function*() {
            const mayRepeat = mayRepeatOpen(options, over)
            const first = yield* Effect.catch(opening(over), (error) =>
              rides && Repeat.isLoss(error, over) && mayRepeat(error)
                ? riding(
                  environment,
                  over,
                  error,
                  path,
                  (share) =>
                    asFirst(opening(share), options, error),
                  mayRepeat,
                  obstructs(error)
                )
                : Effect.fail(error))
            const asksIndex = first.share.dialect === "NT1" && DurableOptions.writes(options)
            const index = asksIndex ? yield* SameFile.index(first.file) : undefined
            const reclaimed = new ReclaimedOpen(environment, path, options, outer, first, index)
            const { caching, close, run } = reclaimed
            return { path: first.file.path, opened: first.file.opened, caching, run, close } satisfies Share.OpenFile
          })
          return Effect.onExit(restore(Scope.provide(work, scope)), (exit) =>
            exit._tag === "Success" ? Effect.void : Scope.close(scope, exit))
        }))
    )
  }
  const batch = (path: string, options: Share.OpenOptions, operations: ReadonlyArray<Operation.Any>) => {
    return Effect.catch(over.batch(path, options, operations), (error) => {
      const mayRepeat = mayRepeatBatch(Changes.batch(options, operations))
      return Repeat.isLoss(error, over) && mayRepeat(error)
        ? Effect.scoped(
          riding(environment, over, error, path, (share) => share.batch(path, options, operations), mayRepeat)
        )
        : Effect.fail(error)
    })
  }
  if (over.type !== "disk" || patience.files === "never") return over
  // An operation on a lost open reaches no connection that could check it.
  const checked = RequestArguments.guard({ ...over, open }, (name) => UncName.format(over, over.name, name))
  return { ...over, open: checked.open, batch: rides ? batch as Share.Share["batch"] : over.batch }
}
