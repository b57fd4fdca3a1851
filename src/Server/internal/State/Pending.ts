/**
 * Requests that wait (MS-SMB2 3.3.4.2).
 */
import type { Session } from "./Session.ts"

/** A request that waits: it can be cancelled, or ended with another status. */
export interface Pending {
  readonly asyncId: bigint
  readonly messageId: number
  readonly session: Session | undefined
  /** It continues after its connection is lost, as long as its session has another. */
  readonly outlivesChannel: boolean
  readonly abort: (status: number) => void
}
