/**
 * Opens and batches whose responses were lost with their connection: what is sent again, and in which form.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { NtStatus } from "../../Codec/NtStatus.ts"
import * as Changes from "../../Protocol/Changes.ts"
import { type RequestError, SmbError, TransportError } from "../../Protocol/Errors.ts"
import { ReconnectError } from "../../Protocol/ReconnectError.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as UncName from "../../Protocol/UncName.ts"
import { CreateDisposition, CreateOptions } from "../../Smb2/Message/Constants.ts"
import type { Target } from "../Locator.ts"
import * as DurableOptions from "./DurableOptions.ts"
import * as Pauses from "./Pauses.ts"
import type { Reconnection } from "./Reconnection.ts"
import * as Repeat from "./Repeat.ts"

/** How the share of an open is reached again. */
export interface Environment {
  readonly reconnection: Reconnection
  readonly target: Target
}

/**
 * Opens with a durable handle. A server that refuses the request because of it gets it without. A file that was open
 * before keeps its lease key (MS-SMB2 3.2.4.3.8): with another one the server would first break the lease of the lost
 * open, and wait for an acknowledgment that no client can send.
 *
 * A CREATE whose response was lost is sent again as the same one: its server gives the open that it made, if it keeps
 * that for a client in a new session. A server that keeps it for the lost session alone says so (3.3.5.9.10), and gets a
 * new CREATE with another lease.
 */
export const open = (
  share: Share.Share,
  path: string,
  options: Share.OpenOptions,
  identity: Share.CreateIdentity
): Effect.Effect<Share.OpenFile, RequestError, Scope.Scope> => {
  const asked = DurableOptions.asking(share, options, identity)
  if (asked === options) return share.open(path, options)
  const isReplay = identity.createGuid !== undefined
  return Effect.catchIf(
    share.open(path, asked),
    (error) => isReplay && isKeptForLostSession(error),
    () => {
      identity.createGuid = undefined
      // The server closes an absent open for another lease, and not for its own.
      identity.leaseKey = undefined
      return share.open(path, asked)
    }
  ).pipe(
    Effect.catchReason("SmbError", "InvalidParameter", () => share.open(path, options))
  )
}

const isKeptForLostSession = (error: RequestError): boolean =>
  error instanceof SmbError && error.status === NtStatus.STATUS_DUPLICATE_OBJECTID

const isSent = (error: RequestError): boolean => error instanceof TransportError && error.sent === true

/** The server still carries out the request that is repeated. */
const isUnderWay = (error: RequestError): boolean =>
  error instanceof SmbError && error.status === NtStatus.STATUS_FILE_NOT_AVAILABLE

/**
 * The failure of an operation that may have had its effect before `lost` ended its connection. A refusal by the server
 * cannot say so: it would be taken for a refusal of the operation.
 */
export const inDoubt = (lost: RequestError, failure: RequestError): RequestError => {
  if (failure instanceof TransportError || failure instanceof ReconnectError || !(lost instanceof TransportError)) {
    return Changes.afterChange(failure)
  }
  const { port, reason, server } = lost
  return new TransportError({
    reason,
    server,
    port,
    sent: true,
    detail: `it could not go on after that: ${failure.message}`
  })
}

/**
 * Repeats on a share that was reached again, until the policy ends. If an attempt may have had its effect, the failure
 * says so.
 */
export const riding = <A, R>(
  { reconnection, target }: Environment,
  lost: Share.Share,
  cause: RequestError,
  path: string,
  use: (share: Share.Share) => Effect.Effect<A, RequestError, R>,
  mayRepeat: (error: RequestError) => boolean
): Effect.Effect<A, RequestError, R | Scope.Scope> =>
  Effect.gen(function*() {
    const unc = UncName.format(lost, lost.name, path)
    const next = yield* Pauses.make(reconnection.policy)
    let doubted = isSent(cause) ? cause : undefined
    const again = (lost: Share.Share, cause: RequestError) =>
      Effect.mapError(reconnection.again(target, lost, cause, unc), known)
    const known = (error: RequestError) => doubted === undefined ? error : inDoubt(doubted, error)
    let share = yield* again(lost, cause)
    for (;;) {
      const result = yield* Effect.result(use(share))
      if (Result.isSuccess(result)) return result.success
      const error = result.failure as RequestError
      if (isSent(error)) doubted = error
      const isLost = Repeat.isLoss(error, share)
      if (!(isLost || isUnderWay(error)) || !mayRepeat(error) || !(yield* next(error))) {
        return yield* Effect.fail(known(error))
      }
      if (isLost) share = yield* again(share, error)
    }
  })

/** Whether an open or a batch that failed may be repeated as a whole. */
export const mayRepeatBatch = (changes: boolean) => (error: RequestError): boolean =>
  !changes || error instanceof SmbError || error instanceof TransportError && error.sent !== true

/**
 * FILE_CREATE: a second one would find the file of the first. Only a continuously available share knows for sure that it
 * is the same CREATE.
 */
export const mayRepeatOpen =
  (options: Share.OpenOptions, { continuouslyAvailable }: Share.Share) => (error: RequestError) =>
    (options.createDisposition !== CreateDisposition.FILE_CREATE || continuouslyAvailable === true) &&
      (options.createOptions & CreateOptions.FILE_DELETE_ON_CLOSE) === 0 ||
    mayRepeatBatch(true)(error)

/** A repeated FILE_CREATE that finds its name taken cannot tell by whom: then the failure of the first one stands. */
export const asFirst = <A, R>(
  opening: Effect.Effect<A, RequestError, R>,
  { createDisposition }: Share.OpenOptions,
  cause: RequestError
): Effect.Effect<A, RequestError, R> =>
  createDisposition !== CreateDisposition.FILE_CREATE || !(cause instanceof TransportError) || cause.sent !== true
    ? opening
    : Effect.catchReason(opening, "SmbError", "ObjectNameCollision", () => Effect.fail(cause))
