/**
 * Access rights to a file: access checks against security descriptors (MS-DTYP 2.5.3.2), the specific rights that
 * generic ones stand for (MS-FSA 2.1.5.1), and the descriptor that a new file inherits from its directory (MS-DTYP
 * 2.5.3.4).
 *
 * A file without a descriptor in the store has `defaultDescriptor`: every user of the share has all rights there that
 * the share itself allows.
 */
import * as Codec from "../../../Codec/Codec.ts"
import { inheritedAces } from "../../../Codec/Inheritance.ts"
import * as Sd from "../../../Codec/SecurityDescriptor.ts"
import { AccessMask as A, GenericAccess, mapGeneric } from "../../../Smb2/Message/Constants.ts"
import type { Identity } from "./Identity.ts"

/** Well-known SIDs (MS-DTYP 2.4.2.4). */
export const sids = {
  everyone: "S-1-1-0",
  creatorOwner: "S-1-3-0",
  creatorGroup: "S-1-3-1",
  ownerRights: "S-1-3-4",
  network: "S-1-5-2",
  anonymous: "S-1-5-7",
  authenticated: "S-1-5-11",
  system: "S-1-5-18",
  administrators: "S-1-5-32-544",
  users: "S-1-5-32-545",
  guests: "S-1-5-32-546"
} as const

/** FILE_GENERIC_READ and similar rights (MS-SMB2 2.2.13.1.1). */
export const generic = {
  read: GenericAccess.FILE_GENERIC_READ,
  write: GenericAccess.FILE_GENERIC_WRITE,
  execute: GenericAccess.FILE_GENERIC_EXECUTE,
  all: GenericAccess.FILE_ALL_ACCESS
} as const

/** The rights that a read-only share allows. */
export const readOnlyAccess = generic.read | generic.execute

export { mapGeneric }

const ace = (sid: string, mask: number, aceFlags: number): Sd.BasicAce => ({
  _tag: "Basic",
  aceType: Sd.AceType.ACCESS_ALLOWED_ACE_TYPE,
  aceFlags,
  mask,
  sid
})

const inheritToAll = Sd.AceFlags.OBJECT_INHERIT_ACE | Sd.AceFlags.CONTAINER_INHERIT_ACE

/** The descriptor of a file for which the store keeps none. */
export const defaultDescriptor: Sd.SecurityDescriptor = {
  sbz1: 0,
  control: Sd.Control.SE_DACL_PRESENT | Sd.Control.SE_SELF_RELATIVE,
  owner: sids.administrators,
  group: sids.users,
  sacl: undefined,
  dacl: { aclRevision: 2, aces: [ace(sids.everyone, generic.all, inheritToAll)] }
}

/** The descriptor of a file whose stored one cannot be read any more: administrators can repair it. */
const damagedDescriptor: Sd.SecurityDescriptor = {
  ...defaultDescriptor,
  dacl: { aclRevision: 2, aces: [ace(sids.administrators, generic.all, 0)] }
}

/** Decodes the descriptor that a store keeps; gives the default if it keeps none. */
export const decode = (bytes: Uint8Array | undefined): Sd.SecurityDescriptor => {
  if (bytes === undefined) return defaultDescriptor
  const decoded = Codec.decode("SECURITY_DESCRIPTOR", Sd.SecurityDescriptor)(bytes)
  return decoded._tag === "Success" ? decoded.success : damagedDescriptor
}

/** A security descriptor as a store keeps it, self-relative (MS-DTYP 2.4.6). */
export const encode = Codec.encode(Sd.SecurityDescriptor)

const isUser = (user: Identity, sid: string): boolean => user.sid === sid || user.groups.has(sid)

/** All rights that a descriptor gives a user. */
export const maximal = (descriptor: Sd.SecurityDescriptor, user: Identity): number => {
  const owns = descriptor.owner !== undefined && isUser(user, descriptor.owner)
  let granted = 0
  let denied = 0
  let ownerRights = false
  if (descriptor.dacl === undefined) {
    granted = generic.all
  } else {
    for (const entry of descriptor.dacl.aces) {
      if (entry._tag !== "Basic" || (entry.aceFlags & Sd.AceFlags.INHERIT_ONLY_ACE) !== 0) continue
      if (entry.sid === sids.ownerRights ? !owns : !isUser(user, entry.sid)) continue
      if (entry.sid === sids.ownerRights) ownerRights = true
      const mask = mapGeneric(entry.mask)
      if (entry.aceType === Sd.AceType.ACCESS_ALLOWED_ACE_TYPE) granted |= mask & ~denied
      else if (entry.aceType === Sd.AceType.ACCESS_DENIED_ACE_TYPE) denied |= mask & ~granted
    }
  }
  // An owner can always read and change the list, unless the list says otherwise.
  if (owns && !ownerRights) granted |= A.READ_CONTROL | A.WRITE_DAC
  if (user.administrator) granted |= A.WRITE_OWNER | A.ACCESS_SYSTEM_SECURITY
  return granted
}

/**
 * Whether a user may set a file's owner to this SID: their own, or any with the privilege to restore files (MS-DTYP
 * 2.5.3.4.1; Windows' SE_RESTORE_NAME). The only group with SE_GROUP_OWNER here is that of the administrators.
 */
export const mayOwn = (user: Identity, owner: string): boolean => user.administrator || owner === user.sid

/**
 * The descriptor of a new file: the one that its creator asked for, or inherited entries, or full rights for its
 * creator.
 */
export const forChild = (
  parent: Sd.SecurityDescriptor,
  asked: Sd.SecurityDescriptor | undefined,
  user: Identity,
  domainSid: string,
  directory: boolean
): Sd.SecurityDescriptor => {
  const owner = asked?.owner ?? user.sid
  const group = asked?.group ?? `${domainSid}-513`
  if (asked !== undefined && (asked.control & Sd.Control.SE_DACL_PRESENT) !== 0) {
    const dacl = asked.dacl === undefined
      ? undefined
      : { ...asked.dacl, aces: asked.dacl.aces.map((one) => settled(one, owner, group)) }
    return { ...asked, owner, group, dacl }
  }
  const inherited = inheritedAces(parent.dacl, {
    isDirectory: directory,
    owner,
    group,
    mapGeneric,
    marked: (parent.control & Sd.Control.SE_DACL_AUTO_INHERITED) !== 0
  })
  const aces = inherited.length > 0
    ? inherited
    : [ace(owner, generic.all, 0), ace(sids.system, generic.all, 0)]
  return {
    sbz1: 0,
    control: Sd.Control.SE_DACL_PRESENT |
      (inherited.length > 0 ? parent.control & Sd.Control.SE_DACL_AUTO_INHERITED : 0) |
      (asked === undefined ? 0 : asked.control & Sd.Control.SE_SACL_PRESENT),
    owner,
    group,
    sacl: asked?.sacl,
    dacl: { aclRevision: 2, aces }
  }
}

/** An entry with its generic rights mapped, unless it is only there to be inherited. */
const settled = (entry: Sd.Ace, _owner: string, _group: string): Sd.Ace =>
  entry._tag === "Basic" && (entry.aceFlags & Sd.AceFlags.INHERIT_ONLY_ACE) === 0
    ? { ...entry, mask: mapGeneric(entry.mask) }
    : entry
