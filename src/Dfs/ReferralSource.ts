/**
 * Asking a server for a referral: the control codes, and what each status means.
 *
 * The client sends the IOCTL to a server's IPC$, behind `ReferralSource`. `DfsResolution` decides which server to ask
 * for which path, and `DfsResolver` decides when to ask.
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import type { AuthenticationError } from "../Auth/AuthenticationError.ts"
import { NtStatus } from "../Codec/NtStatusCode.ts"
import {
  Malformed,
  NamespaceNotFound,
  type NoReferral,
  NotDfsCapable,
  Overflow,
  type ReferralError,
  ReferralRefused,
  ReferralUnavailable,
  Unsupported
} from "../Protocol/DfsError.ts"
import type { RequestError, SmbError } from "../Protocol/Errors.ts"
import * as DfsMetrics from "./DfsMetrics.ts"
import { ReferralBuffer } from "./DfsPolicy.ts"
import type { ReferralKind } from "./DfsStep.ts"
import { encodeReferralRequest, encodeReferralRequestEx } from "./ReferralRequest.ts"
import { decodeReferralResponse, type ReferralResponse } from "./ReferralResponse.ts"

/**
 * FSCTL codes of referral requests (MS-FSCC 2.3.16, 2.3.17).
 *
 * @since 0.1.0
 */
export const ControlCode = {
  FSCTL_DFS_GET_REFERRALS: 0x00060194,
  FSCTL_DFS_GET_REFERRALS_EX: 0x000601b0
} as const

/**
 * One IOCTL on a server's IPC$, with FileId all 0xFF. `maxOutput` is in bytes.
 *
 * @since 0.1.0
 */
export interface ReferralIoctl {
  readonly controlCode: number
  readonly input: Uint8Array
  readonly maxOutput: number
  /** The domain of the server, if it is known. */
  readonly domain?: string | undefined
  /** The timeout of the IOCTL, counted from the logon. Default: that of any request. */
  readonly limit?: Duration.Input | undefined
}

/**
 * The errors of reaching a server's IPC$.
 *
 * @since 0.1.0
 */
export type SourceError = RequestError | AuthenticationError

/**
 * Sends an IOCTL to a server's IPC$, over a connection that is shared with other work, without the DFS flag. Every
 * status except success is a failure, also STATUS_BUFFER_OVERFLOW: an `SmbError` of command `IOCTL`. If the user is
 * logged on, and the server then refuses IPC$ or does not answer, the failure is `ReferralUnavailable`. A server that has
 * said in its NEGOTIATE response that it does not support DFS is not asked: `NotDfsCapable`. The caller owns the returned
 * bytes.
 *
 * @category services
 * @since 0.1.0
 */
export class ReferralSource extends Context.Service<ReferralSource, {
  readonly ioctl: (
    server: string,
    request: ReferralIoctl
  ) => Effect.Effect<Uint8Array, SourceError | ReferralUnavailable | NotDfsCapable>
}>()("effect-smb/Dfs/ReferralSource") {}

/**
 * The typed outcome of a status in a response to a referral request.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromStatus = (status: number, request: {
  readonly server: string
  readonly path: string
  readonly size: number
}): ReferralError => {
  const { path, server, size } = request
  switch (status >>> 0) {
    case NtStatus.STATUS_BUFFER_OVERFLOW:
      return new Overflow({ server, path, size })
    case NtStatus.STATUS_FS_DRIVER_REQUIRED:
    case NtStatus.STATUS_NO_SUCH_DEVICE:
    case NtStatus.STATUS_INVALID_DEVICE_REQUEST:
    case NtStatus.STATUS_NOT_SUPPORTED:
    // The status of smbd on SMB 1, with `host msdfs = no`.
    case NtStatus.STATUS_NOT_IMPLEMENTED:
      return new NotDfsCapable({ server, path })
    case NtStatus.STATUS_NOT_FOUND:
    case NtStatus.STATUS_DFS_UNAVAILABLE:
    case NtStatus.STATUS_NO_SUCH_FILE:
      return new NamespaceNotFound({ server, path, status })
    default:
      return new ReferralRefused({ server, path, status })
  }
}

/**
 * Statuses of a server that does not know the EX control code: ask again with the plain code. smbd responds to EX with
 * FS_DRIVER_REQUIRED, though it answers the plain code.
 */
const unknownControlCode: ReadonlySet<number> = new Set([
  NtStatus.STATUS_INVALID_DEVICE_REQUEST,
  NtStatus.STATUS_NOT_SUPPORTED,
  NtStatus.STATUS_FS_DRIVER_REQUIRED,
  NtStatus.STATUS_INVALID_PARAMETER
])

/**
 * The options of `ask`.
 *
 * @since 0.1.0
 */
export interface AskOptions {
  readonly maxReferralLevel: number
  readonly siteName?: string | undefined
  readonly domain?: string | undefined
  readonly limit?: Duration.Input | undefined
  /** The kind that the metrics count. Default: `root`. */
  readonly kind?: ReferralKind | undefined
}

/**
 * Asks `server` for a referral for `path` (one leading backslash), once, with a buffer of `ReferralBuffer` bytes.
 * With a `siteName` it asks by the EX control code first.
 *
 * @category requests
 * @since 0.1.0
 */
export const ask = (
  server: string,
  path: string,
  options: AskOptions
): Effect.Effect<ReferralResponse, NoReferral | SourceError, ReferralSource> => {
  const { kind = "root" } = options
  return send(server, path, options).pipe(
    Effect.tap(() => Metric.update(DfsMetrics.successes[kind], 1)),
    Effect.tapError((error) => {
      const metric = DfsMetrics.ofError(error._tag)
      const failed = Metric.update(DfsMetrics.failures[kind], 1)
      return metric === undefined ? failed : Effect.andThen(failed, Metric.update(metric, 1))
    })
  )
}

const send = Effect.fnUntraced(function*(
  server: string,
  path: string,
  options: AskOptions
): Effect.fn.Return<ReferralResponse, NoReferral | SourceError, ReferralSource> {
  const source = yield* ReferralSource
  const size = yield* ReferralBuffer
  const { domain, kind = "root", limit, maxReferralLevel, siteName } = options
  const ioctl = (
    controlCode: number,
    input: Result.Result<Uint8Array, { readonly message: string }>
  ): Effect.Effect<Uint8Array, Unsupported | ReferralUnavailable | NotDfsCapable | SourceError> =>
    Result.isFailure(input)
      ? Effect.fail(new Unsupported({ what: input.failure.message, server, path }))
      : Effect.andThen(
        Metric.update(
          DfsMetrics.requests[controlCode === ControlCode.FSCTL_DFS_GET_REFERRALS ? "plain" : "ex"][kind],
          1
        ),
        source.ioctl(server, {
          controlCode,
          input: input.success,
          maxOutput: size,
          ...(domain === undefined ? {} : { domain }),
          ...(limit === undefined ? {} : { limit })
        })
      )
  const plain = Effect.suspend(() =>
    ioctl(
      ControlCode.FSCTL_DFS_GET_REFERRALS,
      encodeReferralRequest({ maxReferralLevel, requestFileName: path })
    )
  )
  const asked = siteName === undefined ? plain : Effect.catchIf(
    ioctl(
      ControlCode.FSCTL_DFS_GET_REFERRALS_EX,
      encodeReferralRequestEx({ maxReferralLevel, requestFileName: path, siteName })
    ),
    (error) => isAnswer(error) && unknownControlCode.has(error.status >>> 0),
    () => plain
  )
  const bytes = yield* Effect.mapError(
    asked,
    (error) => {
      if (isAnswer(error)) return fromStatus(error.status, { server, path, size })
      if (error._tag === "NotDfsCapable") return new NotDfsCapable({ server, path })
      return error._tag === "ReferralUnavailable" ? new ReferralUnavailable({ ...placed(error), path }) : error
    }
  )
  const decoded = decodeReferralResponse(bytes)
  if (Result.isSuccess(decoded)) return decoded.success
  const error = decoded.failure
  return yield* error._tag === "Malformed"
    ? new Malformed({ structure: error.structure, offset: error.offset, expected: error.expected, server, path })
    : new Unsupported({
      what: error.what,
      server,
      path,
      ...(error.offset === undefined ? {} : { offset: error.offset })
    })
})

const placed = ({ cause, detail, server }: ReferralUnavailable) => ({
  server,
  detail,
  ...(cause === undefined ? {} : { cause })
})

/** Is it the server's response to the IOCTL? Earlier failures (of the logon, of the tree) are not. */
const isAnswer = (error: { readonly _tag: string }): error is SmbError =>
  error._tag === "SmbError" && (error as SmbError).command.toUpperCase() === "IOCTL"
