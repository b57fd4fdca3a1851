/**
 * What SMB 1 and SMB 2 need of each other's negotiation: the multi-protocol NEGOTIATE (MS-SMB2 3.2.4.2.2.1) offers both
 * in one packet of SMB 1.
 */
import type * as Transport from "./Transport.ts"

/**
 * The dialect strings of SMB 2: for 2.0.2, and for the later dialects, which the next NEGOTIATE chooses from.
 *
 * @since 0.2.0
 */
export const smb2Strings = (offers: { readonly smb202: boolean; readonly later: boolean }): ReadonlyArray<string> => [
  ...(offers.smb202 ? ["SMB 2.002"] : []),
  ...(offers.later ? ["SMB 2.???"] : [])
]

/**
 * A negotiation that SMB 1 began, and that the server answered with SMB 2.
 *
 * @since 0.2.0
 */
export interface AnsweredBySmb2 {
  readonly duplex: Transport.Duplex
  /** The server's response. */
  readonly packet: Uint8Array
  /** From now on, passes the bytes of the stream to these handlers. */
  readonly handOver: (handlers: Transport.Handlers) => void
}
