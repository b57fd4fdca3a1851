/**
 * Security descriptors for people: entries with names and rights in words, and the changes that administrators make.
 * Pure: `SmbClient.security` reads and writes descriptors, and `SmbClient.lookupNames` finds the SIDs of names.
 *
 * A list of entries has an order (MS-DTYP 2.4.5): explicit entries that deny, explicit entries that allow, and then the
 * inherited ones. Changes put a new entry in its place, and leave the order of all others as it is.
 */
import * as Codec from "../Codec/Codec.ts"
import { inheritedAces } from "../Codec/Inheritance.ts"
import {
  Ace,
  AceFlags,
  AceType,
  type Acl,
  type BasicAce,
  Control,
  type SecurityDescriptor,
  type Sid
} from "../Codec/SecurityDescriptor.ts"
import { AccessMask, GenericAccess, mapGeneric } from "../Smb2/Message/Constants.ts"
import * as Account from "./Account.ts"

// -----------------------------------------------------------------------------
// rights
// -----------------------------------------------------------------------------

/**
 * Rights that have a word: those of icacls (F, M, RX) and of smbcacls (FULL, CHANGE, READ).
 *
 * @since 0.2.0
 */
export const Rights = {
  full: GenericAccess.FILE_ALL_ACCESS,
  change: GenericAccess.FILE_GENERIC_READ | GenericAccess.FILE_GENERIC_WRITE | GenericAccess.FILE_GENERIC_EXECUTE |
    AccessMask.DELETE,
  read: GenericAccess.FILE_GENERIC_READ | GenericAccess.FILE_GENERIC_EXECUTE
} as const

/** Rights that have a letter, as in smbcacls. */
const letters = {
  R: GenericAccess.FILE_GENERIC_READ,
  W: GenericAccess.FILE_GENERIC_WRITE,
  X: GenericAccess.FILE_GENERIC_EXECUTE,
  D: AccessMask.DELETE,
  P: AccessMask.WRITE_DAC,
  O: AccessMask.WRITE_OWNER
} as const

/** Other names for the words: those of icacls and smbcacls. */
const words: Readonly<Record<string, number>> = {
  ...Rights,
  modify: Rights.change,
  f: Rights.full,
  m: Rights.change
}

/**
 * The rights without those that an open of any kind asks for. An entry that denies SYNCHRONIZE or READ_CONTROL denies
 * every access, and not only the one that a person means.
 */
const deniable = (mask: number): number =>
  mask === Rights.full ? mask : mask & ~(AccessMask.SYNCHRONIZE | AccessMask.READ_CONTROL)

/**
 * The mask of rights in words: `full`, `change`, `read`, letters (`R` read, `W` write, `X` execute, `D` delete, `P` change
 * permissions, `O` take ownership) such as `RWX`, icacls' `F` and `M`, or a number such as `0x1200a9`. `undefined` for any
 * other text. With `denied`, the mask for an entry that denies them; a number is taken as it is.
 *
 * @category conversions
 * @since 0.2.0
 */
export const maskOf = (text: string, options?: { readonly denied?: boolean | undefined }): number | undefined => {
  if (/^0x[0-9a-f]{1,8}$/i.test(text)) return Number(text) === 0 ? undefined : Number(text)
  const lower = text.toLowerCase()
  const mask = Object.hasOwn(words, lower)
    ? words[lower]!
    : /^[RWXDPO]{1,6}$/i.test(text)
    ? [...text.toUpperCase()].reduce((sum, letter) => sum | letters[letter as keyof typeof letters], 0)
    : undefined
  return mask === undefined || options?.denied !== true ? mask : deniable(mask)
}

/**
 * A mask in words: `full`, `change`, `read`, letters such as `RW`, `none`, or a number for any other rights. Generic rights
 * count as those that they stand for. With `denied`, the mask is of an entry that denies.
 *
 * @category conversions
 * @since 0.2.0
 */
export const rightsOf = (mask: number, options?: { readonly denied?: boolean | undefined }): string => {
  const mapped = mapGeneric(mask)
  const of = options?.denied === true ? deniable : (rights: number) => rights
  const word = Object.entries(Rights).find(([, rights]) => of(rights) === mapped)
  if (word !== undefined) return word[0]
  if (mapped === 0) return "none"
  const parts = Object.entries(letters).filter(([, rights]) => (mapped & of(rights)) === of(rights))
  const whole = parts.reduce((sum, [, rights]) => sum | of(rights), 0)
  return whole === mapped ? parts.map(([letter]) => letter).join("") : `0x${mask.toString(16)}`
}

// -----------------------------------------------------------------------------
// reading
// -----------------------------------------------------------------------------

/**
 * An entry of a list.
 *
 * @category models
 * @since 0.2.0
 */
export interface Entry {
  /** `other`: an entry of another kind, such as one with a condition; `ace` has it. */
  readonly type: "allow" | "deny" | "audit" | "other"
  /** Absent from an entry that is kept as bytes. */
  readonly account: Account.Account | undefined
  /** The rights in words, as `rightsOf` has them; empty for an entry that is kept as bytes. */
  readonly rights: string
  /** The exact rights (MS-SMB2 2.2.13.1); 0 for an entry that is kept as bytes. */
  readonly mask: number
  /** Files in the folder inherit the entry (MS-DTYP 2.4.4.1). */
  readonly objectInherit: boolean
  /** Folders in the folder inherit the entry. */
  readonly containerInherit: boolean
  /** What inherits the entry does not pass it on. */
  readonly noPropagateInherit: boolean
  /** The entry is only for what inherits it, and not for the folder itself. */
  readonly inheritOnly: boolean
  /** The entry comes from the folder above. */
  readonly inherited: boolean
  readonly ace: Ace
}

/**
 * The accounts that may use a file or folder, and how.
 *
 * @category models
 * @since 0.2.0
 */
export interface Permissions {
  readonly owner: Account.Account | undefined
  readonly group: Account.Account | undefined
  /** The entries in their order. `undefined`: there is no list, and everybody has all rights. */
  readonly entries: ReadonlyArray<Entry> | undefined
  /** The entries of the SACL, if it was asked for. */
  readonly audit: ReadonlyArray<Entry>
  /** The list does not inherit from the folder above. */
  readonly isProtected: boolean
  readonly descriptor: SecurityDescriptor
}

/**
 * The SIDs in a descriptor, each once.
 *
 * @since 0.2.0
 */
export const sidsOf = ({ dacl, group, owner, sacl }: SecurityDescriptor): ReadonlyArray<Sid> => {
  const aces = [...(dacl?.aces ?? []), ...(sacl?.aces ?? [])]
  const all = [owner, group, ...aces.map((ace) => ace._tag === "Raw" ? undefined : ace.sid)]
  return [...new Set(all.filter((sid) => sid !== undefined))]
}

const typeNames: Readonly<Record<number, Entry["type"]>> = {
  [AceType.ACCESS_ALLOWED_ACE_TYPE]: "allow",
  [AceType.ACCESS_DENIED_ACE_TYPE]: "deny",
  [AceType.SYSTEM_AUDIT_ACE_TYPE]: "audit"
}

const has = (ace: Ace, flag: number): boolean => (ace.aceFlags & flag) !== 0

const entryOf = (ace: Ace, accountOf: (sid: Sid) => Account.Account): Entry => {
  const type = typeNames[ace.aceType] ?? "other"
  return {
    type,
    account: ace._tag === "Raw" ? undefined : accountOf(ace.sid),
    rights: ace._tag === "Raw" ? "" : rightsOf(ace.mask, { denied: type === "deny" }),
    mask: ace._tag === "Raw" ? 0 : ace.mask,
    objectInherit: has(ace, AceFlags.OBJECT_INHERIT_ACE),
    containerInherit: has(ace, AceFlags.CONTAINER_INHERIT_ACE),
    noPropagateInherit: has(ace, AceFlags.NO_PROPAGATE_INHERIT_ACE),
    inheritOnly: has(ace, AceFlags.INHERIT_ONLY_ACE),
    inherited: has(ace, AceFlags.INHERITED_ACE),
    ace
  }
}

/**
 * A descriptor with these accounts for its SIDs. A SID that is missing among them stands for itself.
 *
 * @category conversions
 * @since 0.2.0
 */
export const fromDescriptor = (
  descriptor: SecurityDescriptor,
  accounts: Iterable<Account.Account> = []
): Permissions => {
  const known = new Map([...accounts].map((account) => [account.sid, account]))
  const accountOf = (sid: Sid) => known.get(sid) ?? Account.wellKnown(sid) ?? Account.unknown(sid)
  const entries = (acl: Acl | undefined) => acl?.aces.map((ace) => entryOf(ace, accountOf))
  return {
    owner: descriptor.owner === undefined ? undefined : accountOf(descriptor.owner),
    group: descriptor.group === undefined ? undefined : accountOf(descriptor.group),
    entries: entries(descriptor.dacl),
    audit: entries(descriptor.sacl) ?? [],
    isProtected: (descriptor.control & Control.SE_DACL_PROTECTED) !== 0,
    descriptor
  }
}

// -----------------------------------------------------------------------------
// changes
// -----------------------------------------------------------------------------

/**
 * Rights of an account, to grant or to deny. `aceFlags`: who inherits the entry (OBJECT_INHERIT_ACE and others of
 * MS-DTYP 2.4.4.1). Default: no file below.
 *
 * @category models
 * @since 0.2.0
 */
export interface Grant {
  readonly sid: Sid
  readonly mask: number
  readonly aceFlags?: number | undefined
}

/**
 * The flags of an entry for a folder and for all files and folders below it.
 *
 * @since 0.2.0
 */
export const inheritToAll = AceFlags.OBJECT_INHERIT_ACE | AceFlags.CONTAINER_INHERIT_ACE

const { ACCESS_ALLOWED_ACE_TYPE, ACCESS_DENIED_ACE_TYPE } = AceType

const isInherited = (ace: Ace): boolean => has(ace, AceFlags.INHERITED_ACE)

const isExplicit = (ace: Ace, aceType: number, sid: Sid): ace is BasicAce =>
  ace._tag === "Basic" && ace.aceType === aceType && ace.sid === sid && !isInherited(ace)

const revisionOf = (aces: ReadonlyArray<Ace>): number => (aces.some(({ _tag }) => _tag === "Object") ? 4 : 2)

const withAces = (descriptor: SecurityDescriptor, aces: ReadonlyArray<Ace>): SecurityDescriptor => ({
  ...descriptor,
  control: descriptor.control | Control.SE_DACL_PRESENT,
  dacl: { aclRevision: Math.max(descriptor.dacl?.aclRevision ?? 2, revisionOf(aces)), aces }
})

/** Adds rights to an explicit entry of the same account and flags, or puts a new entry where its kind begins or ends. */
const added = (aces: ReadonlyArray<Ace>, aceType: number, { aceFlags = 0, mask, sid }: Grant): ReadonlyArray<Ace> => {
  const at = aces.findIndex((ace) => isExplicit(ace, aceType, sid) && ace.aceFlags === aceFlags)
  if (at >= 0) {
    const old = aces[at] as BasicAce
    return aces.with(at, { ...old, mask: (old.mask | mask) >>> 0 })
  }
  const ends = aceType === ACCESS_DENIED_ACE_TYPE
    ? aces.findIndex((ace) => ace.aceType !== ACCESS_DENIED_ACE_TYPE || isInherited(ace))
    : aces.findIndex(isInherited)
  return aces.toSpliced(ends < 0 ? aces.length : ends, 0, { _tag: "Basic", aceType, aceFlags, mask, sid })
}

/**
 * Gives an account further rights. A file without a list gives everybody all rights already: it stays as it is.
 *
 * @category changes
 * @since 0.2.0
 */
export const grant = (descriptor: SecurityDescriptor, wanted: Grant): SecurityDescriptor =>
  descriptor.dacl === undefined
    ? descriptor
    : withAces(descriptor, added(descriptor.dacl.aces, ACCESS_ALLOWED_ACE_TYPE, wanted))

/**
 * Denies rights to an account, and takes them out of its explicit entries that allow them. A file without a list gets
 * one that allows everybody else everything.
 *
 * @category changes
 * @since 0.2.0
 */
export const deny = (descriptor: SecurityDescriptor, wanted: Grant): SecurityDescriptor => {
  const everybody: BasicAce = {
    _tag: "Basic",
    aceType: ACCESS_ALLOWED_ACE_TYPE,
    aceFlags: wanted.aceFlags ?? 0,
    mask: Rights.full,
    sid: "S-1-1-0"
  }
  const aces = (descriptor.dacl?.aces ?? [everybody]).flatMap((ace): ReadonlyArray<Ace> => {
    if (!isExplicit(ace, ACCESS_ALLOWED_ACE_TYPE, wanted.sid)) return [ace]
    const mask = (mapGeneric(ace.mask) & ~wanted.mask) >>> 0
    return mask === 0 ? [] : [{ ...ace, mask }]
  })
  return withAces(descriptor, added(aces, ACCESS_DENIED_ACE_TYPE, wanted))
}

/**
 * Removes all explicit entries of an account, those that allow and those that deny. Inherited entries stay: they belong
 * to the folder above.
 *
 * @category changes
 * @since 0.2.0
 */
export const revoke = (descriptor: SecurityDescriptor, sid: Sid): SecurityDescriptor => {
  const { dacl } = descriptor
  if (dacl === undefined) return descriptor
  const aces = dacl.aces.filter((ace) => isInherited(ace) || ace._tag === "Raw" || ace.sid !== sid)
  return aces.length === dacl.aces.length ? descriptor : withAces(descriptor, aces)
}

/**
 * Gives the file to another owner.
 *
 * @category changes
 * @since 0.2.0
 */
export const withOwner = (descriptor: SecurityDescriptor, owner: Sid): SecurityDescriptor => ({ ...descriptor, owner })

/**
 * Cuts the list off from the folder above. `keep`: the inherited entries become the file's own; otherwise they go.
 *
 * @category changes
 * @since 0.2.0
 */
export const protect = (
  descriptor: SecurityDescriptor,
  options: { readonly keep: boolean }
): SecurityDescriptor => {
  const cut = { ...descriptor, control: descriptor.control | Control.SE_DACL_PROTECTED }
  if (descriptor.dacl === undefined) return cut
  const own = (ace: Ace): Ace => ({ ...ace, aceFlags: ace.aceFlags & ~AceFlags.INHERITED_ACE })
  const { aces } = descriptor.dacl
  return withAces(cut, options.keep ? aces.map(own) : aces.filter((ace) => !isInherited(ace)))
}

/**
 * Lets the list inherit from the folder above again, whose descriptor is `folder`. A server does not look at it by
 * itself (MS-DTYP 2.5.3.4 is about new files), so the entries are put in here.
 *
 * @category changes
 * @since 0.2.0
 */
export const inherit = (
  descriptor: SecurityDescriptor,
  folder: SecurityDescriptor,
  options: { readonly isDirectory: boolean }
): SecurityDescriptor => {
  const joined = {
    ...descriptor,
    control: (descriptor.control & ~Control.SE_DACL_PROTECTED) | Control.SE_DACL_AUTO_INHERITED
  }
  if (descriptor.dacl === undefined) return joined
  const own = descriptor.dacl.aces.filter((ace) => !isInherited(ace))
  const above = inheritedAces(folder.dacl, {
    isDirectory: options.isDirectory,
    owner: descriptor.owner ?? "S-1-3-0",
    group: descriptor.group ?? "S-1-3-1",
    mapGeneric,
    marked: true
  })
  return withAces(joined, [...own, ...above])
}

const bytesOf = Codec.encode(Ace)

const sameAcl = (one: Acl | undefined, other: Acl | undefined): boolean =>
  one === undefined || other === undefined
    ? one === other
    : one.aces.length === other.aces.length &&
      one.aces.every((ace, i) => Buffer.compare(bytesOf(ace), bytesOf(other.aces[i]!)) === 0)

/**
 * The parts of `after` that differ from `before`, for `security.set`, so that it asks for no right that the change does
 * not need. `undefined` if nothing differs.
 *
 * @category changes
 * @since 0.2.0
 */
export const difference = (
  before: SecurityDescriptor,
  after: SecurityDescriptor
): SecurityDescriptor | undefined => {
  const flags = Control.SE_DACL_PRESENT | Control.SE_DACL_PROTECTED
  const list = !sameAcl(before.dacl, after.dacl) || (before.control & flags) !== (after.control & flags)
  const owner = after.owner === before.owner ? undefined : after.owner
  const group = after.group === before.group ? undefined : after.group
  if (!list && owner === undefined && group === undefined) return undefined
  const ofList = flags | Control.SE_DACL_AUTO_INHERITED | Control.SE_DACL_AUTO_INHERIT_REQ
  return {
    sbz1: 0,
    control: Control.SE_SELF_RELATIVE | (list ? (after.control & ofList) | Control.SE_DACL_PRESENT : 0),
    owner,
    group,
    sacl: undefined,
    dacl: list ? after.dacl : undefined
  }
}
