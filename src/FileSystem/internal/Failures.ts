/**
 * Errors of the client as errors of Effect's FileSystem. The tags are those that a program meets on a local disk for
 * the same cause, where a local disk has the cause. The error of the client is the `cause`.
 */
import * as PlatformError from "effect/PlatformError"
import type { ClientError } from "../../Client/ClientError.ts"
import type { Reason } from "../../Codec/NtStatus.ts"
import { refusesAccount, type SmbError } from "../../Protocol/Errors.ts"

type Tag = PlatformError.SystemErrorTag

const tags: Partial<Record<Reason, Tag>> = {
  ObjectNameNotFound: "NotFound",
  ObjectPathNotFound: "NotFound",
  NoSuchFile: "NotFound",
  BadNetworkName: "NotFound",
  BadNetworkPath: "NotFound",
  FileDeleted: "NotFound",
  ObjectNameCollision: "AlreadyExists",
  DirectoryNotEmpty: "AlreadyExists",
  AccessDenied: "PermissionDenied",
  NetworkAccessDenied: "PermissionDenied",
  CannotDelete: "PermissionDenied",
  MediaWriteProtected: "PermissionDenied",
  PrivilegeNotHeld: "PermissionDenied",
  FileEncrypted: "PermissionDenied",
  SharingViolation: "Busy",
  FileLockConflict: "Busy",
  LockNotGranted: "Busy",
  DeletePending: "Busy",
  TooManyOpenedFiles: "Busy",
  InsuffServerResources: "Busy",
  InsufficientResources: "Busy",
  FileIsADirectory: "BadResource",
  NotADirectory: "BadResource",
  StoppedOnSymlink: "BadResource",
  FileClosed: "BadResource",
  InvalidHandle: "BadResource",
  PathNotCovered: "BadResource",
  NotAReparsePoint: "InvalidData",
  IoReparseDataInvalid: "InvalidData",
  ObjectNameInvalid: "InvalidData",
  ObjectPathInvalid: "InvalidData",
  ObjectPathSyntaxBad: "InvalidData",
  NameTooLong: "InvalidData",
  DataError: "InvalidData",
  CrcError: "InvalidData",
  EndOfFile: "UnexpectedEof",
  IoTimeout: "TimedOut",
  DiskFull: "WriteZero",
  QuotaExceeded: "WriteZero"
}

/** The statuses of a server that does not have a feature. */
const unsupported: ReadonlySet<Reason> = new Set<Reason>([
  "NotSupported",
  "NotImplemented",
  "InvalidDeviceRequest",
  "InvalidInfoClass",
  "EasNotSupported"
])

/** Where a failure belongs. */
export interface Place {
  /** The method of FileSystem or of File. */
  readonly method: string
  /** The path as the program gave it. */
  readonly path: string
  /** The method gives the path to a new file. A file with this name that is being deleted is then in the way. */
  readonly creates?: boolean | undefined
}

/** An error of the file system itself. */
export const failure = (
  { method, path }: Place,
  tag: Tag,
  description: string,
  cause?: unknown
): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag: tag,
    module: "FileSystem",
    method,
    description,
    pathOrDescriptor: path,
    ...(cause === undefined ? {} : { cause })
  })

/** An argument that the file system refuses, or something that the server cannot do. */
export const badArgument = (method: string, description: string, cause?: unknown): PlatformError.PlatformError =>
  PlatformError.badArgument({
    module: "FileSystem",
    method,
    description,
    ...(cause === undefined ? {} : { cause })
  })

const tagOfStatus = (error: SmbError, creates: boolean): Tag => {
  const reason: Reason = error.reason._tag
  if (refusesAccount(error)) return "PermissionDenied"
  // The name of a removed file is gone for a program, although the server still has it until the last close.
  if (reason === "DeletePending" && !creates) return "NotFound"
  // Directories can be opened, but neither read nor written.
  if (reason === "InvalidDeviceRequest" && (error.command === "READ" || error.command === "WRITE")) return "BadResource"
  return tags[reason] ?? "Unknown"
}

const tagOf = (error: ClientError, creates: boolean): Tag => {
  switch (error._tag) {
    case "SmbError":
      return tagOfStatus(error, creates)
    case "TransportError":
      return error.reason._tag === "TimedOut" ? "TimedOut" : "Unknown"
    case "ProtocolError":
    case "Malformed":
    case "FileTooLarge":
      return "InvalidData"
    case "AuthenticationError":
      return "PermissionDenied"
    // The file of the name is not the file of the open any more, or the ranges are not locked any more.
    case "ReconnectError":
      return error.reason._tag === "LogonRefused" ? "PermissionDenied" : "BadResource"
    case "FileShortened":
      return "UnexpectedEof"
    case "RemovalError": {
      if (error.reason._tag === "RootOrLink") return "Busy"
      const first = error.reason.failures.at(error.reason.ended ? -1 : 0)?.error as ClientError | undefined
      return first === undefined ? "Unknown" : tagOf(first, creates)
    }
    case "DfsError":
      return error.reason._tag === "NamespaceNotFound" ? "NotFound" : "Unknown"
    case "ArgumentError":
    case "PathError":
    case "NotDfsCapable":
    case "Overflow":
    case "Unsupported":
      return "Unknown"
  }
}

/** The error of the client as an error of a method. */
export const fromClient = (place: Place) => (error: ClientError): PlatformError.PlatformError =>
  error._tag === "ArgumentError"
    ? badArgument(place.method, error.message, error)
    : error._tag === "SmbError" && unsupported.has(error.reason._tag) && tagOf(error, false) === "Unknown"
    ? badArgument(place.method, `the server does not support this: ${error.message}`, error)
    : PlatformError.systemError({
      _tag: tagOf(error, place.creates ?? false),
      module: "FileSystem",
      method: place.method,
      description: error.message,
      pathOrDescriptor: place.path,
      ...(error._tag === "SmbError" ? { syscall: error.command } : {}),
      cause: error
    })
