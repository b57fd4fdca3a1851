/** What a failed request is answered: the status of HTTP, and words for a person. Pure. */
import * as Duration from "effect/Duration"
import * as ClientError from "../../Client/ClientError.ts"
import { refusesAccount, type TransportError } from "../../Protocol/Errors.ts"
import { oneLine } from "../Failure.ts"

/** Why a request gets no file and no listing. */
export interface Refusal {
  readonly status: number
  readonly title: string
  readonly message: string
}

/** No entry has this path. */
export const missing = (path: string): Refusal => ({
  status: 404,
  title: "Not found",
  message: `${path} does not exist. Go back to the folder above, and look for the name there.`
})

/** The path of the request is not a path. */
export const malformed: Refusal = {
  status: 400,
  title: "Bad request",
  message: "The path in this address is not written as URLs are: a % is not followed by two digits of UTF-8."
}

/** The request names the server more than once. */
export const severalHosts: Refusal = {
  status: 400,
  title: "Bad request",
  message: "The request has more than one Host header, so that it is not clear which server it is for. Send one."
}

/** Only reading is possible. */
export const otherMethod = (method: string): Refusal => ({
  status: 405,
  title: "Read-only",
  message: `This server only shows files: it answers GET and HEAD, and not ${method}.`
})

/** The name in the address belongs to another site. */
export const otherHost = (host: string): Refusal => ({
  status: 421,
  title: "Not the name of this server",
  message: `The address names this server ${host}, and it does not answer to that name: another site could use it to ` +
    `read the share through your browser. Start "effect-smb serve http" with --allow-name ${host} if the name is right.`
})

/** The file server takes too long. `path` is the path that was asked for. */
export const late = (path: string, limit: Duration.Duration): Refusal => ({
  status: 504,
  title: "The file server does not answer",
  message:
    `There was no answer about ${path} within ${Duration.toSeconds(limit)} seconds. The server may be starting, its ` +
    "disk may be waking up, or the network is interrupted. Load the page again in a while."
})

/** A server that may be there again in a while. */
const passing: ReadonlySet<string> = new Set<TransportError["reason"]["_tag"]>([
  "ConnectionRefused",
  "ConnectionClosed",
  "ConnectionFailed",
  "HostUnreachable"
])

/** What an error of the client means for the request. `path` is the path that was asked for. */
export const of = (error: ClientError.ClientError, path: string): Refusal => {
  const message = oneLine(error.message)
  if (error._tag === "SmbError") {
    // A file is no folder: what was asked for does not exist.
    if (error.reason._tag === "NotADirectory" || ClientError.isNotFound(error)) return missing(path)
    if (error.reason._tag === "ObjectNameInvalid") return missing(path)
    if (refusesAccount(error)) return { status: 502, title: "The file server refuses the logon", message }
    if (error.reason._tag === "StoppedOnSymlink") return { status: 403, title: "The link leads elsewhere", message }
    if (ClientError.isPermission(error)) return { status: 403, title: "No permission", message }
    if (ClientError.isTransient(error)) return { status: 503, title: "Not available now", message }
    return { status: 502, title: "The file server refuses this", message }
  }
  if (error._tag === "PathError") return missing(path)
  if (error._tag === "TransportError" && error.reason._tag === "TimedOut") {
    return { status: 504, title: "The file server does not answer", message }
  }
  if (error._tag === "TransportError" && passing.has(error.reason._tag)) {
    return { status: 503, title: "The file server cannot be reached", message }
  }
  if (error._tag === "DfsError" && error.reason._tag === "NamespaceNotFound") return missing(path)
  return { status: 502, title: "The file server cannot be used", message }
}
