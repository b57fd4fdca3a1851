/**
 * Security descriptors as text, both ways: SDDL (MS-DTYP 2.5.1), for people, configuration files and logs.
 *
 * Well-known SIDs are two letters, those of a domain are numbers. Entries that `SecurityDescriptor.ts` keeps as bytes
 * have no text: `toSddl` is then `undefined`.
 */
import * as Result from "effect/Result"
import * as Codec from "./Codec.ts"
import * as Guid from "./Guid.ts"
import { Malformed } from "./Malformed.ts"
import { type Ace, AceFlags, type Acl, Control, isSid, type SecurityDescriptor, Sid } from "./SecurityDescriptor.ts"

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

// -----------------------------------------------------------------------------
// from text
// -----------------------------------------------------------------------------

/** The most entries of a list: as many as fit into its 65535 bytes, no matter how large each is. */
const mostAces = 500

/** Rights that text can name: each bit, and the common rights to a file. */
const namedRights: ReadonlyMap<string, number> = new Map<string, number>([
  ...rights,
  ["FA", 0x1f01ff],
  ["FR", 0x120089],
  ["FW", 0x120116],
  ["FX", 0x1200a0]
])
const namedFlags: ReadonlyMap<string, number> = new Map<string, number>(flags)
const namedSids = new Map(Object.entries(sids).map(([sid, name]) => [name, sid]))
const namedTypes = new Map(Object.entries(types).map(([type, name]) => [name, Number(type)]))
const heads: ReadonlyMap<string, number> = new Map([
  ["P", Control.SE_DACL_PROTECTED],
  ["AR", Control.SE_DACL_AUTO_INHERIT_REQ],
  ["AI", Control.SE_DACL_AUTO_INHERITED]
])

/** Reads a text from left to right. `fail` leaves the whole by the boundary below. */
class Text {
  readonly text: string
  offset = 0

  constructor(text: string) {
    this.text = text
  }

  fail(expected: string, offset = this.offset): never {
    throw new Malformed({ structure: "SDDL", offset, expected })
  }

  /** Takes what a sticky expression matches here; `undefined` if it does not match. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.offset
    const found = pattern.exec(this.text)?.[0]
    if (found !== undefined) this.offset += found.length
    return found
  }
}

const readSid = (text: Text): Sid => {
  const at = text.offset
  const found = (text.take(/S-1-(?:0x)?[0-9A-F]+(?:-[0-9]+)*|[A-Z]{2}/iy) ?? "").toUpperCase()
  const sid = namedSids.get(found) ?? found
  if (!isSid(sid)) return text.fail("a SID such as S-1-5-32-544, or the two letters of a well-known one", at)
  // Leading zeros and letters in the other case are the same SID.
  return Result.getOrThrow(Codec.decode("SID", Sid)(Codec.encode(Sid)(sid)))
}

/** The sum of the words of a table, each of two letters. */
const readWords = (text: Text, table: ReadonlyMap<string, number>, what: string): number => {
  let sum = 0
  for (;;) {
    const at = text.offset
    const word = text.take(/[A-Z]{2}/iy)
    if (word === undefined) return sum
    sum |= table.get(word.toUpperCase()) ?? text.fail(what, at)
  }
}

const readMask = (text: Text): number => {
  const at = text.offset
  const number = text.take(/0x[0-9a-f]*|[0-9]+/iy)
  if (number === undefined) return readWords(text, namedRights, "rights such as FA, FR, or a number") >>> 0
  const mask = Number(number)
  return mask <= 0xffff_ffff ? mask : text.fail("rights of 32 bits", at)
}

const readGuid = (text: Text): Uint8Array | undefined => {
  const at = text.offset
  const found = text.take(/[0-9a-f-]+/iy)
  if (found === undefined) return undefined
  const guid = Guid.fromString(found)
  return Result.isSuccess(guid) ? Guid.toBytes(guid.success) : text.fail("a GUID", at)
}

const readAce = (text: Text): Ace => {
  const next = (): void => {
    if (text.take(/;/y) === undefined) text.fail("; between the six fields of an entry")
  }
  const at = text.offset
  const aceType = namedTypes.get(text.take(/[A-Z]{1,2}/iy)?.toUpperCase() ?? "") ??
    text.fail("the type of an entry, such as A or D", at)
  next()
  const aceFlags = readWords(text, namedFlags, "flags of an entry, such as OI and CI")
  next()
  const mask = readMask(text)
  next()
  const guids = text.offset
  const objectType = readGuid(text)
  next()
  const inheritedObjectType = readGuid(text)
  next()
  const isObject = aceType >= 5 && aceType <= 7
  if (!isObject && (objectType ?? inheritedObjectType) !== undefined) text.fail("no GUID in this entry", guids)
  const sid = readSid(text)
  if (text.take(/\)/y) === undefined) text.fail(") after an entry")
  return isObject
    ? { _tag: "Object", aceType, aceFlags, mask, objectType, inheritedObjectType, sid }
    : { _tag: "Basic", aceType, aceFlags, mask, sid }
}

/** A list and its bits in Control; `undefined` is the list that grants everybody everything. */
const readAcl = (text: Text, shift: 0 | 1): { readonly acl: Acl | undefined; readonly control: number } => {
  let control: number = Control.SE_DACL_PRESENT << (shift * 2)
  if (shift === 0 && text.take(/NO_ACCESS_CONTROL/iy) !== undefined) return { acl: undefined, control }
  for (;;) {
    const head = text.take(/P|AR|AI/iy)
    if (head === undefined) break
    control |= heads.get(head.toUpperCase())! << shift
  }
  const aces: Array<Ace> = []
  while (text.take(/\(/y) !== undefined) {
    if (aces.length === mostAces) text.fail(`at most ${mostAces} entries`)
    aces.push(readAce(text))
  }
  return { acl: { aclRevision: aces.some(({ _tag }) => _tag === "Object") ? 4 : 2, aces }, control }
}

const read = (text: Text): SecurityDescriptor => {
  const owner = text.take(/O:/iy) === undefined ? undefined : readSid(text)
  const group = text.take(/G:/iy) === undefined ? undefined : readSid(text)
  const dacl = text.take(/D:/iy) === undefined ? undefined : readAcl(text, 0)
  const sacl = text.take(/S:/iy) === undefined ? undefined : readAcl(text, 1)
  if (text.offset < text.text.length) text.fail("O:, G:, D: and S: in this order")
  return {
    sbz1: 0,
    control: Control.SE_SELF_RELATIVE | (dacl?.control ?? 0) | (sacl?.control ?? 0),
    owner,
    group,
    sacl: sacl?.acl,
    dacl: dacl?.acl
  }
}

/**
 * The descriptor of an SDDL text, without blanks: `D:(A;;FA;;;BA)(A;;FR;;;AU)`. Rights are two letters each or a
 * number. SIDs are numbers or two letters, but not those of a domain, such as `DA`. Fails with `Malformed`, whose
 * `offset` counts UTF-16 units.
 *
 * @category conversions
 * @since 0.2.0
 */
export const fromSddl = (sddl: string): Result.Result<SecurityDescriptor, Malformed> => {
  try {
    return Result.succeed(read(new Text(sddl)))
  } catch (failure) {
    if (failure instanceof Malformed) return Result.fail(failure)
    throw failure
  }
}
