/**
 * What goes through a connection: requests without their headers, replies, and what is kept between the two.
 */
import type { ProtocolError } from "../Protocol/Errors.ts"
import type * as Multiplexer from "../Protocol/Multiplexer.ts"
import type * as Encryption from "./Encryption.ts"
import type * as Header from "./Header.ts"
import type * as Signing from "./Signing.ts"

export type { ConnectionError } from "../Protocol/Multiplexer.ts"

/** The keys of a session, as far as they exist yet. */
export interface Security {
  readonly sessionId: bigint
  /** Absent before the logon is complete, and for guests and anonymous users. */
  readonly sign: Signing.Sign | undefined
  /** Whether every request is signed, or only those that must be. */
  readonly signsAll: boolean
  /** Whether every request is encrypted, and not only those of shares that demand it. */
  readonly encryptsAll?: boolean
  readonly encrypt: Encryption.Encrypt | undefined
  readonly decrypt: Encryption.Decrypt | undefined
}

/** Whom a request is made for: told when the server says that it is no longer there. */
export interface Owner {
  readonly onLost: (what: "share" | "session") => void
}

/** One request, without its header. */
export interface Outgoing {
  readonly command: number
  /** The body, from StructureSize on. */
  readonly body: Uint8Array
  /** Bytes that follow the body: a WRITE's data. Never copied. */
  readonly payload?: Uint8Array
  readonly treeId?: number
  readonly security?: Security
  readonly owner?: Owner
  readonly encrypted?: boolean
  /** Sign this one whatever the session does otherwise. */
  readonly mustSign?: boolean
  /** Header flags beyond those that the connection sets, such as DFS_OPERATIONS. */
  readonly flags?: number
  /** 1 for each 64 KiB of payload asked or sent; 1 where left out. */
  readonly creditCharge?: number
  /** Where the data of a READ goes, if the caller has a place for it. As long as the data asked for. */
  readonly destination?: Uint8Array
  /** The bytes asked for by a READ: bounds what the server may send. */
  readonly readLength?: number
  /** Sees the packet as it is sent, for the preauthentication hash. */
  readonly onSent?: (packet: Uint8Array) => void
  /** May change something on the server: once sent, its failure says so (`TransportError.sent`). */
  readonly mutates?: boolean
  /** Waits by its nature, such as a lock or a watch: may be pending for any time. */
  readonly waits?: boolean
  /** Called with a success that arrives after the caller has gone: closes what was opened. */
  readonly orphan?: (reply: Reply) => void
}

/** What came back. */
export interface Reply {
  readonly header: Header.Header
  /** The packet from its header to its end. Of a placed READ, its first 80 bytes. */
  readonly packet: Uint8Array
  /** The data of a READ that was put into its place. */
  readonly data?: Uint8Array
  /** Why nothing that it says may be believed: a READ that found nothing, by its own words, and is signed wrongly. */
  readonly distrust?: ProtocolError
}

/** Takes how a request ended: one of the two. */
export type Complete = Multiplexer.Complete<Reply>

/** A request on its way. */
export interface Pending {
  readonly outgoing: Outgoing
  readonly messageId: number
  readonly encrypted: boolean
  readonly signed: boolean
  /** Absent when whoever asked has gone. */
  complete: Complete | undefined
  asyncId: bigint
  /** The server has called it pending. */
  isAsync: boolean
  /** The final answer has come. */
  answered: boolean
  /** Since it was sent, or since it is pending. */
  ticks: number
  /** All requests of its packet, this one among them. */
  readonly batch: ReadonlyArray<Pending>
}

/** Requests that go in one packet. */
export interface Batch {
  readonly outgoings: ReadonlyArray<Outgoing>
  readonly completes: ReadonlyArray<Complete | undefined>
  readonly charge: number
  pendings: Array<Pending> | undefined
  gone: boolean
}
