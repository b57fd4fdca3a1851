/**
 * Which users can connect to a share, and with which rights (MS-SMB2 3.3.5.7). One security descriptor is the share's
 * ConnectSecurity and its FileSecurity (3.3.1.6), as on Windows.
 */
import * as Sd from "../../../Codec/SecurityDescriptor.ts"
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

/** The descriptor of a share as clients are told. Default: every user has all rights, as on smbd. */
export const descriptorOf = (share: Share): Sd.SecurityDescriptor =>
  share.security.current() ?? (share.options.administrators === true ? forAdministrators : forEveryone)

const granting = (sid: string): Sd.SecurityDescriptor => ({
  sbz1: 0,
  control: Sd.Control.SE_DACL_PRESENT | Sd.Control.SE_SELF_RELATIVE,
  owner: Access.sids.administrators,
  group: Access.sids.administrators,
  sacl: undefined,
  dacl: {
    aclRevision: 2,
    aces: [{
      _tag: "Basic",
      aceType: Sd.AceType.ACCESS_ALLOWED_ACE_TYPE,
      aceFlags: 0,
      mask: Access.generic.all,
      sid
    }]
  }
})

const forEveryone = granting(Access.sids.everyone)
const forAdministrators = granting(Access.sids.administrators)
