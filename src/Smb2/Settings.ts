/**
 * The user's settings of connections and sessions. The defaults are safe: signing required, no SMB 1.
 */
import * as Duration from "effect/Duration"
import * as Arguments from "../Protocol/Arguments.ts"
import type { Given } from "../Protocol/Defaults.ts"
import * as Dialects from "./Dialects.ts"
import type { Cipher, SigningAlgorithm } from "./Message/Constants.ts"

/**
 * A dialect of SMB 2 or 3.
 *
 * @since 0.1.0
 */
export type Smb2Dialect = Dialects.DialectName

/**
 * A dialect. `NT1` is SMB 1 ("NT LM 0.12"), which is insecure, and is used only if it is named.
 *
 * @since 0.1.0
 */
export type Dialect = "NT1" | Smb2Dialect

/**
 * All of SMB 2 and 3, oldest first.
 *
 * @since 0.1.0
 */
export const allDialects: ReadonlyArray<Smb2Dialect> = Dialects.names

/**
 * The dialects of SMB 2 and 3 in a list.
 *
 * @since 0.1.0
 */
export const smb2Dialects = (dialects: ReadonlyArray<Dialect>): ReadonlyArray<Smb2Dialect> =>
  dialects.filter((name): name is Smb2Dialect => name !== "NT1")

/**
 * What a client offers and demands, and its timeouts. Sizes in bytes.
 *
 * @since 0.1.0
 */
export interface Settings {
  /**
   * The dialects that the client offers; the server chooses the newest that it knows. With `NT1` and others the
   * negotiation begins with SMB 1, and an attacker between client and server can keep it there.
   */
  readonly dialects: ReadonlyArray<Dialect>
  /**
   * `required`: refuses an unsigned session, except for a guest or anonymous logon that the user asked for, which has
   * no key to sign with. `if-required`: signs only if the server demands it.
   */
  readonly signing: "required" | "if-required"
  /**
   * `off`: encrypts only what the server itself demands, for a session or a share. `if-offered`: encrypts everything if
   * the server can. `required`: encrypts everything, or fails.
   */
  readonly encryption: "off" | "if-offered" | "required"
  /**
   * In order of preference (3.1.1). 3.0 and 3.0.2 always use AES-128-CCM. With an empty list, nothing can be encrypted.
   */
  readonly ciphers: ReadonlyArray<keyof typeof Cipher>
  /** In order of preference (3.1.1). 3.0 and 3.0.2 always use AES-CMAC, 2.x HMAC-SHA256. */
  readonly signingAlgorithms: ReadonlyArray<keyof typeof SigningAlgorithm>
  /** Begin with SMB 1's multi-protocol NEGOTIATE. */
  readonly multiProtocol: boolean
  /** The timeout of a request: without a response it fails with `TransportError`, reason `TimedOut`. */
  readonly requestTimeout: Duration.Input
  /**
   * The timeout of a request after the server has called it pending (STATUS_PENDING): it fails with `TransportError`,
   * reason `TimedOut`, and is cancelled. Default: ten times `requestTimeout`. Locks with `wait`, watches, and READs of
   * named pipes can be pending for any time. SMB 1 has no such response.
   */
  readonly pendingTimeout?: Duration.Input | undefined
  /** After this time without a response the client sends an ECHO. */
  readonly keepAlive: Duration.Input
  /** How much can be in flight on a connection, in units of 64 KiB. */
  readonly credits: number
  /** The largest accepted packet, in bytes. */
  readonly maximumFrame: number
  /** The largest single READ or WRITE, in bytes; the server can allow less. */
  readonly maximumTransfer: number
  /** The options of SMB 1 if `dialects` names it: `Smb1Options` of `Smb1/Settings`, for servers that need it. */
  readonly smb1?: {
    readonly extendedSecurity?: boolean | undefined
    readonly unicode?: boolean | undefined
    readonly maxBufferSize?: number | undefined
  } | undefined
}

/**
 * The timeout of pending requests.
 *
 * @since 0.1.0
 */
export const pendingTimeout = (settings: Pick<Settings, "requestTimeout" | "pendingTimeout">): Duration.Input =>
  settings.pendingTimeout ?? Duration.times(Duration.fromInputUnsafe(settings.requestTimeout), 10)

/**
 * What the numbers and times of the settings have to be.
 *
 * @since 0.2.0
 */
export const rules = (settings: Given<Settings>): Arguments.Given => ({
  requestTimeout: [Arguments.duration, settings.requestTimeout],
  pendingTimeout: [Arguments.duration, settings.pendingTimeout],
  keepAlive: [Arguments.duration, settings.keepAlive],
  credits: [Arguments.integer(1, 65_535), settings.credits],
  // The length of a packet has 24 bits (MS-SMB2 2.1).
  maximumFrame: [Arguments.integer(1, 0xff_ffff), settings.maximumFrame],
  maximumTransfer: [Arguments.integer(1, 0xff_ffff), settings.maximumTransfer],
  "smb1.maxBufferSize": [Arguments.integer(1, 0xff_ffff), settings.smb1?.maxBufferSize]
})

/**
 * The default settings.
 *
 * @since 0.1.0
 */
export const defaults: Settings = {
  dialects: allDialects,
  signing: "required",
  encryption: "off",
  ciphers: ["AES_128_GCM", "AES_256_GCM", "AES_128_CCM", "AES_256_CCM"],
  signingAlgorithms: ["AES_GMAC", "AES_CMAC", "HMAC_SHA256"],
  multiProtocol: false,
  requestTimeout: "30 seconds",
  keepAlive: "15 seconds",
  credits: 512,
  maximumFrame: 16 * 1024 * 1024 - 1,
  maximumTransfer: 1024 * 1024
}
