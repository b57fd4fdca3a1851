/**
 * NTSTATUS codes as names, as the typed `reason` of an error, and as a sentence for a person.
 *
 * The codes themselves are in `NtStatusCode.ts`. The sender of a request decides what a code means for it (an error, an
 * end, or to go on): this module knows numbers and words only.
 */
import { NtStatus } from "./NtStatusCode.ts"

export { NtStatus }

/**
 * The document's name of a code, such as `STATUS_OBJECT_NAME_NOT_FOUND`.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof NtStatus

type Pascal<S extends string> = S extends `${infer Head}_${infer Tail}` ?
  `${Capitalize<Lowercase<Head>>}${Pascal<Tail>}`
  : Capitalize<Lowercase<S>>

type Reasons = { readonly [N in Name]: N extends `STATUS_${infer Rest}` ? Pascal<Rest> : never }

/**
 * The same name as the literal that errors carry, such as `ObjectNameNotFound`; `Unknown` for a code without a name.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason = Reasons[Name] | "Unknown"

/**
 * The two highest bits of a code (MS-ERREF 2.3).
 *
 * @category models
 * @since 0.1.0
 */
export type Severity = "Success" | "Information" | "Warning" | "Error"

const pascal = (name: string): string =>
  name.slice("STATUS_".length).split("_").map((word) => word.charAt(0) + word.slice(1).toLowerCase()).join("")

const names = new Map<number, Name>()
const reasons = new Map<number, Reason>()
const codes = new Map<string, number>()
for (const [name, code] of Object.entries(NtStatus)) {
  names.set(code, name as Name)
  reasons.set(code, pascal(name) as Reason)
  codes.set(pascal(name), code)
}

/**
 * The code in eight hexadecimal digits, such as `0xc0000034`.
 *
 * @since 0.1.0
 */
export const hex = (code: number): string => `0x${(code >>> 0).toString(16).padStart(8, "0")}`

/**
 * The document's name of a code, or the code in hexadecimal if it has no name here.
 *
 * @category conversions
 * @since 0.1.0
 */
export const name = (code: number): Name | `0x${string}` => names.get(code >>> 0) ?? (hex(code) as `0x${string}`)

/**
 * The code as an error's `reason`: `ObjectNameNotFound`, or `Unknown` if it has no name here.
 *
 * @category conversions
 * @since 0.1.0
 */
export const reason = (code: number): Reason => reasons.get(code >>> 0) ?? "Unknown"

/**
 * The code of a `reason`. `Unknown` stands for many codes, and becomes STATUS_UNSUCCESSFUL.
 *
 * @category conversions
 * @since 0.1.0
 */
export const fromReason = (of: Reason): number => codes.get(of) ?? NtStatus.STATUS_UNSUCCESSFUL

/**
 * @category severity
 * @since 0.1.0
 */
export const severity = (code: number): Severity => {
  switch (code >>> 30) {
    case 0:
      return "Success"
    case 1:
      return "Information"
    case 2:
      return "Warning"
    default:
      return "Error"
  }
}

// ERRDOS and ERRSRV codes of SMB 1 in 32 bits: the class is in the low half, and the severity bits say nothing.
const isSmb1Error = (code: number): boolean =>
  code > 0xffff && code < 0x40000000 && ((code & 0xffff) === 1 || (code & 0xffff) === 2)

/**
 * Whether the code's severity is Error, or it is one of SMB 1's own error codes.
 *
 * @category severity
 * @since 0.1.0
 */
export const isError = (code: number): boolean => code >>> 30 === 3 || isSmb1Error(code >>> 0)

/**
 * Whether the code's severity is Warning, such as STATUS_BUFFER_OVERFLOW, STATUS_NO_MORE_FILES,
 * STATUS_STOPPED_ON_SYMLINK.
 *
 * @category severity
 * @since 0.1.0
 */
export const isWarning = (code: number): boolean => code >>> 30 === 2

/**
 * Whether the code's severity is Success or Information. This includes STATUS_PENDING, which is no final response.
 *
 * @category severity
 * @since 0.1.0
 */
export const isSuccess = (code: number): boolean => code >>> 31 === 0 && !isSmb1Error(code >>> 0)

const explanations: { readonly [N in Name]?: string } = {
  STATUS_PENDING: "The server is still working on the request; its answer comes later.",
  STATUS_NOTIFY_ENUM_DIR: "Too many changes happened at once to name them. List the directory again.",
  STATUS_BUFFER_OVERFLOW: "The answer was cut to fit. Ask again with a larger buffer, or read on.",
  STATUS_NO_MORE_FILES: "The listing is complete.",
  STATUS_STOPPED_ON_SYMLINK: "The path leads through a symbolic link. Resolve the link, and ask again with its target.",
  STATUS_UNSUCCESSFUL: "The server failed without saying why. Its log may say more.",
  STATUS_NOT_IMPLEMENTED: "The server does not implement this request.",
  STATUS_INVALID_INFO_CLASS: "The server or its file system does not know this kind of information.",
  STATUS_INFO_LENGTH_MISMATCH: "The buffer's length does not fit this kind of information.",
  STATUS_INVALID_HANDLE: "The server does not know this handle. Open the file again.",
  STATUS_INVALID_PARAMETER: "The server finds a value in the request invalid, or does not support it.",
  STATUS_NO_SUCH_DEVICE: "The server has no such device. Check the path.",
  STATUS_NO_SUCH_FILE: "No file matches. Check the name or the pattern.",
  STATUS_INVALID_DEVICE_REQUEST: "The file or its file system does not support this request.",
  STATUS_END_OF_FILE: "The read begins at or after the end of the file.",
  STATUS_MORE_PROCESSING_REQUIRED: "The logon needs another step.",
  STATUS_NO_MEMORY: "The server is out of memory. Try again later.",
  STATUS_ACCESS_DENIED: "The account may not do this. Check its permissions on the file and on the share.",
  STATUS_BUFFER_TOO_SMALL: "The buffer cannot hold the answer. Ask again with a larger one.",
  STATUS_OBJECT_NAME_INVALID: "The name is not valid. Check it for reserved characters, and for its length.",
  STATUS_ILLEGAL_CHARACTER:
    "The name has a character that the server cannot store, such as half of a surrogate pair. Choose another name.",
  STATUS_OBJECT_NAME_NOT_FOUND: "There is no file of this name. Check the last part of the path.",
  STATUS_OBJECT_NAME_COLLISION: "The name is taken already. Choose another one, or replace what has it.",
  STATUS_OBJECT_PATH_INVALID: "A part of the path that should be a directory is none.",
  STATUS_OBJECT_PATH_NOT_FOUND: "A directory on the way does not exist. Check the path before its last part.",
  STATUS_OBJECT_PATH_SYNTAX_BAD: "The path is not well formed. Check its separators, and for a leading one.",
  STATUS_SHARING_VIOLATION:
    "Somebody has the file open in a way that excludes this. Try again once they have closed it.",
  STATUS_QUOTA_EXCEEDED: "The account's quota is used up. Delete something, or ask for more.",
  STATUS_EAS_NOT_SUPPORTED: "The file system does not support extended attributes.",
  STATUS_EA_TOO_LARGE: "The extended attributes are too large for the file system.",
  STATUS_NO_EAS_ON_FILE: "The file has no extended attributes.",
  STATUS_FILE_LOCK_CONFLICT: "Another program holds a lock on this part of the file. Try again once it is released.",
  STATUS_LOCK_NOT_GRANTED: "Another program holds a conflicting lock. Try again once it is released.",
  STATUS_DELETE_PENDING: "The file is being deleted. It is gone once the last handle to it is closed.",
  STATUS_INVALID_OWNER: "The given account cannot be made the owner. Choose another one.",
  STATUS_PRIVILEGE_NOT_HELD: "The account lacks a privilege that this needs.",
  STATUS_NO_LOGON_SERVERS: "The server reaches no domain controller to check the logon. Try again later.",
  STATUS_NO_SUCH_USER: "There is no such account. Check the user name and the domain.",
  STATUS_WRONG_PASSWORD: "The password is wrong.",
  STATUS_LOGON_FAILURE: "The user name or the password is wrong.",
  STATUS_ACCOUNT_RESTRICTION: "A policy forbids this logon, such as one with an empty password.",
  STATUS_INVALID_LOGON_HOURS: "The account may not log on at this time.",
  STATUS_INVALID_WORKSTATION: "The account may not log on from this machine.",
  STATUS_PASSWORD_EXPIRED: "The password has expired. Change it, and log on again.",
  STATUS_ACCOUNT_DISABLED: "The account is disabled. Ask an administrator to enable it.",
  STATUS_RANGE_NOT_LOCKED: "This range of the file is not locked by this handle.",
  STATUS_DISK_FULL: "The disk is full. Make room on the server.",
  STATUS_INSUFFICIENT_RESOURCES: "The server lacks resources for this. Try again later, or with less at once.",
  STATUS_MEDIA_WRITE_PROTECTED: "The volume is read-only.",
  STATUS_INSTANCE_NOT_AVAILABLE: "All instances of the pipe are in use. Try again later.",
  STATUS_PIPE_NOT_AVAILABLE: "All instances of the pipe are in use. Try again later.",
  STATUS_PIPE_DISCONNECTED: "The other end of the pipe has disconnected. Open it again.",
  STATUS_PIPE_BROKEN: "The other end has closed the pipe.",
  STATUS_IO_TIMEOUT: "The server's own device did not respond in time. Try again later.",
  STATUS_FILE_FORCED_CLOSED: "The server has closed this handle. Open the file again.",
  STATUS_FILE_IS_A_DIRECTORY: "This is a directory, but the request needs a file.",
  STATUS_NOT_SUPPORTED: "The server does not support this.",
  STATUS_BAD_NETWORK_PATH: "The server's name cannot be found or reached. Check it.",
  STATUS_NETWORK_BUSY: "The network or the server is busy. Try again later.",
  STATUS_UNEXPECTED_NETWORK_ERROR: "The network failed underneath the request. Connect again.",
  STATUS_NETWORK_NAME_DELETED: "The share was disconnected or deleted. Connect to it again.",
  STATUS_NETWORK_ACCESS_DENIED: "The network denies access. Check the share's permissions.",
  STATUS_BAD_DEVICE_TYPE: "The share is of another type, such as a printer or a pipe.",
  STATUS_BAD_NETWORK_NAME: "The server has no share of this name. Check the share.",
  STATUS_TOO_MANY_SESSIONS: "The server has reached its limit of sessions. Close some, or try again later.",
  STATUS_REQUEST_NOT_ACCEPTED: "The server accepts no more connections to this share. Try again later.",
  STATUS_NOT_SAME_DEVICE: "Source and target are on different volumes. Copy, and then delete the source.",
  STATUS_INTERNAL_ERROR: "The server has an internal error. Its log may say more.",
  STATUS_DIRECTORY_NOT_EMPTY: "The directory is not empty. Delete its content first.",
  STATUS_FILE_CORRUPT_ERROR: "The file or directory is damaged on the server's disk.",
  STATUS_NOT_A_DIRECTORY: "This is a file, but the request needs a directory.",
  STATUS_NAME_TOO_LONG: "The name is too long for the server.",
  STATUS_TOO_MANY_OPENED_FILES: "The server has reached its limit of open files. Close some.",
  STATUS_CANCELLED: "The request was cancelled.",
  STATUS_CANNOT_DELETE: "The file cannot be deleted: it is read-only, or in use.",
  STATUS_FILE_DELETED: "The file has been deleted since it was opened.",
  STATUS_FILE_CLOSED: "The handle is closed already. Open the file again.",
  STATUS_TIME_DIFFERENCE_AT_DC: "The clocks of client and domain controller differ too much. Set them.",
  STATUS_TRUSTED_RELATIONSHIP_FAILURE:
    "The server's membership of its domain is broken. Its administrator must join it to the domain again.",
  STATUS_ACCOUNT_EXPIRED: "The account has expired. Ask an administrator.",
  STATUS_USER_SESSION_DELETED: "The server has ended the session. Log on again.",
  STATUS_INSUFF_SERVER_RESOURCES: "The server lacks resources for this. Try again later.",
  STATUS_CONNECTION_DISCONNECTED: "The connection is gone. Connect again.",
  STATUS_CONNECTION_RESET: "The connection was reset. Connect again.",
  STATUS_PASSWORD_MUST_CHANGE: "The password must be changed before the first logon.",
  STATUS_NOT_FOUND: "The server found nothing of this kind.",
  STATUS_ACCOUNT_LOCKED_OUT: "The account is locked after too many wrong passwords. Wait, or ask an administrator.",
  STATUS_CONNECTION_REFUSED: "The connection was refused. Check that the server's SMB service runs.",
  STATUS_LOGON_TYPE_NOT_GRANTED: "The account may not log on to this server over the network.",
  STATUS_PATH_NOT_COVERED: "Another server holds this path: it is a DFS link. Ask for a referral.",
  STATUS_DFS_UNAVAILABLE: "No target of the DFS link can be reached.",
  STATUS_NOT_A_REPARSE_POINT: "The file is neither a symbolic link nor another reparse point.",
  STATUS_IO_REPARSE_TAG_NOT_HANDLED: "The server does not follow reparse points of this kind.",
  STATUS_NETWORK_SESSION_EXPIRED: "The session has expired. Log on again.",
  STATUS_NTLM_BLOCKED: "A policy forbids NTLM here. Use Kerberos.",
  STATUS_VIRUS_INFECTED: "The server's scanner found a virus in the file.",
  STATUS_SERVER_UNAVAILABLE: "The server is not available at present. Try again later.",
  STATUS_FILE_NOT_AVAILABLE: "The file is not available at present. Try again later."
}

const explained: ReadonlySet<number> = new Set(Object.keys(explanations).map((known) => NtStatus[known as Name]))

/**
 * Whether `explanation` says more than the name of a code: for about a hundred codes that a person is likely to meet.
 *
 * @since 0.2.0
 */
export const isExplained = (code: number): boolean => explained.has(code >>> 0)

/**
 * What happened and what to do, in a sentence or two for a person. If a code has no such sentence: its name.
 *
 * @category conversions
 * @since 0.1.0
 */
export const explanation = (code: number): string => {
  const named = name(code)
  return (explanations as Record<string, string | undefined>)[named] ?? `The server answered ${named}.`
}
