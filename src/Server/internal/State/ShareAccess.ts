/**
 * Which users can connect to a share, and with which rights (MS-SMB2 3.3.5.7). One security descriptor is the share's
 * ConnectSecurity and its FileSecurity (3.3.1.6), as on Windows.
 */
import * as Access from "./Access.ts"
import type { Identity } from "./Identity.ts"
import type { Share } from "./Model.ts"

/**
 * All rights that a user can have to the files of a share: MaximalAccess of a tree. Zero: the user cannot connect.
 *
 * The owner of the descriptor has no rights to the files because of that, and administrators need entries, too: the
 * rights that both have to a descriptor are rights to change it.
 */
export const maximal = (share: Share, user: Identity): number => {
  if (share.options.administrators === true && !user.administrator) return 0
  const security = share.security.current()
  const granted = security === undefined
    ? Access.generic.all
    : Access.maximal({ ...security, owner: undefined }, { ...user, administrator: false }) & Access.generic.all
  return share.readOnly ? granted & Access.readOnlyAccess : granted
}
