/**
 * The failures between a client and its peer, as values.
 *
 * There are six kinds, so that a caller knows what to do: the server refused (`SmbError`), the server did not answer
 * (`TransportError`), the peer broke the protocol or a security promise (`ProtocolError`), its bytes made no sense
 * (`Malformed`, in `src/Codec`), the caller gave a value that cannot be used (`ArgumentError`), or an open file
 * did not outlive its connection (`ReconnectError`, in its own module). None of them ever
 * holds a password, a hash, a key or a payload.
 */
import * as Schema from "effect/Schema"
import type { Malformed } from "../Codec/Malformed.ts"
import * as NtStatus from "../Codec/NtStatus.ts"
import * as Explanation from "./Explanation.ts"
import type { ReconnectError } from "./ReconnectError.ts"

/**
 * A symbolic link on a path, if the server leaves it to the client to follow (MS-SMB2 2.2.2.2.1).
 *
 * @since 0.1.0
 */
export const SymbolicLink = Schema.Struct({
  /** The requested path, below its share. */
  path: Schema.String,
  /** UTF-16 code units at the end of `path` that come after the link. */
  unparsed: Schema.Number,
  /** The link's target: a path relative to the link's directory, or NT's form of an absolute path. */
  target: Schema.String,
  relative: Schema.Boolean
})
export type SymbolicLink = typeof SymbolicLink.Type

/**
 * An NTSTATUS as the reason of an error: `_tag` is its name without the prefix, in PascalCase (`ObjectNameNotFound`;
 * `Unknown` if the code has no name here), and `status` the 32-bit code. `StoppedOnSymlink` has the server's description
 * of the link, if the server sent one.
 *
 * @category models
 * @since 0.2.0
 */
export type SmbReason = {
  readonly [Tag in NtStatus.Reason]: Tag extends "StoppedOnSymlink"
    ? { readonly _tag: Tag; readonly status: number; readonly symbolicLink?: SymbolicLink | undefined }
    : { readonly _tag: Tag; readonly status: number }
}[NtStatus.Reason]

/** One struct for all tags: a union of five hundred structs would cost each program time when it starts. */
const Reason = Schema.Struct({
  _tag: Schema.String,
  status: Schema.Number,
  symbolicLink: Schema.optional(SymbolicLink)
}).check(
  Schema.makeFilter(({ _tag, status }) => _tag === NtStatus.reason(status) || `${_tag} is not the name of the status`)
) as unknown as Schema.Codec<SmbReason> & {
  readonly "~type.make": SmbReason
  readonly "~type.make.in": SmbReason
}

/**
 * The server's response to a command has an NTSTATUS that is no success.
 *
 * `reason` is the NTSTATUS: `reason._tag` by name (`ObjectNameNotFound`), `reason.status` as the 32-bit code. `command`
 * is the SMB command of the request, and `path` the UNC path that the command was about. `NtStatus` has all names. The
 * ones that an app meets most:
 *
 * - `ObjectNameNotFound`, `ObjectPathNotFound`: the file, or a directory on the way to it, does not exist.
 * - `ObjectNameCollision`: the name is taken.
 * - `AccessDenied`: the account has no permission for this.
 * - `SharingViolation`: another program has the file open in a way that excludes this.
 * - `BadNetworkName`: the server has no share of this name.
 * - `LogonFailure`: the user name or the password is wrong.
 * - `DiskFull`, `QuotaExceeded`: there is no room for the data.
 * - `StoppedOnSymlink`: a symbolic link on the path could not be followed.
 * - `PathNotCovered`: another server holds the path; a client with DFS follows such links.
 * - `Unknown`: a code without a name here; `reason.status` has it.
 *
 * @example
 * ```ts
 * return yield* smb.readFile(path).pipe(
 *   Effect.catchReason("SmbError", "ObjectNameNotFound", () => Effect.succeed(empty))
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class SmbError extends Schema.TaggedError<SmbError>()("SmbError", {
  reason: Reason,
  command: Schema.String,
  path: Schema.optionalKey(Schema.String),
  /** The server refused this credential in an earlier logon, and was not asked again. */
  notTriedAgain: Schema.optionalKey(Schema.Boolean),
  /** Details that the client knows in addition to the status. */
  detail: Schema.optionalKey(Schema.String),
  /** The reason that the client found for the status, in a sentence or two. */
  because: Schema.optionalKey(Schema.String)
}) {
  /** The NTSTATUS as a number of 32 bits. */
  get status(): number {
    return this.reason.status
  }
  /** The NTSTATUS as in the documents: `STATUS_OBJECT_NAME_NOT_FOUND`. */
  get statusName(): string {
    return NtStatus.name(this.status)
  }
  override get message(): string {
    const again = this.notTriedAgain === true ? "not tried again with the same password: " : ""
    const where = `${this.path === undefined ? "" : `${this.path}: `}${again}`
    const link = this.reason._tag === "StoppedOnSymlink" ? this.reason.symbolicLink : undefined
    const what = link === undefined
      ? this.because ?? Explanation.of(this.status, this.command, this.path)
      : `The path leads through a symbolic link to ${link.target}, which could not be followed.`
    const detail = this.detail === undefined ? "" : `: ${this.detail}`
    return `${where}${what} (${this.statusName} to ${this.command})${detail}`
  }
}

/**
 * An `SmbError` from a status.
 *
 * @since 0.1.0
 */
export const fromStatus = (status: number, command: string, path?: string, symbolicLink?: SymbolicLink): SmbError =>
  new SmbError({
    reason: reasonOf(status, symbolicLink),
    command,
    ...(path === undefined ? {} : { path })
  })

const reasonOf = (status: number, symbolicLink: SymbolicLink | undefined): SmbReason =>
  ({
    _tag: NtStatus.reason(status),
    status,
    ...(symbolicLink === undefined ? {} : { symbolicLink })
  }) as SmbReason

/**
 * The same error with details that the client knows in addition to the status, and with the reason that it has found.
 *
 * @since 0.1.0
 */
export const withDetail = (error: SmbError, detail: string | undefined, because?: string): SmbError =>
  detail === undefined && because === undefined ? error : new SmbError({
    ...error,
    ...(detail === undefined ? {} : { detail }),
    ...(because === undefined ? {} : { because })
  })

/**
 * Why a connection could not be made, or ended.
 *
 * @category models
 * @since 0.2.0
 */
export const TransportReason = Schema.TaggedUnion({
  ConnectionRefused: {},
  HostUnreachable: {},
  HostNotFound: {},
  TimedOut: {
    /** True if the server was working on the request (STATUS_PENDING), and did not finish it within `pendingTimeout`. */
    pending: Schema.optionalKey(Schema.Boolean)
  },
  ConnectionClosed: {},
  ConnectionFailed: {}
})
export type TransportReason = typeof TransportReason.Type

/**
 * The connection could not be made, or ended.
 *
 * - `ConnectionRefused`: no program listens at that port.
 * - `HostUnreachable`: the network knows no way to the address.
 * - `HostNotFound`: the name has no address.
 * - `TimedOut`: the server did not answer in time. `pending` is true if the server was still working on the request.
 * - `ConnectionClosed`: the server, or this side, closed the connection.
 * - `ConnectionFailed`: another error of the system; `detail` has its text.
 *
 * @example
 * ```ts
 * return yield* smb.readFileString(path).pipe(
 *   Effect.catchReasons("TransportError", {
 *     ConnectionRefused: () => smb.readFileString(copy),
 *     HostUnreachable: () => smb.readFileString(copy)
 *   })
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class TransportError extends Schema.TaggedError<TransportError>()("TransportError", {
  reason: TransportReason,
  server: Schema.String,
  port: Schema.Number,
  /**
   * True if the failed operation has changed something by one of its earlier requests, or may have: a request that
   * changes something was sent, and got no response.
   */
  sent: Schema.optionalKey(Schema.Boolean),
  detail: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const where = `${this.server.includes(":") ? `[${this.server}]` : this.server}:${this.port}`
    const unknown = this.sent === true
      ? "; a request that changes something had been sent, and may have had its effect"
      : ""
    const detail = `${this.detail === undefined ? "" : ` (${this.detail})`}${unknown}`
    switch (this.reason._tag) {
      case "ConnectionRefused":
        return `${where} refused the connection: is an SMB server listening there?${detail}`
      case "HostUnreachable":
        return `${where} cannot be reached: check the network and the address${detail}`
      case "HostNotFound":
        return `no address is known for ${this.server}: check the name and the DNS${detail}`
      case "TimedOut":
        return this.reason.pending === true
          ? `${where} did not finish in time${detail}: look at its disks and its load, or wait longer (\`pendingTimeout\`)`
          : `${where} did not answer in time${detail}: check the address, and the firewalls on the way`
      case "ConnectionClosed":
        return this.detail === undefined || this.sent === true
          ? `${where} closed the connection${detail}: try again, and look into its log`
          : `${where} closed the connection${detail}`
      case "ConnectionFailed":
        return `the connection to ${where} failed${detail}`
    }
  }
}

/** The statuses for a name that does not exist. The functions below say what they mean if a request names no path. */
const missing: ReadonlySet<string> = new Set<NtStatus.Reason>([
  "ObjectNameNotFound",
  "ObjectPathNotFound",
  "NoSuchFile"
])

/**
 * Commands that name a path. All other commands are about an open: their statuses say nothing about the path, which
 * existed when it was opened. SMB 1 also deletes by name if a server has no better way (`src/Smb1/RenameAndDelete.ts`).
 */
const namesPath: ReadonlySet<string> = new Set(["CREATE", "DELETE", "DELETE_DIRECTORY"])

/**
 * Whether a failure says that a path does not exist: neither its name, nor the directories that lead to it.
 *
 * @since 0.1.0
 */
export const isMissing = (error: SmbError): boolean => missing.has(error.reason._tag) && namesPath.has(error.command)

const beforePath: ReadonlySet<string> = new Set(["NEGOTIATE", "SESSION_SETUP", "TREE_CONNECT"])

/**
 * Whether a server refused the connection, the account or the share. Such a status says nothing about a file.
 *
 * @since 0.2.0
 */
export const refusesShare = ({ command }: SmbError): boolean => beforePath.has(command)

/**
 * Whether any kind of name was not found: a path, the new name of a rename, a share.
 *
 * @since 0.1.0
 */
export const isNotFound = (error: Pick<SmbError, "reason">): boolean => missing.has(error.reason._tag)

/**
 * Whether a path does not exist, or exists only until the last open of it is closed.
 *
 * @since 0.1.0
 */
export const isGone = (error: SmbError): boolean =>
  isMissing(error) || (error.reason._tag === "DeletePending" && namesPath.has(error.command))

/**
 * Whether a server says that the file of an open does not exist. It may have been deleted since, or the server may mean
 * the target of a link while the link still exists. Ask for the path again to find out.
 *
 * @since 0.1.0
 */
export const perhapsGone = (error: SmbError): boolean =>
  !namesPath.has(error.command) && (missing.has(error.reason._tag) || error.reason._tag === "DeletePending")

/**
 * The reasons for a wrong password, and for an account that may not be used.
 *
 * @since 0.2.0
 */
export const accountReasons: ReadonlyArray<NtStatus.Reason> = [
  "LogonFailure",
  "WrongPassword",
  "NoSuchUser",
  "AccountRestriction",
  "InvalidLogonHours",
  "InvalidWorkstation",
  "PasswordExpired",
  "PasswordMustChange",
  "AccountDisabled",
  "AccountExpired",
  "AccountLockedOut"
]
const ofAccount: ReadonlySet<string> = new Set(accountReasons)

/**
 * Whether a server refused a logon because of the account or its password. The other servers of the domain refuse it
 * too, and each try with a wrong password counts towards a lock of the account.
 *
 * @since 0.2.0
 */
export const refusesAccount = (error: Pick<SmbError, "command" | "reason">): boolean =>
  error.command === "SESSION_SETUP" && ofAccount.has(error.reason._tag)

/**
 * The same failure, for a request that may change something and was sent.
 *
 * @since 0.1.0
 */
export const afterSending = <E extends { readonly _tag: string }>(error: E | TransportError): E | TransportError => {
  if (!(error instanceof TransportError) || error.sent === true) return error
  const { detail, port, reason, server } = error
  return new TransportError({ reason, server, port, sent: true, ...(detail === undefined ? {} : { detail }) })
}

/**
 * How a peer broke the protocol, or a promise that security depends on.
 *
 * @category models
 * @since 0.2.0
 */
export const ProtocolReason = Schema.TaggedUnion({
  NotSmb: {},
  Smb1Only: {},
  DialectRefused: {},
  SigningUnavailable: {},
  EncryptionUnavailable: {},
  NotSigned: {},
  BadSignature: {},
  NotEncrypted: {},
  DecryptionFailed: {},
  Downgrade: {},
  PacketTooLarge: {},
  UnexpectedResponse: {}
})
export type ProtocolReason = typeof ProtocolReason.Type

/**
 * The peer broke the protocol, or a promise that security depends on.
 *
 * - `NotSmb`: the peer's bytes are not SMB.
 * - `Smb1Only`: the server answered with SMB 1, which the client did not ask for.
 * - `DialectRefused`: server and client have no dialect in common, or the server chose one that was not offered.
 * - `SigningUnavailable`: signing is required here, but not available with that server or logon.
 * - `EncryptionUnavailable`: encryption is required here, but not available with that server or logon.
 * - `NotSigned`: a response in a signed session has no signature.
 * - `BadSignature`: the signature of a response is wrong.
 * - `NotEncrypted`: the response to an encrypted request is not encrypted.
 * - `DecryptionFailed`: an encrypted packet cannot be decrypted.
 * - `Downgrade`: the negotiation was changed on the way.
 * - `PacketTooLarge`: a packet is longer than the limit.
 * - `UnexpectedResponse`: a response fits no request, or has content that the request does not allow.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProtocolError extends Schema.TaggedError<ProtocolError>()("ProtocolError", {
  reason: ProtocolReason,
  server: Schema.String,
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.server}: ${this.detail}`
  }
}

/**
 * A value that the caller gave cannot be used: an offset with a fraction, a time that no file can have, a number that its
 * field cannot hold. Nothing was sent. `argument` is the name of the argument or option, `value` is what the caller gave,
 * and `expected` is what it has to be. `path` is what the operation was about.
 *
 * @category errors
 * @since 0.2.0
 */
export class ArgumentError extends Schema.TaggedError<ArgumentError>()("ArgumentError", {
  argument: Schema.String,
  value: Schema.String,
  expected: Schema.String,
  path: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const where = this.path === undefined ? "" : `${this.path}: `
    return `${where}${this.argument} cannot be ${this.value}: give ${this.expected}`
  }
}

/**
 * All errors of a request on an established connection.
 *
 * @since 0.1.0
 */
export type RequestError = SmbError | TransportError | ProtocolError | Malformed | ArgumentError | ReconnectError
