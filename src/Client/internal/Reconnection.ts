/**
 * Reaches a share again after its connection, its session or the share was lost: once for all who wait for it.
 *
 * Open files, batches and new operations of a share join the same attempt, so that a client with a hundred open files
 * makes one new connection. The first attempt comes at once, and the others after the pauses of the policy. What a
 * person has to change is not tried again: a refused account, a broken promise of security, a wrong argument.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcMap from "effect/RcMap"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { AuthenticationError } from "../../Auth/AuthenticationError.ts"
import type { RequestError } from "../../Protocol/Errors.ts"
import { ReconnectError } from "../../Protocol/ReconnectError.ts"
import type * as Share from "../../Protocol/Share.ts"
import { type ClientError, isTransient } from "../ClientError.ts"
import type { Target } from "../Locator.ts"
import type * as ReconnectNotice from "../ReconnectNotice.ts"
import { Key, lower } from "./Key.ts"
import * as Pauses from "./Pauses.ts"
import { inOwnScope } from "./TargetAttempt.ts"

type ConnectError = RequestError | AuthenticationError

/** Connects to the share of a target. */
export type Connect = (target: Target) => Effect.Effect<Share.Share, ConnectError, Scope.Scope>

/** `policy`: by the client's policy. `never`: not at all, because another target may do better. */
export type Patience = "policy" | "never"

/** What was lost, and why. */
interface Loss {
  readonly target: Target
  readonly cause: ClientError
}

/** The most shares that are remembered: one that is forgotten is only told as lost twice. */
const mostRemembered = 1024

const keyOf = <A>({ dfsName, domain, port, server, share }: Target, from: A): Key<A> =>
  new Key(
    [
      lower(server),
      String(port),
      lower(share),
      lower(domain ?? ""),
      dfsName === undefined ? "" : `${dfsName.server}\\${dfsName.share}`
    ],
    from
  )

/** Reaches shares again. */
export interface Reconnection {
  readonly policy: Pauses.Policy
  /** Connects for a new operation. It joins the attempt that goes on after a loss, and begins one after a fresh loss. */
  readonly first: (target: Target) => Effect.Effect<Share.Share, ConnectError, Scope.Scope>
  /** Connects after `lost` was lost by `cause`. `path` is the UNC path that was used, for errors. */
  readonly again: (
    target: Target,
    lost: Share.Share,
    cause: ClientError,
    path: string
  ) => Effect.Effect<Share.Share, RequestError, Scope.Scope>
  readonly tell: (notice: ReconnectNotice.Notice) => Effect.Effect<void>
}

/** A refusal of the user, for somebody who has a file open. */
const forOpenFile = (path: string) => (error: ConnectError): RequestError =>
  error._tag === "AuthenticationError"
    ? new ReconnectError({ path, reason: { _tag: "LogonRefused", cause: error } })
    : error

/**
 * @category constructors
 */
export const make = Effect.fnUntraced(function*(
  connect: Connect,
  policy: Pauses.Policy,
  tell: (notice: ReconnectNotice.Notice) => Effect.Effect<void>
): Effect.fn.Return<Reconnection, never, Scope.Scope> {
  /** The last share of each target. */
  const remembered = new Map<string, Share.Share>()
  const remember = (target: Target, share: Share.Share) => {
    const { text } = keyOf(target, undefined)
    remembered.delete(text)
    remembered.set(text, share)
    if (remembered.size > mostRemembered) remembered.delete(remembered.keys().next().value!)
  }
  const last = (target: Target) => remembered.get(keyOf(target, undefined).text)

  const connected: Connect = (target) =>
    Effect.tap(connect(target), (share) => Effect.sync(() => remember(target, share)))

  const untilBack = Effect.fnUntraced(function*(
    { cause, target }: Loss
  ): Effect.fn.Return<Share.Share, ConnectError, Scope.Scope> {
    const { port, server, share } = target
    const place: ReconnectNotice.Place = { server, port, share }
    const began = yield* Clock.currentTimeMillis
    yield* tell({ _tag: "Lost", ...place, cause })
    const next = yield* Pauses.make(policy)
    for (let attempt = 1;; attempt++) {
      yield* tell({ _tag: "Trying", ...place, attempt })
      const found = yield* Effect.result(inOwnScope(connected(target)))
      if (Result.isSuccess(found)) {
        const after = Duration.millis((yield* Clock.currentTimeMillis) - began)
        yield* tell({ _tag: "Back", ...place, attempts: attempt, after })
        return found.success
      }
      const error = found.failure as ConnectError
      if (isTransient(error) && (yield* next(error))) continue
      remembered.delete(keyOf(target, undefined).text)
      yield* tell({ _tag: "GivenUp", ...place, cause: error })
      return yield* Effect.fail(error)
    }
  })

  const attempts = yield* RcMap.make({
    idleTimeToLive: 0,
    lookup: (key: Key<Loss>) => untilBack(key.from)
  })
  let isClosed = false
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isClosed = true
    })
  )

  /** Waits until the share is back, and connects. The attempt is over when no caller waits for it any more. */
  const joined = (key: Key<Loss>): Effect.Effect<Share.Share, ConnectError, Scope.Scope> =>
    Effect.flatMap(Effect.scope, (scope) =>
      Effect.scoped(
        Effect.andThen(
          RcMap.get(attempts, key),
          Scope.provide(connected(key.from.target), scope)
        )
      ))

  const again: Reconnection["again"] = (target, lost, cause, path) =>
    Effect.suspend((): Effect.Effect<Share.Share, ConnectError, Scope.Scope> => {
      if (isClosed) return Effect.fail(cause as ConnectError)
      const known = last(target)
      // Another file has brought the share back.
      if (known !== undefined && known !== lost && known.ended?.() === undefined) return connected(target)
      return joined(keyOf(target, { target, cause }))
    }).pipe(Effect.mapError(forOpenFile(path)))

  const first: Reconnection["first"] = (target) =>
    Effect.suspend(() => {
      const isFresh = last(target)?.ended?.() === "there"
      return Effect.catch(connected(target), (error): Effect.Effect<Share.Share, ConnectError, Scope.Scope> =>
        isFresh && !isClosed && error._tag === "TransportError" && isTransient(error)
          ? joined(keyOf(target, { target, cause: error }))
          : Effect.fail(error))
    })

  return { policy, first, again, tell }
})
