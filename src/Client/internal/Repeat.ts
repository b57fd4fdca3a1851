/**
 * Which operations are repeated after a lost connection: a table of the operation, its failure, and what became of the
 * open. It decides nothing by time, and sends nothing.
 *
 * - A READ, a query and a watch change nothing: they are repeated.
 * - A WRITE at an offset, and setting the size, times or rights, have the same effect twice. They are repeated on the
 *   reclaimed open. A WRITE is also repeated on a reopened file, which has proved to be the same.
 * - A LOCK is repeated on the reclaimed open if the server recognizes it by its lock sequence (MS-SMB2 3.3.5.14).
 * - A WRITE to the end of the file, a rename, a deletion, another control: only if the server surely did not get it.
 */
import * as Changes from "../../Protocol/Changes.ts"
import { type RequestError, SmbError, TransportError } from "../../Protocol/Errors.ts"
import type * as Operation from "../../Protocol/Operation.ts"
import type * as Share from "../../Protocol/Share.ts"
import * as Appending from "./Appending.ts"

/** What became of an open: the server gave it back, or the file was opened again. */
export type Recovery = "reclaimed" | "reopened"

/** The server answered that session or share is gone: it has carried out nothing. */
const refusing: ReadonlySet<string> = new Set(["UserSessionDeleted", "NetworkSessionExpired", "NetworkNameDeleted"])

const isRefusal = (error: RequestError): boolean => error instanceof SmbError && refusing.has(error.reason._tag)

/**
 * Whether an operation failed because the connection, the session or the share has ended. A request without a response
 * on a connection that lives is no loss: the server has lost the request, or does not end its work.
 */
export const isLoss = (error: RequestError, share: Share.Share): boolean => {
  if (error instanceof TransportError) {
    return share.ended === undefined ? error.reason._tag !== "TimedOut" : share.ended() !== undefined
  }
  return isRefusal(error)
}

/** FileBasicInformation, FileAllocationInformation, FileEndOfFileInformation (MS-FSCC 2.4): the same effect twice. */
const repeatable: ReadonlySet<number> = new Set([4, 19, 20])

const isRepeatable = ({ information }: Operation.SetInfo): boolean =>
  information._tag === "Security" || information._tag === "File" && repeatable.has(information.fileInformationClass)

/** Whether a failed request surely had no effect: it was not sent, or the server refused it. */
export const hadNoEffect = (operation: Operation.Any, error: RequestError): boolean => {
  if (isRefusal(error)) return true
  if (operation._tag === "Lock" || operation._tag === "Unlock") return false
  return !Changes.operation(operation) || error instanceof TransportError && error.sent !== true
}

/**
 * Whether an operation may be repeated. `recognized`: the server would recognize this LOCK or UNLOCK by its sequence.
 */
export const mayRepeat = (
  operation: Operation.Any,
  error: RequestError,
  recovery: Recovery,
  recognized: boolean
): boolean => {
  if (hadNoEffect(operation, error)) return true
  switch (operation._tag) {
    case "Write":
      return operation.offset !== Appending.endOfFile
    case "SetInfo":
      return recovery === "reclaimed" && isRepeatable(operation)
    case "Lock":
    case "Unlock":
      return recovery === "reclaimed" && recognized
    default:
      return false
  }
}
