/**
 * What a connection sends and receives: requests without their headers, replies, and the state between the two.
 */
import type { Lost } from "../Protocol/ConnectedShare.ts"
import type { ProtocolError } from "../Protocol/Errors.ts"
import type * as Multiplexer from "../Protocol/Multiplexer.ts"
import type * as OutstandingRequests from "../Protocol/OutstandingRequests.ts"
import type * as Encryption from "./Encryption.ts"
import type * as Header from "./Header.ts"
import type * as Signing from "./Signing.ts"

export type { ConnectionError } from "../Protocol/Multiplexer.ts"

/**
 * The keys of a session, as far as they are known.
 *
 * @since 0.1.0
 */
export interface Security {
  readonly sessionId: bigint
  /** Absent before the logon is complete, and for guests and anonymous users. */
  readonly sign: Signing.Sign | undefined
  /** Whether every request is signed, or only those that must be. */
  readonly signsAll: boolean
  /** Whether every request is encrypted, or only those of shares that demand it. */
  readonly encryptsAll?: boolean
  readonly encrypt: Encryption.Encrypt | undefined
  readonly decrypt: Encryption.Decrypt | undefined
}

/**
 * The owner of a request: it is told when the server says that the owner is gone.
 *
 * @since 0.1.0
 */
export interface Owner {
  readonly onLost: (what: Lost) => void
}

/**
 * One request, without its header.
 *
 * @since 0.1.0
 */
export interface Outgoing extends OutstandingRequests.Outgoing<Reply> {
  readonly treeId?: number
  readonly security?: Security
  readonly owner?: Owner
  readonly encrypted?: boolean
  /** Sign this request even if the session signs no others. */
  readonly mustSign?: boolean
  /** Header flags beyond those that the connection sets, such as DFS_OPERATIONS. */
  readonly flags?: number
  /** 1 for each 64 KiB of payload in either direction. Default: 1. */
  readonly creditCharge?: number
  /**
   * Its server may wait for another client before it responds, and does not call it pending: a rename, which waits until
   * another client has closed the handles that it caches. Windows does this.
   */
  readonly waitsForOthers?: boolean
  /** It goes before all requests that wait for credits: other clients wait for it. */
  readonly passes?: boolean
  /** Called with the packet when it is sent, for the preauthentication hash. */
  readonly onSent?: (packet: Uint8Array) => void
}

/**
 * The reply to a request. For a READ with `data`, `packet` has the first 80 bytes.
 *
 * @since 0.1.0
 */
export interface Reply extends OutstandingRequests.Reply {
  readonly header: Header.Header
  /** Why the reply cannot be trusted: a response to a READ that found no data, and whose signature is wrong. */
  readonly distrust?: ProtocolError
}

/**
 * Receives the end of a request: an error or a reply.
 *
 * @since 0.1.0
 */
export type Complete = Multiplexer.Complete<Reply>

/**
 * A request in flight.
 *
 * @since 0.1.0
 */
export interface Pending extends OutstandingRequests.OutstandingRequest<Reply> {
  readonly outgoing: Outgoing
  readonly messageId: number
  readonly encrypted: boolean
  readonly signed: boolean
  asyncId: bigint
  /** The server has called it pending. */
  isAsync: boolean
  /** The final response has come. */
  answered: boolean
  /** Ticks since it was sent, or since it is pending. */
  ticks: number
  /** All requests of its packet, with this one. */
  readonly batch: ReadonlyArray<Pending>
}

/**
 * Requests that go in one packet.
 *
 * @since 0.1.0
 */
export interface Batch {
  readonly outgoings: ReadonlyArray<Outgoing>
  readonly completes: ReadonlyArray<Complete | undefined>
  readonly charge: number
  pendings: Array<Pending> | undefined
  gone: boolean
}
