/**
 * The options of one share.
 */
import type * as SubscriptionRef from "effect/SubscriptionRef"
import type { SecurityDescriptor } from "../Codec/SecurityDescriptor.ts"
import type { ShareStore } from "./ShareStore.ts"

/**
 * How a share is offered.
 *
 * @since 0.2.0
 */
export interface ShareOptions {
  readonly store: ShareStore
  readonly comment?: string | undefined
  /** Whether lists of shares leave it out. Default: true if the name ends in `$`. */
  readonly hidden?: boolean | undefined
  readonly readOnly?: boolean | undefined
  /** Sessions that cannot encrypt are refused. */
  readonly encrypt?: boolean | undefined
  /**
   * Whether clients of dialect 3.x can have persistent opens: those outlive the server, in an `OpenStore`, and clients
   * get them back from the server that starts after it (docs/server.md, Continuous availability). The store must
   * recognize its files after a restart (`lastingIdentities`), and the users need the same SIDs after it
   * (`IdentityStore`). Default: false.
   */
  readonly continuousAvailability?: boolean | undefined
  /**
   * Listings show only files that the user may read, if the store keeps security descriptors. Costs one open per entry.
   */
  readonly accessBasedEnumeration?: boolean | undefined
  /**
   * Whether files with long names have short (8.3) names too: computed from the name, shown by listings, and accepted in
   * requests. Default: true.
   */
  readonly shortNames?: boolean | undefined
  /** Whether only administrators may connect, as to `ADMIN$` on Windows. Default: false. */
  readonly administrators?: boolean | undefined
  /**
   * Which users may connect, and the most rights that they have to the files: a security descriptor, or its text (SDDL,
   * which must have a DACL). A user whom it grants no right is refused. Default: all rights for every user.
   *
   * The value of a `SubscriptionRef` can change while the server runs, also by administrators (NetrShareSetInfo,
   * MS-SRVS 3.1.4.11), and counts for later connections to the share.
   */
  readonly security?: string | SecurityDescriptor | SubscriptionRef.SubscriptionRef<SecurityDescriptor> | undefined
  /** Whether guests and anonymous users may connect. Default: if the server lets them log on. */
  readonly guest?: boolean | undefined
}
