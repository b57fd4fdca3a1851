/**
 * The response of an open whose caller is interrupted. The server may still carry out a request that was sent: if
 * it creates the file a moment later, the file would stay, although its name was found free just before.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { Malformed } from "../../Codec/Malformed.ts"
import { ProtocolError, TransportError } from "../../Protocol/Errors.ts"

/** How long an interruption waits for the response. */
export const patience = "1 second"

/** Whether a failure leaves open if the request had its effect: no response has come that can be trusted. */
export const isUnknown = (error: unknown): boolean =>
  error instanceof TransportError
    ? error.sent === true
    : error instanceof ProtocolError || error instanceof Malformed

/** Whether the result of a request is unknown. */
export const isUnanswered = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => reason._tag === "Fail" ? isUnknown(reason.error) : reason._tag === "Interrupt")

/**
 * Opens, and runs `onOpened` with what was opened before anything can interrupt it. An interruption waits for the
 * response of the open, for at most a second. If no response has come then that can be trusted, `onUnanswered` gets
 * the failure, which is an interruption if the server has not responded at all.
 *
 * The open's scope closes after that with the interruption: `onOpened` can add finalizers to it.
 */
export const awaited = <A, E, R, R1, R2>(
  open: Effect.Effect<A, E, R>,
  onOpened: (opened: A) => Effect.Effect<void, never, R1>,
  onUnanswered: (exit: Exit.Failure<A, E>) => Effect.Effect<void, never, R2>
): Effect.Effect<A, E, R | R1 | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(
      Effect.forkChild(Effect.tap(restore(open), onOpened), { startImmediately: true, uninterruptible: true }),
      (fiber) =>
        Effect.onInterrupt(restore(Fiber.join(fiber)), () =>
          Fiber.await(fiber).pipe(
            Effect.interruptible,
            Effect.timeoutOption(patience),
            // It can have ended in the meantime.
            Effect.flatMap(Option.match({
              onNone: () => Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber)),
              onSome: Effect.succeed
            })),
            Effect.flatMap((exit) => Exit.isFailure(exit) && isUnanswered(exit) ? onUnanswered(exit) : Effect.void)
          ))
    )
  )
