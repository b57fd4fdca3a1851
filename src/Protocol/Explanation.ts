/**
 * What a status means to a person, by the command of its request: the same number is about a file in one response, and
 * about the share or the account in another.
 *
 * `NtStatus.explanation` says what a number means by itself. This module has only the cases in which that is wrong.
 */
import * as NtStatus from "../Codec/NtStatus.ts"

type Words = { readonly [N in NtStatus.Name]?: string }

const noShare = "The server has no share of this name. Check the share."
const noShareName = "The server does not accept this name for a share. Check the share."

/** The path is that of a share. */
const treeConnect: Words = {
  STATUS_OBJECT_NAME_NOT_FOUND: noShare,
  STATUS_OBJECT_PATH_NOT_FOUND: noShare,
  STATUS_NO_SUCH_FILE: noShare,
  STATUS_NO_SUCH_DEVICE: noShare,
  STATUS_NOT_FOUND: noShare,
  STATUS_OBJECT_NAME_INVALID: noShareName,
  STATUS_OBJECT_PATH_INVALID: noShareName,
  STATUS_OBJECT_PATH_SYNTAX_BAD: noShareName,
  STATUS_NAME_TOO_LONG: noShareName,
  STATUS_ACCESS_DENIED: "The account may not use this share. Check the share's permissions.",
  STATUS_LOGON_FAILURE: "The share refuses this account. Check the share's permissions.",
  STATUS_NOT_A_DIRECTORY: "The share's own folder is missing on the server. Ask the server's administrator.",
  STATUS_DELETE_PENDING: "The server is deleting the share. Use another share.",
  STATUS_SHARING_VIOLATION: "The share is in use in a way that excludes this. Try again later."
}

/** The path is that of a server. */
const sessionSetup: Words = {
  STATUS_ACCESS_DENIED: "The server refuses the logon. Check the account, and what the server demands of a logon.",
  STATUS_NETWORK_ACCESS_DENIED:
    "The account may not log on to this server over the network. Ask the server's administrator.",
  STATUS_INVALID_PARAMETER:
    "The server does not accept the logon in this form. Look into the server's log for the reason.",
  STATUS_NOT_SUPPORTED: "The server does not support this way to log on. Try another kind of credential.",
  STATUS_REQUEST_NOT_ACCEPTED: "The server accepts no more sessions. Try again later.",
  STATUS_OBJECT_NAME_NOT_FOUND:
    "The server does not find what the logon needs. Look into the server's log for the reason.",
  STATUS_NO_SUCH_FILE: "The server does not find what the logon needs. Look into the server's log for the reason."
}

/** The path is that of a server. */
const negotiate: Words = {
  STATUS_NOT_SUPPORTED: "The server speaks none of the offered dialects. Offer others.",
  // The status of the Linux kernel's server for a dialect that it does not have.
  STATUS_INSUFFICIENT_RESOURCES:
    "The server speaks none of the offered dialects, or lacks the resources for a connection. Offer others.",
  STATUS_INVALID_PARAMETER:
    "The server speaks none of the offered dialects, or does not accept the form of the offer. Offer others.",
  STATUS_ACCESS_DENIED:
    "The server refuses connections from this machine. Look into the server's log, or ask its administrator.",
  STATUS_REQUEST_NOT_ACCEPTED: "The server accepts no more connections. Try again later."
}

/**
 * A status about a name, in response to a request on an open file, is not about the path: that existed when it was
 * opened.
 */
const noneBehind = "The server does not find the object of the request. It may have gone since the file was opened."
const control: Words = {
  STATUS_OBJECT_NAME_NOT_FOUND: noneBehind,
  STATUS_OBJECT_PATH_NOT_FOUND: noneBehind,
  STATUS_NO_SUCH_FILE: noneBehind,
  STATUS_NO_SUCH_DEVICE: "The server does not support this request."
}

const oneFile: Words = {
  STATUS_NO_SUCH_FILE: "There is no file of this name. Check the last part of the path."
}

const noNewFolder: Words = {
  STATUS_OBJECT_PATH_NOT_FOUND: "The directory that the new name is in does not exist, or the file has gone."
}

/** By the command names of both protocols. */
const byCommand: Readonly<Record<string, Words>> = {
  TREE_CONNECT: treeConnect,
  SESSION_SETUP: sessionSetup,
  NEGOTIATE: negotiate,
  IOCTL: control,
  CREATE: oneFile,
  DELETE: oneFile,
  DELETE_DIRECTORY: oneFile,
  RENAME: { ...oneFile, ...noNewFolder },
  SET_INFO: { ...oneFile, ...noNewFolder },
  QUERY_INFO: oneFile
}

const missing: ReadonlySet<string> = new Set<NtStatus.Name>([
  "STATUS_OBJECT_NAME_NOT_FOUND",
  "STATUS_OBJECT_PATH_NOT_FOUND",
  "STATUS_NO_SUCH_FILE",
  "STATUS_NOT_A_DIRECTORY"
])

/** `\\server\share` and nothing below it. */
const isRoot = (path: string): boolean => /^\\\\[^\\]+\\[^\\]+$/.test(path)

/**
 * What happened and what to do, in a sentence or two: for the status of a `command` that was about `path` (UNC).
 *
 * @category conversions
 * @since 0.1.0
 */
export const of = (status: number, command: string, path: string | undefined): string => {
  const name = NtStatus.name(status)
  if (command === "CREATE" && path !== undefined && isRoot(path) && missing.has(name)) {
    return "The share's own folder is missing on the server, or cannot be reached there."
  }
  return (byCommand[command] as Readonly<Record<string, string>> | undefined)?.[name] ?? NtStatus.explanation(status)
}
