/**
 * The operations on an open file, as data.
 *
 * One vocabulary for every protocol version. SMB 2 sends an operation as one of its commands, and several as one
 * compound. SMB 1 sends each as one of its own commands, one after the other. Code that uses operations therefore works
 * on both.
 *
 * The classes and structures are those of MS-FSCC, the numbers those of MS-SMB2.
 */
import type { Result } from "effect/Result"
import type { Malformed } from "../Codec/Malformed.ts"

/**
 * Bytes from the file's start.
 *
 * @since 0.1.0
 */
export type Offset = bigint

/**
 * Reads up to `length` bytes; no bytes at or after the end of the file. The caller owns the result.
 *
 * @since 0.1.0
 */
export interface Read {
  readonly _tag: "Read"
  readonly offset: Offset
  readonly length: number
  /** Memory for the bytes, if the caller has `length` bytes of it; the result is then a view of it. */
  readonly destination?: Uint8Array | undefined
}

/**
 * Writes all of `data`, which must not change until the operation ends. The result is the count of bytes.
 *
 * @since 0.1.0
 */
export interface Write {
  readonly _tag: "Write"
  readonly offset: Offset
  readonly data: Uint8Array
  readonly writeThrough?: boolean | undefined
}

/**
 * Makes the written data durable.
 *
 * @since 0.1.0
 */
export interface Flush {
  readonly _tag: "Flush"
}

/**
 * Which kind of information, with its number: a class of MS-FSCC, or SECURITY_INFORMATION flags.
 *
 * @since 0.1.0
 */
export type Information =
  | { readonly _tag: "File"; readonly fileInformationClass: number }
  | { readonly _tag: "FileSystem"; readonly fileSystemInformationClass: number }
  | { readonly _tag: "Security"; readonly securityInformation: number }

/**
 * Asks for information; `decode` gives it its type.
 *
 * @since 0.1.0
 */
export interface QueryInfo<A> {
  readonly _tag: "QueryInfo"
  readonly information: Information
  /** The most bytes of the response. */
  readonly maximum: number
  /** The input of a class that takes one, such as a list of names of extended attributes. */
  readonly input?: Uint8Array | undefined
  readonly decode: (bytes: Uint8Array) => Result<A, Malformed>
}

/**
 * Sets information from its encoded structure.
 *
 * @since 0.1.0
 */
export interface SetInfo {
  readonly _tag: "SetInfo"
  readonly information: Information
  readonly data: Uint8Array
}

/**
 * The next entries of a directory that match `pattern`; none at its end.
 *
 * @since 0.1.0
 */
export interface QueryDirectory<A> {
  readonly _tag: "QueryDirectory"
  readonly fileInformationClass: number
  readonly pattern: string
  readonly restart: boolean
  /** The most bytes of the response. */
  readonly maximum: number
  readonly decode: (bytes: Uint8Array) => Result<ReadonlyArray<A>, Malformed>
}

/**
 * Waits for changes in a directory.
 *
 * @since 0.1.0
 */
export interface ChangeNotify {
  readonly _tag: "ChangeNotify"
  readonly completionFilter: number
  readonly recursive: boolean
  /** The most bytes of the response. */
  readonly maximum: number
}

/**
 * One change: the action and the name of MS-FSCC 2.7.1; the name is relative to the directory.
 *
 * @since 0.1.0
 */
export interface Change {
  readonly action: number
  readonly fileName: string
}

/**
 * A range of bytes.
 *
 * @since 0.1.0
 */
export interface Range {
  readonly offset: Offset
  readonly length: bigint
}

/**
 * Locks all of the ranges, or none. With `wait` there can be only one range: SMB 2 refuses more (`InvalidParameter`,
 * MS-SMB2 3.3.5.14.2). `SmbFile.lock` locks several one after the other.
 *
 * @since 0.1.0
 */
export interface Lock {
  readonly _tag: "Lock"
  readonly ranges: ReadonlyArray<Range>
  readonly exclusive: boolean
  /** Wait until the ranges are free, or fail at once with `LockNotGranted`. */
  readonly wait: boolean
}

/**
 * Releases ranges, exactly as they were locked.
 *
 * @since 0.1.0
 */
export interface Unlock {
  readonly _tag: "Unlock"
  readonly ranges: ReadonlyArray<Range>
}

/**
 * A file-system control (MS-FSCC 2.3); on a named pipe also a transaction.
 *
 * @since 0.1.0
 */
export interface Ioctl {
  readonly _tag: "Ioctl"
  readonly ctlCode: number
  readonly input: Uint8Array
  /** The most bytes of the response. */
  readonly maximum: number
}

/**
 * The result of an operation.
 *
 * @since 0.1.0
 */
export type Output<O> = O extends { readonly _tag: "Read" } ? Uint8Array
  : O extends { readonly _tag: "Write" } ? number
  : O extends QueryInfo<infer A> ? A
  : O extends QueryDirectory<infer A> ? ReadonlyArray<A>
  : O extends { readonly _tag: "ChangeNotify" } ? ReadonlyArray<Change>
  : O extends { readonly _tag: "Ioctl" } ? Uint8Array
  : void

/**
 * Any operation.
 *
 * @since 0.1.0
 */
export type Any =
  | Read
  | Write
  | Flush
  | QueryInfo<any>
  | SetInfo
  | QueryDirectory<any>
  | ChangeNotify
  | Lock
  | Unlock
  | Ioctl
