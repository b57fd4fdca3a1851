/**
 * Security descriptors as text, both ways: SDDL (MS-DTYP 2.5.1), for people, configuration files and logs.
 *
 * The text is that of Windows (`icacls /save`). Well-known SIDs are two letters; those of a domain are numbers, unless
 * the caller knows the domain. Entries with a condition (XA, XD, XU, ZA) and resource attributes (RA) have no text
 * here: `SecurityDescriptor.ts` keeps their bytes, `toSddl` is `undefined`, and `fromSddl` refuses them.
 */
import * as Result from "effect/Result"
import * as Codec from "./Codec.ts"
import * as Guid from "./Guid.ts"
import { Malformed } from "./Malformed.ts"
import { type Ace, AceFlags, type Acl, Control, isSid, type SecurityDescriptor, Sid } from "./SecurityDescriptor.ts"

/** The letters of SIDs that are the same everywhere (MS-DTYP 2.5.1.1; 2.4.2.4 has their numbers). */
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
  "S-1-5-32-552": "RE",
  "S-1-5-32-554": "RU",
  "S-1-5-32-555": "RD",
  "S-1-5-32-556": "NO",
  "S-1-5-32-558": "MU",
  "S-1-5-32-559": "LU",
  "S-1-5-32-568": "IS",
  "S-1-5-32-569": "CY",
  "S-1-5-32-573": "ER",
  "S-1-5-32-574": "CD",
  "S-1-5-32-575": "RA",
  "S-1-5-32-576": "ES",
  "S-1-5-32-577": "MS",
  "S-1-5-32-578": "HA",
  "S-1-5-32-579": "AA",
  "S-1-5-32-580": "RM",
  "S-1-5-33": "WR",
  "S-1-5-84-0-0-0-0-0": "UD",
  "S-1-15-2-1": "AC",
  "S-1-16-4096": "LW",
  "S-1-16-8192": "ME",
  "S-1-16-8448": "MP",
  "S-1-16-12288": "HI",
  "S-1-16-16384": "SI",
  "S-1-18-1": "AS",
  "S-1-18-2": "SS"
}

/**
 * The domains to which letters such as `DA` refer. Without them, these letters are refused, and the SIDs are numbers.
 * `SmbClient.lookupDomains` asks a server for them.
 *
 * @category models
 * @since 0.2.0
 */
export interface Domains {
  /** The SID of the domain, for its own groups: `DA`, `DU`, `DC` and others. */
  readonly domain?: Sid | undefined
  /**
   * The SID of the root domain of the forest, for `EA`, `SA`, `RO` and `EK`. It is that of `domain` only in a forest
   * of one domain, so there is no default.
   */
  readonly rootDomain?: Sid | undefined
  /** The SID of the machine, for its own `LA` and `LG`. */
  readonly machine?: Sid | undefined
}

/** The letters of SIDs in a domain, by the part after its SID. */
const relative: Readonly<Record<keyof Domains, ReadonlyArray<readonly [rid: number, letters: string]>>> = {
  domain: [
    [512, "DA"],
    [513, "DU"],
    [514, "DG"],
    [515, "DC"],
    [516, "DD"],
    [517, "CA"],
    [520, "PA"],
    [522, "CN"],
    [525, "AP"],
    [526, "KA"],
    [553, "RS"]
  ],
  rootDomain: [[498, "RO"], [518, "SA"], [519, "EA"], [527, "EK"]],
  machine: [[500, "LA"], [501, "LG"]]
}

/** The SIDs of both kinds with their letters. */
const lettersOf = ({ domain, machine, rootDomain }: Domains): ReadonlyMap<Sid, string> => {
  const known = new Map(Object.entries(sids))
  for (const [key, base] of Object.entries({ domain, machine, rootDomain })) {
    if (base === undefined) continue
    for (const [rid, letters] of relative[key as keyof Domains]) known.set(`${base}-${rid}`, letters)
  }
  return known
}

const domainNames: Readonly<Record<keyof Domains, string>> = {
  domain: "domain",
  rootDomain: "root domain of the forest",
  machine: "machine"
}

/** What to write instead of letters whose domain is not known. */
const instead = new Map(
  Object.entries(relative).flatMap(([key, all]) =>
    all.map(([rid, letters]) =>
      [
        letters,
        `the SID of ${letters} as numbers, such as S-1-5-21-1-2-3-${rid}, because the SID of the ` +
        `${domainNames[key as keyof Domains]} is not known here`
      ] as const
    )
  )
)

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
  // MS-DTYP has neither the flag nor its letters. Windows' winnt.h and sddl.h have both.
  ["CR", AceFlags.CRITICAL_ACE_FLAG],
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

/** The common rights to a file: each stands for a whole mask. */
const fileRights = [
  ["FA", 0x1f01ff],
  ["FR", 0x120089],
  ["FW", 0x120116],
  ["FX", 0x1200a0]
] as const

/** The rights of an integrity label, which share their bits with other rights. */
const labelRights = [
  ["NW", 0x1],
  ["NR", 0x2],
  ["NX", 0x4]
] as const

const labelType = 0x11

const bitsText = (mask: number, table: ReadonlyArray<readonly [text: string, bit: number]>): string =>
  table.filter(([, bit]) => (mask & bit) !== 0).map(([text]) => text).join("")

const maskText = (aceType: number, mask: number): string => {
  if (aceType === labelType && mask <= 7) return bitsText(mask, labelRights)
  const file = fileRights.find(([, whole]) => whole === mask)
  if (file !== undefined) return file[0]
  return (mask & ~known) !== 0 ? `0x${mask.toString(16)}` : bitsText(mask, rights)
}

type Letters = ReadonlyMap<Sid, string>

const sidText = (sid: Sid, letters: Letters): string => letters.get(sid) ?? sid

const guidText = (bytes: Uint8Array | undefined): string => (bytes === undefined ? "" : Guid.fromBytes(bytes))

const aceText = (ace: Ace, letters: Letters): string | undefined => {
  const type = types[ace.aceType]
  if (ace._tag === "Raw" || type === undefined) return undefined
  const inherit = flags.filter(([, bit]) => (ace.aceFlags & bit) !== 0).map(([text]) => text).join("")
  const guids = ace._tag === "Object" ? [guidText(ace.objectType), guidText(ace.inheritedObjectType)] : ["", ""]
  return `(${[type, inherit, maskText(ace.aceType, ace.mask), ...guids, sidText(ace.sid, letters)].join(";")})`
}

const aclText = (acl: Acl, letters: Letters): string | undefined => {
  const aces = acl.aces.map((ace) => aceText(ace, letters))
  return aces.includes(undefined) ? undefined : aces.join("")
}

const part = (
  letter: "D" | "S",
  acl: Acl | undefined,
  control: number,
  letters: Letters
): string | undefined => {
  const shift = letter === "D" ? 0 : 1
  const present = (control & (Control.SE_DACL_PRESENT << (shift * 2))) !== 0
  if (!present) return ""
  const head = [
    ["P", Control.SE_DACL_PROTECTED],
    ["AR", Control.SE_DACL_AUTO_INHERIT_REQ],
    ["AI", Control.SE_DACL_AUTO_INHERITED]
  ] as const
  const own = head.filter(([, bit]) => (control & (bit << shift)) !== 0).map(([text]) => text).join("")
  const aces = acl === undefined ? (letter === "D" ? "NO_ACCESS_CONTROL" : "") : aclText(acl, letters)
  return aces === undefined ? undefined : `${letter}:${own}${aces}`
}

/**
 * The descriptor's SDDL; `undefined` if an entry has no text.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toSddl = (descriptor: SecurityDescriptor, domains: Domains = {}): string | undefined => {
  const letters = lettersOf(domains)
  const dacl = part("D", descriptor.dacl, descriptor.control, letters)
  const sacl = part("S", descriptor.sacl, descriptor.control, letters)
  if (dacl === undefined || sacl === undefined) return undefined
  const owner = descriptor.owner === undefined ? "" : `O:${sidText(descriptor.owner, letters)}`
  const group = descriptor.group === undefined ? "" : `G:${sidText(descriptor.group, letters)}`
  return owner + group + dacl + sacl
}

// -----------------------------------------------------------------------------
// from text
// -----------------------------------------------------------------------------

/** The most entries of a list: as many as fit into its 65535 bytes, no matter how large each is. */
const mostAces = 500

/** Rights that text can name: each bit, and the common rights to a file, a key of the registry, and a label. */
const namedRights: ReadonlyMap<string, number> = new Map<string, number>([
  ...rights,
  ...fileRights,
  ["KA", 0xf003f],
  ["KR", 0x20019],
  ["KW", 0x20006],
  ["KX", 0x20019],
  ...labelRights
])
const namedFlags: ReadonlyMap<string, number> = new Map<string, number>(flags)
const namedTypes = new Map(Object.entries(types).map(([type, name]) => [name, Number(type)]))
const heads: ReadonlyMap<string, number> = new Map([
  ["P", Control.SE_DACL_PROTECTED],
  ["AR", Control.SE_DACL_AUTO_INHERIT_REQ],
  ["AI", Control.SE_DACL_AUTO_INHERITED]
])

/** Entries that have more than six fields. */
const conditional = new Set(["XA", "XD", "XU", "ZA", "RA"])

/** Reads a text from left to right. `fail` leaves the whole by the boundary below. */
class Text {
  readonly text: string
  /** The SIDs by their letters. */
  readonly sids: ReadonlyMap<string, Sid>
  offset = 0

  constructor(text: string, domains: Domains) {
    this.text = text
    this.sids = new Map([...lettersOf(domains)].map(([sid, letters]) => [letters, sid]))
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
  // The digits of an authority end before the D of a list that follows a SID without numbers.
  const found = (text.take(/S-1-(?:0x[0-9A-F]{12}|[0-9]+)(?:-[0-9]+)*|[A-Z]{2}/iy) ?? "").toUpperCase()
  const sid = text.sids.get(found) ?? found
  const numbers = instead.get(sid)
  if (numbers !== undefined) return text.fail(numbers, at)
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
  // A number that begins with 0 is octal (MS-DTYP 2.5.1.1).
  const mask = /^0[0-9]/.test(number) ? (/^[0-7]+$/.test(number) ? parseInt(number, 8) : NaN) : Number(number)
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
  const type = text.take(/[A-Z]{1,2}/iy)?.toUpperCase() ?? ""
  const aceType = namedTypes.get(type) ?? text.fail(
    conditional.has(type)
      ? `an entry without a condition: the bytes of ${type} are kept, but its text is not read`
      : "the type of an entry, such as A or D",
    at
  )
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
  for (;;) {
    const head = text.take(/P|AR|AI/iy)
    if (head === undefined) break
    control |= heads.get(head.toUpperCase())! << shift
  }
  if (shift === 0 && text.take(/NO_ACCESS_CONTROL/iy) !== undefined) return { acl: undefined, control }
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
 * number. SIDs are numbers or two letters; those of a domain, such as `DA`, only with `domains`, which
 * `SmbClient.lookupDomains` asks a server for. Fails with `Malformed`, whose `offset` counts UTF-16 units, also for
 * entries with a condition and resource attributes.
 *
 * @category conversions
 * @since 0.2.0
 */
export const fromSddl = (sddl: string, domains: Domains = {}): Result.Result<SecurityDescriptor, Malformed> => {
  try {
    return Result.succeed(read(new Text(sddl, domains)))
  } catch (failure) {
    if (failure instanceof Malformed) return Result.fail(failure)
    throw failure
  }
}
