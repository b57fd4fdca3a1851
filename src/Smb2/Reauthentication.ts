/**
 * Authenticates the user of a session again when the server says that the session has expired (MS-SMB2 3.2.5.1.6). The
 * session keeps its SessionId, its keys, its trees and its opens. A server has carried out nothing of a request that it
 * refuses with STATUS_NETWORK_SESSION_EXPIRED, so the request is sent again afterwards.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { AuthenticationError } from "../Auth/AuthenticationError.ts"
import { NtStatus } from "../Codec/NtStatus.ts"
import { type RequestError, type SmbError, withDetail } from "../Protocol/Errors.ts"
import type { Reply } from "./Connection.ts"

/** How often a server may refuse one request in this way. */
const most = 3

/** Why the user could not authenticate again. */
type Failure = RequestError | AuthenticationError

/**
 * The reauthentications of one session, one at a time: all requests that are refused wait for the same one.
 *
 * @category models
 * @since 0.2.0
 */
export class Reauthentication {
  /** How many have succeeded. */
  count = 0
  private failure: Failure | undefined
  /** The one that is under way. */
  private running: Fiber.Fiber<void, Failure> | undefined
  private readonly again: Effect.Effect<void, Failure>

  constructor(again: Effect.Effect<void, Failure>) {
    this.again = again
  }

  /**
   * Authenticates again, if no request has done so since `seen` of them had succeeded. A session whose user could not
   * authenticate again is over. What was begun goes on if a request stops waiting: the server would take the first
   * token of another attempt for the next one of this.
   */
  since(seen: number): Effect.Effect<void, Failure> {
    return Effect.suspend(() => {
      if (this.failure !== undefined) return Effect.fail(this.failure)
      if (this.count > seen) return Effect.void
      return this.running === undefined
        ? Effect.flatMap(this.begin, (fiber) => Fiber.join(fiber))
        : Fiber.join(this.running)
    })
  }

  private readonly begin = Effect.suspend(() =>
    Effect.map(
      Effect.forkDetach(
        Effect.matchEffect(this.again, {
          onFailure: (failure) => {
            this.running = undefined
            this.failure = failure
            return Effect.fail(failure)
          },
          onSuccess: () => {
            this.running = undefined
            this.count++
            return Effect.void
          }
        })
      ),
      (fiber) => {
        // It may have ended already.
        if (fiber.pollUnsafe() === undefined) this.running = fiber
        return fiber
      }
    )
  )
}

/**
 * The owner of a request: the tree, whose session may be able to authenticate again.
 *
 * @since 0.2.0
 */
export interface Owner {
  readonly session: { readonly reauthentication: Reauthentication | undefined }
  readonly onLost: (what: "session") => void
}

/**
 * Whether the server refused a request because the session has expired.
 *
 * @since 0.2.0
 */
export const isNeeded = ({ header }: Reply): boolean => header.status === NtStatus.STATUS_NETWORK_SESSION_EXPIRED

/**
 * How often the user of a session has authenticated again: a request notes it before it is sent.
 *
 * @since 0.2.0
 */
export const countOf = ({ session: { reauthentication } }: Pick<Owner, "session">): number =>
  reauthentication?.count ?? 0

/**
 * Sends a request again after the server has refused it for the time number `refusals`. `seen`: `countOf` before it was
 * sent. Otherwise the session is lost, and the result is the refusal.
 *
 * @since 0.2.0
 */
export const resend = <A, R = never>(
  owner: Owner,
  seen: number,
  refusals: number,
  refusal: () => SmbError,
  send: (refusals: number) => Effect.Effect<A, RequestError, R>
): Effect.Effect<A, RequestError, R> => {
  const lost = (detail: string | undefined) => {
    owner.onLost("session")
    return Effect.fail(withDetail(refusal(), detail))
  }
  return Effect.suspend((): Effect.Effect<A, RequestError, R> => {
    const { reauthentication } = owner.session
    if (reauthentication === undefined) return lost(undefined)
    if (refusals > most) {
      return lost(`the user has authenticated again ${most} times for this one request: the server is at fault`)
    }
    return Effect.matchEffect(reauthentication.since(seen), {
      onFailure: (failure) => lost(`to authenticate again failed: ${failure.message}`),
      onSuccess: () => send(refusals)
    })
  })
}
