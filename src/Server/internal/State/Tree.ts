/**
 * A tree connect (MS-SMB2 3.3.1.9): a session's way into one share, or to the pipes of IPC$.
 */
import type { ShareState } from "./ShareState.ts"

/**
 * @category models
 */
export interface Tree {
  readonly id: number
  /** Undefined for IPC$. */
  readonly share: ShareState | undefined
  readonly encrypted: boolean
  /** The rights that the share gives this user, no matter what a descriptor says. */
  readonly maximalAccess: number
}
