/**
 * What a client knows of a server beyond its shares: the result of the negotiation, and of the logon. The same for each
 * version of the protocol.
 */
import type * as Effect from "effect/Effect"
import * as FileTime from "../Codec/FileTime.ts"
import type { RequestError } from "./Errors.ts"

/**
 * The result of a negotiation.
 *
 * @category models
 * @since 0.2.0
 */
export interface ServerInformation {
  /** The name by which the client connected. */
  readonly server: string
  readonly port: number
  /** The protocol's name in the documents: `3.1.1`; `NT1` is SMB 1. */
  readonly dialect: string
  /**
   * The names of the server's capabilities, in the order of their bits: `DFS`, `LEASING`, `LARGE_MTU` (MS-SMB2 2.2.4),
   * or `UNICODE`, `NT_SMBS` for SMB 1 (MS-CIFS 2.2.4.52.2). A bit without a name is a hexadecimal number.
   */
  readonly capabilities: ReadonlyArray<string>
  /** Whether the server demands signatures. */
  readonly requiresSigning: boolean
  /** The algorithm of signatures on this connection: `AES_GMAC`, `AES_CMAC`, `HMAC_SHA256`; `MD5` for SMB 1. */
  readonly signingAlgorithm: string
  /** The cipher on which client and server have agreed, such as `AES_128_GCM`. Absent if nothing can be encrypted. */
  readonly cipher?: string | undefined
  /** 16 bytes that name the server. Absent if an SMB 1 server does not send them. */
  readonly serverGuid?: Uint8Array | undefined
  /** The time of the server when it answered, in 100 ns ticks since 1601. Absent if the server did not say. */
  readonly systemTime?: bigint | undefined
  /** How far the clock of the server is ahead of the clock of this machine, in milliseconds. */
  readonly clockSkew?: number | undefined
  /** The most bytes of a READ, a WRITE, and any other message, as the server announced them. */
  readonly limits: { readonly read: number; readonly write: number; readonly transact: number }
}

/**
 * A user's session at a server.
 *
 * @category models
 * @since 0.2.0
 */
export interface SessionInformation extends ServerInformation {
  /** Whether the server let the user in as a guest or without a name: nothing proves either identity. */
  readonly isGuest: boolean
  /** Whether every message is signed. An encrypted message needs no signature. */
  readonly signed: boolean
  /** Whether every message is encrypted. A share can demand it for its own messages only. */
  readonly encrypted: boolean
  /** The description that an SMB 1 server gives of itself: `Samba 4.17.12`. */
  readonly nativeLanMan?: string | undefined
  /** Sends an ECHO, and returns when the response has come: one round trip (MS-SMB2 2.2.28, MS-CIFS 2.2.4.39). */
  readonly echo: Effect.Effect<void, RequestError>
}

/**
 * The names of the bits of `flags`, without `prefix`.
 *
 * @since 0.2.0
 */
export const namesOf = (
  flags: number,
  table: Readonly<Record<string, number>>,
  prefix: string
): ReadonlyArray<string> => {
  const known = Object.entries(table).filter(([, flag]) => (flags & flag) !== 0)
  const rest = known.reduce((left, [, flag]) => left & ~flag, flags) >>> 0
  const names = known.map(([name]) => name.slice(name.startsWith(prefix) ? prefix.length : 0))
  return rest === 0 ? names : [...names, `0x${rest.toString(16)}`]
}

/** The earliest time that a server's clock can have. Servers without a clock send less. */
const earliest = FileTime.fromMillis(Date.UTC(1980, 0, 1))

/**
 * The time of a server in a response that came at `receivedAt` (milliseconds since 1970), and how far it is ahead.
 *
 * @since 0.2.0
 */
export const clock = (
  systemTime: bigint,
  receivedAt: number
): Pick<ServerInformation, "systemTime" | "clockSkew"> =>
  systemTime < earliest ? {} : { systemTime, clockSkew: FileTime.toMillis(systemTime) - receivedAt }
