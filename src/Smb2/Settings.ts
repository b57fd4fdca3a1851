/**
 * What a user may decide about connections and sessions. Safe where left out: signing required, no SMB 1.
 */
import * as Duration from "effect/Duration"
import type { Cipher, SigningAlgorithm } from "./Message/Constants.ts"

/** A dialect of SMB 2 or 3. */
export type Smb2Dialect = "2.0.2" | "2.1" | "3.0" | "3.0.2" | "3.1.1"

/** A dialect. `NT1` is SMB 1 ("NT LM 0.12"), which is insecure, and never spoken unless it is named. */
export type Dialect = "NT1" | Smb2Dialect

/** All of SMB 2 and 3, oldest first. */
export const allDialects: ReadonlyArray<Smb2Dialect> = ["2.0.2", "2.1", "3.0", "3.0.2", "3.1.1"]

/** Those of SMB 2 and 3 among some. */
export const smb2Dialects = (dialects: ReadonlyArray<Dialect>): ReadonlyArray<Smb2Dialect> =>
  dialects.filter((name): name is Smb2Dialect => name !== "NT1")

/** What a client offers, demands and waits for. Sizes in bytes. */
export interface Settings {
  /**
   * Offered to the server; it takes the newest that it knows. With `NT1` among others the negotiation begins with SMB 1,
   * so that whoever is in between can keep it there.
   */
  readonly dialects: ReadonlyArray<Dialect>
  /**
   * `required`: an unsigned session is refused, except for a guest or anonymous logon that the user asked for, which has
   * no key to sign with. `if-required`: sign only where the server demands it.
   */
  readonly signing: "required" | "if-required"
  /**
   * `off`: only what the server itself demands, for a session or a share. `if-offered`: everything, where the server can.
   * `required`: everything, or nothing goes.
   */
  readonly encryption: "off" | "if-offered" | "required"
  /** In order of preference (3.1.1). 3.0 and 3.0.2 always use AES-128-CCM. With none, nothing can be encrypted. */
  readonly ciphers: ReadonlyArray<keyof typeof Cipher>
  /** In order of preference (3.1.1). 3.0 and 3.0.2 always use AES-CMAC, 2.x HMAC-SHA256. */
  readonly signingAlgorithms: ReadonlyArray<keyof typeof SigningAlgorithm>
  /** Begin with SMB 1's multi-protocol NEGOTIATE. */
  readonly multiProtocol: boolean
  /** A request without an answer for so long fails with `TransportError`, reason `TimedOut`. */
  readonly requestTimeout: Duration.Duration
  /**
   * A request that the server has called pending (STATUS_PENDING), and not finished for so long, fails with
   * `TransportError`, reason `TimedOut`, and is cancelled; ten times `requestTimeout` where left out. Locks that may wait,
   * watches, and READs of named pipes may be pending for any time. SMB 1 has no such answer.
   */
  readonly pendingTimeout?: Duration.Duration
  /** After such a silence the server is asked whether it is there. */
  readonly keepAlive: Duration.Duration
  /** How much may be in flight on a connection, in units of 64 KiB. */
  readonly credits: number
  /** The largest packet accepted, in bytes. */
  readonly maximumFrame: number
  /** The largest single READ or WRITE, in bytes; the server may allow less. */
  readonly maximumTransfer: number
  /** How SMB 1 is spoken, where `dialects` names it: `Smb1Options` of `Smb1/Settings`, for servers that need it. */
  readonly smb1?: { readonly extendedSecurity?: boolean; readonly unicode?: boolean; readonly maxBufferSize?: number }
}

/** How long what is pending is waited for. */
export const pendingTimeout = (settings: Pick<Settings, "requestTimeout" | "pendingTimeout">): Duration.Duration =>
  settings.pendingTimeout ?? Duration.times(settings.requestTimeout, 10)

/** What holds where the user says nothing. */
export const defaults: Settings = {
  dialects: allDialects,
  signing: "required",
  encryption: "off",
  ciphers: ["AES_128_GCM", "AES_256_GCM", "AES_128_CCM", "AES_256_CCM"],
  signingAlgorithms: ["AES_GMAC", "AES_CMAC", "HMAC_SHA256"],
  multiProtocol: false,
  requestTimeout: Duration.seconds(30),
  keepAlive: Duration.seconds(15),
  credits: 512,
  maximumFrame: 16 * 1024 * 1024 - 1,
  maximumTransfer: 1024 * 1024
}
