/** Every error that an operation of the client can fail with, by its tag, and what callers ask about it most. */
import * as Predicate from "effect/Predicate"
import type { AuthenticationError } from "../Auth/AuthenticationError.ts"
import type { ResolutionError } from "../Protocol/DfsError.ts"
import { accountReasons, type RequestError, type SmbError } from "../Protocol/Errors.ts"
import type { FileShortened } from "./FileShortened.ts"
import type { FileTooLarge } from "./FileTooLarge.ts"
import type { RemovalError } from "./RemovalError.ts"
import type { PathError } from "./UncPath.ts"

/**
 * - `SmbError`: the server refused the request; `reason` is its NTSTATUS.
 * - `TransportError`: no server answered, or the connection broke.
 * - `ProtocolError`: the peer broke the protocol or a security promise.
 * - `Malformed`: the peer's bytes cannot be decoded.
 * - `AuthenticationError`: the logon could not be completed.
 * - `FileShortened`: a file became shorter while it was read.
 * - `FileTooLarge`: a file has more bytes than the `maximum` of `readFile`.
 * - `PathError`: the path does not name a place on a share, or the operation would need two shares.
 * - `ArgumentError`: another value of the caller cannot be used, such as an offset with a fraction.
 * - `RemovalError`: the path to remove or rename is a whole share or a link, or part of a tree could not be removed.
 * - `DfsError`: a DFS path leads to no file; `Overflow`, `Unsupported`, `NotDfsCapable`: other failures of DFS. Only a
 *   client with DFS has these.
 *
 * @category errors
 * @since 0.1.0
 */
export type ClientError =
  | RequestError
  | FileShortened
  | AuthenticationError
  | FileTooLarge
  | PathError
  | RemovalError
  | ResolutionError

type Tag = ClientError["_tag"]

/** Reasons by the tag of their error. `true` stands for an error without reasons. */
type Table = {
  readonly [T in Tag]?: Extract<ClientError, { readonly _tag: T }> extends
    { readonly reason: { readonly _tag: infer R } } ? ReadonlyArray<R>
    : true
}

/** Requests that name no path: their statuses about a name are not about the path of the operation. */
const namesNoPath: ReadonlySet<unknown> = new Set(["NEGOTIATE", "SESSION_SETUP"])

/**
 * The predicate of a table. An error that stands for others is judged by them: a `RemovalIncomplete` by all failures
 * that it names, a reason of `DfsError` that is not in the table by its `cause`, except for `TargetDiffers`.
 */
const among = (table: Table, applies: (error: SmbError) => boolean) => {
  const reasons = new Map<string, true | ReadonlySet<string>>(
    Object.entries(table).map(([tag, listed]) => [tag, listed === true ? true : new Set<string>(listed)])
  )
  const test = (error: unknown): boolean => {
    if (!Predicate.hasProperty(error, "_tag") || typeof error._tag !== "string") return false
    const listed = reasons.get(error._tag)
    if (listed === true) return true
    const reason = Predicate.hasProperty(error, "reason") ? error.reason : undefined
    if (!Predicate.hasProperty(reason, "_tag") || typeof reason._tag !== "string") return false
    if (listed?.has(reason._tag) === true) return error._tag !== "SmbError" || applies(error as unknown as SmbError)
    const known = error as unknown as ClientError
    if (known._tag === "RemovalError" && known.reason._tag === "RemovalIncomplete") {
      const { failures } = known.reason
      return failures.length > 0 && failures.every((failure) => test(failure.error))
    }
    // That two targets hold different files does not pass, and its cause is only why the other target was asked.
    if (known._tag !== "DfsError" || known.reason._tag === "TargetDiffers") return false
    return "cause" in known.reason && test(known.reason.cause)
  }
  return test
}

/**
 * Whether an error says that a file, a directory on the way to it, or a share does not exist. An unknown server is a
 * `TransportError` with the reason `HostNotFound`, for which this is false. A file that is being deleted
 * (`DeletePending`) still has its name, so this is false for it too.
 *
 * @example
 * ```ts
 * const text = smb.readFileString(path).pipe(
 *   Effect.catchIf(isNotFound, () => Effect.succeed("")),
 *   Effect.retry({ while: isTransient, schedule: Schedule.exponential("1 second"), times: 5 })
 * )
 * ```
 *
 * @category guards
 * @since 0.2.0
 */
export const isNotFound: (error: unknown) => boolean = among({
  SmbError: [
    "ObjectNameNotFound",
    "ObjectPathNotFound",
    "NoSuchFile",
    "NotFound",
    "FileDeleted",
    "BadNetworkName",
    "BadNetworkPath"
  ],
  DfsError: ["NamespaceNotFound"]
}, ({ command }) => !namesNoPath.has(command))

/**
 * Whether the same operation can succeed later without a change by a person: no server answered, the connection broke,
 * the server is busy or restarts, or another program has the file open or locked. A refused account is never
 * transient, because each attempt counts against it.
 *
 * If `sent` of a `TransportError` is true, the operation may have had its effect already: an operation that must not
 * happen twice should not be repeated then.
 *
 * @category guards
 * @since 0.2.0
 */
export const isTransient: (error: unknown) => boolean = among({
  TransportError: [
    "ConnectionRefused",
    "HostUnreachable",
    // Also the answer while no name server can be reached.
    "HostNotFound",
    "TimedOut",
    "ConnectionClosed",
    "ConnectionFailed"
  ],
  SmbError: [
    // Another program has the file.
    "SharingViolation",
    "FileLockConflict",
    "LockNotGranted",
    "DeletePending",
    "FileNotAvailable",
    // The server lacks something now.
    "InsufficientResources",
    "InsuffServerResources",
    "NoMemory",
    "TooManyOpenedFiles",
    "TooManySessions",
    "RemoteSessionLimit",
    "ConnectionCountLimit",
    "RequestNotAccepted",
    "InstanceNotAvailable",
    "PipeNotAvailable",
    "PipeBusy",
    "DeviceBusy",
    "NetworkBusy",
    "ServerUnavailable",
    "ShareUnavailable",
    "SharingPaused",
    "RedirectorPaused",
    "IoTimeout",
    "Timeout",
    "Retry",
    // The server has ended the session or the share; the next operation gets new ones.
    "NetworkNameDeleted",
    "UserSessionDeleted",
    "NetworkSessionExpired",
    // The server's own connections.
    "ConnectionDisconnected",
    "ConnectionReset",
    "ConnectionAborted",
    "VirtualCircuitClosed",
    "RemoteDisconnect",
    "UnexpectedNetworkError",
    // The server reaches no domain controller.
    "NoLogonServers",
    "DomainControllerNotFound",
    "NetlogonNotStarted"
  ]
}, (error) => !(error.command === "NEGOTIATE" && error.reason._tag === "InsufficientResources"))

/**
 * Whether the account may not do this: no permission for the file or the share, a read-only file or disk, or a refused
 * logon.
 *
 * @category guards
 * @since 0.2.0
 */
export const isPermission: (error: unknown) => boolean = among({
  SmbError: [
    "AccessDenied",
    "NetworkAccessDenied",
    "PrivilegeNotHeld",
    "InvalidOwner",
    "CannotDelete",
    "MediaWriteProtected",
    "FileEncrypted",
    "ElevationRequired",
    // The logon.
    ...accountReasons,
    "LogonTypeNotGranted",
    "LogonNotGranted",
    "AuthenticationFirewallFailed"
  ],
  AuthenticationError: ["NoCredential", "InvalidCredential", "LogonRejected"]
}, () => true)
