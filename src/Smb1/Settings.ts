/**
 * The part of the common settings that SMB 1 uses, and its own settings.
 */
import type * as Duration from "effect/Duration"

/**
 * The part of the common settings that SMB 1 uses; the settings of `Smb2` have this type. Sizes in bytes.
 *
 * @since 0.1.0
 */
export interface Settings {
  /** `NT1`, and the dialects of SMB 2 and 3 that are offered with it. */
  readonly dialects: ReadonlyArray<string>
  readonly signing: "required" | "if-required"
  readonly encryption: "off" | "if-offered" | "required"
  readonly requestTimeout: Duration.Input
  readonly keepAlive: Duration.Input
  readonly maximumFrame: number
  readonly maximumTransfer: number
}

/**
 * The options of SMB 1. For servers that need them, and for tests.
 *
 * @since 0.1.0
 */
export interface Smb1Options {
  /** Log on by SPNEGO if the server can. */
  readonly extendedSecurity: boolean
  /** Names in Unicode if the server can. */
  readonly unicode: boolean
  /** The largest packet that the server may send, except large READs; in bytes. */
  readonly maxBufferSize: number
}

/**
 * The default options.
 *
 * @since 0.1.0
 */
export const defaults: Smb1Options = { extendedSecurity: true, unicode: true, maxBufferSize: 0xffff }
