/**
 * What SMB 1 needs of the settings of all versions, and what it has beside them.
 */
import type * as Duration from "effect/Duration"

/** The part of the settings of all versions that counts here; `Smb2`'s are such. Sizes in bytes. */
export interface Settings {
  /** `NT1`, and those of SMB 2 and 3 that are offered beside it. */
  readonly dialects: ReadonlyArray<string>
  readonly signing: "required" | "if-required"
  readonly encryption: "off" | "if-offered" | "required"
  readonly requestTimeout: Duration.Duration
  readonly keepAlive: Duration.Duration
  readonly maximumFrame: number
  readonly maximumTransfer: number
}

/** How SMB 1 is spoken. For servers that need it, and for tests. */
export interface Smb1Options {
  /** Log on by SPNEGO where the server can. */
  readonly extendedSecurity: boolean
  /** Names in Unicode where the server can. */
  readonly unicode: boolean
  /** The largest packet that the server may send, large READs apart; in bytes. */
  readonly maxBufferSize: number
}

/** What holds where nobody says otherwise. */
export const defaults: Smb1Options = { extendedSecurity: true, unicode: true, maxBufferSize: 0xffff }
