/** The result of a connection's negotiation (MS-SMB2 3.3.1.7). */
import type * as Encryption from "../../../Smb2/Encryption.ts"
import { SigningAlgorithm } from "../../../Smb2/Message/Constants.ts"
import type * as Signing from "../../../Smb2/Signing.ts"

/**
 * The result of a connection's negotiation. `dialect` is 0 before, and the wildcard after a multi-protocol NEGOTIATE.
 */
export interface Negotiated {
  dialect: number
  clientGuid: string
  clientCapabilities: number
  clientSecurityMode: number
  clientDialects: ReadonlyArray<number>
  clientGuidBytes: Uint8Array
  capabilities: number
  cipher: Encryption.Algorithm | undefined
  signing: Signing.Algorithm
  preauthHash: Uint8Array
  multiCredit: boolean
  maxTransactSize: number
}

/** A connection before its NEGOTIATE. */
export const initial = (): Negotiated => ({
  dialect: 0,
  clientGuid: "",
  clientCapabilities: 0,
  clientSecurityMode: 0,
  clientDialects: [],
  clientGuidBytes: new Uint8Array(16),
  capabilities: 0,
  cipher: undefined,
  signing: SigningAlgorithm.HMAC_SHA256,
  preauthHash: new Uint8Array(64),
  multiCredit: false,
  maxTransactSize: 65536
})
