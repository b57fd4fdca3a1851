/**
 * A share whose open files outlive its connections (`ReclaimedOpen`), and whose opens and batches are repeated on a new
 * connection if that changes nothing twice.
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
import { CreateOptions } from "../../Smb2/Message/Constants.ts"
import type { Target } from "../Locator.ts"
import * as DurableOptions from "./DurableOptions.ts"
import * as Pauses from "./Pauses.ts"
import * as ReclaimedOpen from "./ReclaimedOpen.ts"
import type { Patience, Reconnection } from "./Reconnection.ts"
import * as Repeat from "./Repeat.ts"
import * as SameFile from "./SameFile.ts"

/** Repeats on a share that was reached again, until the policy ends. */
const riding = <A, R>(
  { reconnection, target }: ReclaimedOpen.Environment,
  lost: Share.Share,
  cause: RequestError,
  path: string,
  use: (share: Share.Share) => Effect.Effect<A, RequestError, R>,
  mayRepeat: (error: RequestError) => boolean
): Effect.Effect<A, RequestError, R | Scope.Scope> =>
  Effect.gen(function*() {
    const unc = UncName.format(lost, lost.name, path)
    const next = yield* Pauses.make(reconnection.policy)
    let share = lost
    let error = cause
    for (;;) {
      share = yield* reconnection.again(target, share, error, unc)
      const result = yield* Effect.result(use(share))
      if (Result.isSuccess(result)) return result.success
      error = result.failure as RequestError
      if (!Repeat.isLoss(error, share) || !mayRepeat(error) || !(yield* next(error))) return yield* Effect.fail(error)
    }
  })

/** Whether an open or a batch that failed may be repeated as a whole. */
const mayRepeatBatch = (changes: boolean) => (error: RequestError): boolean =>
  !changes || error instanceof SmbError || error instanceof TransportError && error.sent !== true

/**
 * A share whose open files outlive their connection, and whose batches are repeated if they surely changed nothing.
 * `requests` is for batches and opens, `files` for
 * files that are open.
 *
 * @category constructors
 */
export const share = (
  reconnection: Reconnection,
  target: Target,
  over: Share.Share,
  patience: { readonly requests: Patience; readonly files: Patience }
): Share.Share => {
  const environment: ReclaimedOpen.Environment = { reconnection, target }
  const rides = patience.requests === "policy"
  const open = (path: string, options: Share.OpenOptions) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(Effect.scope, (outer) =>
        Effect.flatMap(Scope.fork(outer), (scope) => {
          const opening = (share: Share.Share): Effect.Effect<ReclaimedOpen.Generation, RequestError, Scope.Scope> =>
            Effect.map(ReclaimedOpen.openAsking(share, path, options), (file) => ({ number: 0, share, file, scope }))
          const work = Effect.gen(function*() {
            const first = yield* Effect.catch(opening(over), (error) =>
              rides && Repeat.isLoss(error, over) && mayRepeatOpen(options)(error)
                ? riding(environment, over, error, path, opening, mayRepeatOpen(options))
                : Effect.fail(error))
            const asksIndex = first.share.dialect === "NT1" && over.type === "disk" && DurableOptions.writes(options)
            const index = asksIndex ? yield* SameFile.index(first.file) : undefined
            const reclaimed = new ReclaimedOpen.ReclaimedOpen(environment, path, options, outer, first, index)
            const { caching, close, run } = reclaimed
            return { path: first.file.path, opened: first.file.opened, caching, run, close } satisfies Share.OpenFile
          })
          return Effect.onExit(restore(Scope.provide(work, scope)), (exit) =>
            exit._tag === "Success" ? Effect.void : Scope.close(scope, exit))
        }))
    )
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

/** FILE_CREATE: a second one would find the file of the first. */
const FILE_CREATE = 2

const mayRepeatOpen = (options: Share.OpenOptions) => (error: RequestError): boolean =>
  options.createDisposition !== FILE_CREATE && (options.createOptions & CreateOptions.FILE_DELETE_ON_CLOSE) === 0 ||
  mayRepeatBatch(true)(error)
