/**
 * The result of a handler: a response's status and body, or a refusal.
 *
 * A refusal is a plain object and no `Error`: peers can cause thousands of them, and no person ever sees one. Buffers:
 * `body` belongs to the connection once it is returned. `data` is sent without a copy, so the handler must not change
 * it afterwards.
 */
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type { FileId } from "../../../Smb2/Message/Common.ts"
import * as Message from "../../../Smb2/Message/Message.ts"
import type { Blob, StoreError, StoreFile, StoreReason } from "../../ShareStore.ts"

/** A response without its header. */
export interface Reply {
  readonly status: number
  readonly body: Uint8Array
  /** The bytes after the body. */
  readonly data?: Uint8Array
  /** Runs once, after the last read of `data`; does not run if the connection breaks before. */
  readonly release?: () => void
  /** The handler keeps no view of the request: its memory can be used again. */
  readonly consumed?: true
  /** The file for the next related request of the compound. */
  readonly fileId?: FileId
  /** For responses that create a session or tree. */
  readonly sessionId?: bigint
  readonly treeId?: number
  /** Runs when the socket has been given the response. */
  readonly sent?: () => void
}

/** A request that failed: the status that says why, and the ERROR response's data. */
export class Refusal {
  readonly _tag = "Refusal"
  readonly status: number
  readonly data: Uint8Array | undefined
  /** For a logon that failed: its session's identifier, which the response carries. */
  readonly sessionId: bigint | undefined
  /** The number of error contexts in `data` (MS-SMB2 2.2.2.1); 0 if `data` has none. */
  readonly contexts: number
  /** The store's failure, if it belongs in the log. */
  readonly fault: StoreError | undefined
  constructor(status: number, data?: Uint8Array, sessionId?: bigint, contexts = 0, fault?: StoreError) {
    this.status = status
    this.data = data
    this.sessionId = sessionId
    this.contexts = contexts
    this.fault = fault
  }
}

const cache = new Map<number, Refusal>()

/** The refusal with a status and no data. */
export const refusal = (status: number): Refusal => {
  const known = cache.get(status)
  if (known !== undefined) return known
  const made = new Refusal(status)
  cache.set(status, made)
  return made
}

/** Fails with a status. */
export const refuse = (status: number): Effect.Effect<never, Refusal> => Effect.fail(refusal(status))

const encodeError = Codec.encode(Message.messages.CANCEL.response)
const noData = new Uint8Array(0)
const plainError = encodeError({ errorContextCount: 0, errorData: noData })

/** The ERROR response's body. */
export const errorBody = (data?: Uint8Array, contexts = 0): Uint8Array =>
  data === undefined ? plainError : encodeError({ errorContextCount: contexts, errorData: data })

/** A response in a command's own layout. */
export const reply = (response: Message.Response, status = 0): Reply => ({
  status,
  body: Message.encodeResponse(response)
})

const statuses: Record<StoreReason["_tag"], number> = {
  NotFound: NtStatus.STATUS_OBJECT_NAME_NOT_FOUND,
  PathNotFound: NtStatus.STATUS_OBJECT_PATH_NOT_FOUND,
  Exists: NtStatus.STATUS_OBJECT_NAME_COLLISION,
  NotEmpty: NtStatus.STATUS_DIRECTORY_NOT_EMPTY,
  IsDirectory: NtStatus.STATUS_FILE_IS_A_DIRECTORY,
  NotDirectory: NtStatus.STATUS_NOT_A_DIRECTORY,
  AccessDenied: NtStatus.STATUS_ACCESS_DENIED,
  ReadOnly: NtStatus.STATUS_MEDIA_WRITE_PROTECTED,
  Full: NtStatus.STATUS_DISK_FULL,
  InvalidName: NtStatus.STATUS_OBJECT_NAME_INVALID,
  Unsupported: NtStatus.STATUS_NOT_SUPPORTED,
  NotSameDevice: NtStatus.STATUS_NOT_SAME_DEVICE,
  Stale: NtStatus.STATUS_FILE_CLOSED,
  Busy: NtStatus.STATUS_SHARING_VIOLATION,
  TimedOut: NtStatus.STATUS_IO_TIMEOUT,
  Failed: NtStatus.STATUS_UNEXPECTED_IO_ERROR
}

/** The refusal for a store's error. An error that no client can cause is kept in it, for the log. */
export const fromStoreError = (error: StoreError): Refusal =>
  error.reason._tag === "Failed" || error.reason._tag === "TimedOut"
    ? new Refusal(statuses[error.reason._tag], undefined, undefined, 0, error)
    : refusal(statuses[error.reason._tag])

/** A store's effect, with its errors as refusals. */
export const stored = <A, R>(effect: Effect.Effect<A, StoreError, R>): Effect.Effect<A, Refusal, R> =>
  Effect.mapError(effect, fromStoreError)

/** The bytes that a store keeps next to a file's data; undefined if it cannot keep such bytes. */
export const kept = (file: StoreFile, blob: Blob): Effect.Effect<Uint8Array | undefined, StoreError> =>
  Effect.catch(
    file.getBlob(blob),
    (error) => error.reason._tag === "Unsupported" ? Effect.succeed(undefined) : Effect.fail(error)
  )
