/**
 * Security descriptors as text: SDDL (MS-DTYP 2.5.1), for people and for logs.
 *
 * Conversion to text only. Well-known SIDs are written as two letters, those of a domain as numbers. Entries that
 * `SecurityDescriptor.ts` keeps as bytes have no text: `toSddl` is then `undefined`.
 */
import * as Guid from "./Guid.ts"
import { type Ace, AceFlags, type Acl, Control, type SecurityDescriptor, type Sid } from "./SecurityDescriptor.ts"

const sids: { readonly [sid: Sid]: string } = {
  "S-1-1-0": "WD",
  "S-1-3-0": "CO",
  "S-1-3-1": "CG",
  "S-1-3-4": "OW",
  "S-1-5-2": "NU",
  "S-1-5-4": "IU",
  "S-1-5-6": "SU",
  "S-1-5-7": "AN",
  "S-1-5-9": "ED",
  "S-1-5-10": "PS",
  "S-1-5-11": "AU",
  "S-1-5-12": "RC",
  "S-1-5-18": "SY",
  "S-1-5-19": "LS",
  "S-1-5-20": "NS",
  "S-1-5-32-544": "BA",
  "S-1-5-32-545": "BU",
  "S-1-5-32-546": "BG",
  "S-1-5-32-547": "PU",
  "S-1-5-32-548": "AO",
  "S-1-5-32-549": "SO",
  "S-1-5-32-550": "PO",
  "S-1-5-32-551": "BO",
  "S-1-16-4096": "LW",
  "S-1-16-8192": "ME",
  "S-1-16-12288": "HI",
  "S-1-16-16384": "SI"
}

const types: { readonly [type: number]: string } = {
  0: "A",
  1: "D",
  2: "AU",
  5: "OA",
  6: "OD",
  7: "OU",
  0x11: "ML",
  0x13: "SP"
}

const flags = [
  ["OI", AceFlags.OBJECT_INHERIT_ACE],
  ["CI", AceFlags.CONTAINER_INHERIT_ACE],
  ["NP", AceFlags.NO_PROPAGATE_INHERIT_ACE],
  ["IO", AceFlags.INHERIT_ONLY_ACE],
  ["ID", AceFlags.INHERITED_ACE],
  ["SA", AceFlags.SUCCESSFUL_ACCESS_ACE_FLAG],
  ["FA", AceFlags.FAILED_ACCESS_ACE_FLAG]
] as const

// One pair of letters for each bit; SYNCHRONIZE, which most masks of files have, has no letters.
const rights = [
  ["CC", 0x1],
  ["DC", 0x2],
  ["LC", 0x4],
  ["SW", 0x8],
  ["RP", 0x10],
  ["WP", 0x20],
  ["DT", 0x40],
  ["LO", 0x80],
  ["CR", 0x100],
  ["SD", 0x10000],
  ["RC", 0x20000],
  ["WD", 0x40000],
  ["WO", 0x80000],
  ["GA", 0x10000000],
  ["GX", 0x20000000],
  ["GW", 0x40000000],
  ["GR", 0x80000000]
] as const

const known = rights.reduce((sum, [, bit]) => sum | bit, 0)

const maskText = (mask: number): string =>
  (mask & ~known) !== 0
    ? `0x${mask.toString(16).padStart(8, "0")}`
    : rights.filter(([, bit]) => (mask & bit) !== 0).map(([text]) => text).join("")

const sidText = (sid: Sid): string => sids[sid] ?? sid

const guidText = (bytes: Uint8Array | undefined): string => (bytes === undefined ? "" : Guid.fromBytes(bytes))

const aceText = (ace: Ace): string | undefined => {
  const type = types[ace.aceType]
  if (ace._tag === "Raw" || type === undefined) return undefined
  const inherit = flags.filter(([, bit]) => (ace.aceFlags & bit) !== 0).map(([text]) => text).join("")
  const guids = ace._tag === "Object" ? [guidText(ace.objectType), guidText(ace.inheritedObjectType)] : ["", ""]
  return `(${[type, inherit, maskText(ace.mask), ...guids, sidText(ace.sid)].join(";")})`
}

const aclText = (acl: Acl): string | undefined => {
  const aces = acl.aces.map(aceText)
  return aces.includes(undefined) ? undefined : aces.join("")
}

const part = (letter: "D" | "S", acl: Acl | undefined, control: number, shift: 0 | 1): string | undefined => {
  const present = (control & (Control.SE_DACL_PRESENT << (shift * 2))) !== 0
  if (!present) return ""
  const head = [
    ["P", Control.SE_DACL_PROTECTED],
    ["AR", Control.SE_DACL_AUTO_INHERIT_REQ],
    ["AI", Control.SE_DACL_AUTO_INHERITED]
  ] as const
  const own = head.filter(([, bit]) => (control & (bit << shift)) !== 0).map(([text]) => text).join("")
  const aces = acl === undefined ? (letter === "D" ? "NO_ACCESS_CONTROL" : "") : aclText(acl)
  return aces === undefined ? undefined : `${letter}:${own}${aces}`
}

/**
 * The descriptor's SDDL; `undefined` if an entry has no text.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toSddl = (descriptor: SecurityDescriptor): string | undefined => {
  const dacl = part("D", descriptor.dacl, descriptor.control, 0)
  const sacl = part("S", descriptor.sacl, descriptor.control, 1)
  if (dacl === undefined || sacl === undefined) return undefined
  const owner = descriptor.owner === undefined ? "" : `O:${sidText(descriptor.owner)}`
  const group = descriptor.group === undefined ? "" : `G:${sidText(descriptor.group)}`
  return owner + group + dacl + sacl
}
