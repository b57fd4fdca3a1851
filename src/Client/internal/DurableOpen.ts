/**
 * The CREATE of a file that is to outlive its connection: with a durable handle, and as the same CREATE again if its
 * response was lost.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { NtStatus } from "../../Codec/NtStatus.ts"
import * as Changes from "../../Protocol/Changes.ts"
import { type RequestError, SmbError, TransportError } from "../../Protocol/Errors.ts"
import { ReconnectError } from "../../Protocol/ReconnectError.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as DurableOptions from "./DurableOptions.ts"

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

/** The server still carries out the CREATE that is repeated. */
const isUnderWay = ({ status }: SmbError): boolean => status === NtStatus.STATUS_FILE_NOT_AVAILABLE

const isKeptForLostSession = (error: RequestError): boolean =>
  error instanceof SmbError && error.status === NtStatus.STATUS_DUPLICATE_OBJECTID

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
  return share.open(path, asked).pipe(
    // A CREATE that was refused is over: the next one is another.
    Effect.tapError((error) =>
      Effect.sync(() => {
        if (error instanceof SmbError && !isKeptForLostSession(error) && !isUnderWay(error)) {
          identity.createGuid = undefined
        }
      })
    ),
    Effect.catchIf(
      (error) => isReplay && isKeptForLostSession(error),
      () => {
        identity.createGuid = undefined
        // The server closes an absent open for another lease, and not for its own.
        identity.leaseKey = undefined
        return share.open(path, asked)
      }
    ),
    Effect.catchReason("SmbError", "InvalidParameter", () => share.open(path, options))
  )
}
