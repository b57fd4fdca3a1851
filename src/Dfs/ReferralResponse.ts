/**
 * RESP_GET_DFS_REFERRAL (MS-DFSC 2.2.4) with referral entries V1 to V4 and name lists (2.2.5), both ways.
 *
 * Each entry's Size leads to the next one. A text offset counts from its entry's start, and 0 means absent. A response
 * is at most as large as the buffer that the client offered, and the decoded value is of similar size: text that
 * several entries point to is read once, and entries cannot multiply text by pointing into the text of others.
 *
 * `DfsResolution` interprets the targets and PathConsumed. Decoding copies; encoding gives a buffer that the caller
 * owns.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Codec from "../Codec/Codec.ts"
import { Reader, Writer } from "../Codec/Cursor.ts"
import type { Malformed } from "../Codec/Malformed.ts"
import { Unencodable, Unsupported } from "../Protocol/DfsError.ts"
import { fromBytes, readCounted, Text, UInt16, UInt32 } from "./internal/Text.ts"

/**
 * ReferralHeaderFlags (MS-DFSC 2.2.4).
 *
 * @since 0.1.0
 */
export const ReferralHeaderFlags = { ReferralServers: 0x1, StorageServers: 0x2, TargetFailback: 0x4 } as const

/**
 * ServerType of an entry (MS-DFSC 2.2.5): is the target a DFS root, or not.
 *
 * @since 0.1.0
 */
export const ServerType = { Link: 0x0, Root: 0x1 } as const

/**
 * ReferralEntryFlags (MS-DFSC 2.2.5.3, 2.2.5.4).
 *
 * @since 0.1.0
 */
export const ReferralEntryFlags = { NameListReferral: 0x2, TargetSetBoundary: 0x4 } as const

const Common = {
  /** Bytes of the entry, without the text that its offsets point to. */
  size: UInt16,
  /** `ServerType`. */
  serverType: UInt16,
  /** `ReferralEntryFlags`. */
  referralEntryFlags: UInt16
}

const Paths = {
  /** Seconds that the entry may be kept. */
  timeToLive: UInt32,
  dfsPath: Schema.optionalKey(Text),
  /** The same in 8.3 names. */
  dfsAlternatePath: Schema.optionalKey(Text),
  /** The target, as `\server\share\rest`. */
  networkAddress: Schema.optionalKey(Text)
}

/**
 * DFS_REFERRAL_V1 (MS-DFSC 2.2.5.1): the target alone.
 *
 * @since 0.1.0
 */
export const ReferralV1 = Schema.Struct({ versionNumber: Schema.Literal(1), ...Common, shareName: Text })
/**
 * DFS_REFERRAL_V2 (MS-DFSC 2.2.5.2).
 *
 * @since 0.1.0
 */
export const ReferralV2 = Schema.Struct({ versionNumber: Schema.Literal(2), ...Common, proximity: UInt32, ...Paths })
/**
 * DFS_REFERRAL_V3 and V4 without NameListReferral (MS-DFSC 2.2.5.3.1, 2.2.5.4).
 *
 * @since 0.1.0
 */
export const ReferralV3 = Schema.Struct({ versionNumber: Schema.Literals([3, 4]), ...Common, ...Paths })
/**
 * DFS_REFERRAL_V3 and V4 with NameListReferral (MS-DFSC 2.2.5.3.2): a domain, and its controllers in a DC referral.
 *
 * @since 0.1.0
 */
export const NameListReferral = Schema.Struct({
  versionNumber: Schema.Literals([3, 4]),
  ...Common,
  timeToLive: UInt32,
  specialName: Schema.optionalKey(Text),
  expandedNames: Schema.Array(Text)
})

export type ReferralV1 = typeof ReferralV1.Type
export type ReferralV2 = typeof ReferralV2.Type
export type ReferralV3 = typeof ReferralV3.Type
export type NameListReferral = typeof NameListReferral.Type

/**
 * One entry of a response. An entry with `expandedNames` is a name list.
 *
 * @category models
 * @since 0.1.0
 */
export const ReferralEntry = Schema.Union([NameListReferral, ReferralV3, ReferralV2, ReferralV1])
export type ReferralEntry = ReferralV1 | ReferralV2 | ReferralV3 | NameListReferral

/**
 * RESP_GET_DFS_REFERRAL (MS-DFSC 2.2.4).
 *
 * @category models
 * @since 0.1.0
 */
export const ReferralResponse = Schema.Struct({
  /** Bytes of the requested path (UTF-16, without NUL) that the referral stands for. */
  pathConsumed: UInt16,
  numberOfReferrals: UInt16,
  /** `ReferralHeaderFlags`. */
  referralHeaderFlags: UInt32,
  referralEntries: Schema.Array(ReferralEntry)
})
export type ReferralResponse = typeof ReferralResponse.Type

/**
 * Is it a name list, as in the response to a domain or DC referral?
 *
 * @since 0.1.0
 */
export const isNameList = (entry: ReferralEntry): entry is NameListReferral => "expandedNames" in entry

const structure = "RESP_GET_DFS_REFERRAL"

/** The least Size of an entry, in bytes. */
const minimumSize = (versionNumber: number, nameList: boolean): number =>
  versionNumber === 1 ? 10 : versionNumber === 2 ? 22 : nameList ? 18 : 34

// -----------------------------------------------------------------------------
// decoding
// -----------------------------------------------------------------------------

/** A referral version that is not 1 to 4: leaves the decoder as a value. */
class UnknownVersion {
  readonly versionNumber: number
  readonly offset: number
  constructor(versionNumber: number, offset: number) {
    this.versionNumber = versionNumber
    this.offset = offset
  }
}

/** Reads text by its place in the message: each text once, and in total at most four times the message's length. */
class Texts {
  private readonly message: Reader
  private readonly known = new Map<number, { readonly text: string; readonly end: number }>()
  private left: number

  constructor(message: Reader) {
    this.message = message
    // Real messages point to each byte of text once, or share whole strings. A factor of four leaves room for unusual
    // ones.
    this.left = message.bytes.length * 4
  }

  private spend(bytes: number, offset: number): void {
    this.left -= bytes
    if (this.left < 0) this.message.fail("text in proportion to the message", offset)
  }

  at(offset: number, what: string): { readonly text: string; readonly end: number } {
    const before = this.known.get(offset)
    if (before !== undefined) return before
    const { view } = this.message
    if (offset + 2 > this.message.end) this.message.fail(`${what} inside the message`, offset)
    let at = offset
    while (at + 2 <= this.message.end && view.getUint16(at, true) !== 0) at += 2
    if (at + 2 > this.message.end) this.message.fail(`${what} that ends with a NUL`, offset)
    const end = at + 2
    this.spend(end - offset, offset)
    const found = { text: readCounted(this.message.window(offset, end - offset), what), end }
    this.known.set(offset, found)
    return found
  }

  many(offset: number, count: number, what: string): ReadonlyArray<string> {
    if (count * 2 > this.message.end - offset) this.message.fail(`room for ${count} of ${what}`, offset)
    // Every use counts, also of text that was read before: a list of many short names is itself an allocation.
    this.spend(count * 2, offset)
    const texts: Array<string> = []
    for (let i = 0, at = offset; i < count; i++) {
      const { end, text } = this.at(at, what)
      texts.push(text)
      at = end
    }
    return texts
  }
}

const readEntry = (message: Reader, texts: Texts, version: number | undefined): ReferralEntry | UnknownVersion => {
  const start = message.offset
  const versionNumber = message.u16()
  if (version !== undefined && versionNumber !== version) {
    message.fail(`VersionNumber ${version} as in the first entry, not ${versionNumber}`, start)
  }
  if (versionNumber < 1 || versionNumber > 4) return new UnknownVersion(versionNumber, start)
  const size = message.u16()
  const serverType = message.u16()
  const referralEntryFlags = message.u16()
  const nameList = versionNumber >= 3 && (referralEntryFlags & ReferralEntryFlags.NameListReferral) !== 0
  const minimum = minimumSize(versionNumber, nameList)
  if (size < minimum) message.fail(`Size of at least ${minimum}, not ${size}`, start + 2)
  if (start + size > message.end) message.fail(`an entry inside the message, not ${size} bytes long`, start + 2)
  const fixed = message.window(start, size)
  fixed.offset = start + 8
  message.offset = start + size

  /** An offset field: 0 is absent, and no offset may point into the entry's own fixed part. */
  const offset = (what: string): number | undefined => {
    const at = fixed.offset
    const value = fixed.u16()
    if (value === 0) return undefined
    if (value < minimum) message.fail(`${what} after its entry, not at ${value}`, at)
    if (start + value > message.end) message.fail(`${what} inside the message, not at ${start + value}`, at)
    return start + value
  }
  const text = <K extends string>(key: K, what: string): { readonly [_ in K]?: string } => {
    const at = offset(what)
    return (at === undefined ? {} : { [key]: texts.at(at, what).text }) as { readonly [_ in K]?: string }
  }

  const common = { size, serverType, referralEntryFlags }
  if (versionNumber === 1) return { versionNumber, ...common, shareName: Codec.utf16z.read(fixed) }
  if (versionNumber === 2) {
    return {
      versionNumber,
      ...common,
      proximity: fixed.u32(),
      timeToLive: fixed.u32(),
      ...text("dfsPath", "DFSPath"),
      ...text("dfsAlternatePath", "DFSAlternatePath"),
      ...text("networkAddress", "NetworkAddress")
    }
  }
  const timeToLive = fixed.u32()
  if (!nameList) {
    return {
      versionNumber: versionNumber as 3 | 4,
      ...common,
      timeToLive,
      ...text("dfsPath", "DFSPath"),
      ...text("dfsAlternatePath", "DFSAlternatePath"),
      ...text("networkAddress", "NetworkAddress")
    }
  }
  const specialName = text("specialName", "SpecialName")
  const count = fixed.u16()
  const at = fixed.offset
  const names = offset("ExpandedName")
  if (count > 0 && names === undefined) message.fail(`ExpandedNameOffset for ${count} names, not 0`, at)
  return {
    versionNumber: versionNumber as 3 | 4,
    ...common,
    timeToLive,
    ...specialName,
    expandedNames: names === undefined || count === 0 ? [] : texts.many(names, count, "ExpandedName")
  }
}

/**
 * Decodes RESP_GET_DFS_REFERRAL.
 *
 * Fails with `Malformed` for a Size below the version's minimum, an offset or text outside the message, odd or
 * unterminated text, mixed versions, or a count that the message cannot hold, and with `Unsupported` for a version
 * other than 1 to 4. Bytes after the last text are accepted.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeReferralResponse = (
  bytes: Uint8Array
): Result.Result<ReferralResponse, Malformed | Unsupported> => {
  const read = Codec.attempt(structure, (): ReferralResponse | UnknownVersion => {
    const message = new Reader(bytes)
    const pathConsumed = message.u16()
    const numberOfReferrals = message.u16()
    const referralHeaderFlags = message.u32()
    if (numberOfReferrals * 10 > message.remaining) {
      message.fail(`room for ${numberOfReferrals} entries, not ${message.remaining} bytes`, 2)
    }
    const texts = new Texts(message)
    const referralEntries: Array<ReferralEntry> = []
    for (let i = 0; i < numberOfReferrals; i++) {
      const entry = readEntry(message, texts, referralEntries[0]?.versionNumber)
      if (entry instanceof UnknownVersion) return entry
      referralEntries.push(entry)
    }
    return { pathConsumed, numberOfReferrals, referralHeaderFlags, referralEntries }
  })
  if (Result.isFailure(read)) return Result.fail(read.failure)
  if (read.success instanceof UnknownVersion) {
    const { offset, versionNumber } = read.success
    return Result.fail(new Unsupported({ what: `referral version ${versionNumber}`, offset }))
  }
  return Result.succeed(read.success)
}

// -----------------------------------------------------------------------------
// encoding
// -----------------------------------------------------------------------------

const textsOf = (entry: ReferralEntry): ReadonlyArray<string | undefined> =>
  isNameList(entry)
    ? [entry.specialName, ...entry.expandedNames]
    : entry.versionNumber === 1
    ? [entry.shareName]
    : [entry.dfsPath, entry.dfsAlternatePath, entry.networkAddress]

const problem = (value: ReferralResponse): string | undefined => {
  const { numberOfReferrals, referralEntries } = value
  if (numberOfReferrals !== referralEntries.length) {
    return `NumberOfReferrals is ${numberOfReferrals}, and there are ${referralEntries.length} entries`
  }
  for (const entry of referralEntries) {
    if (entry.versionNumber !== referralEntries[0]!.versionNumber) return "its entries are of different versions"
    const flagged = entry.versionNumber >= 3 && (entry.referralEntryFlags & ReferralEntryFlags.NameListReferral) !== 0
    if (isNameList(entry) !== flagged) return "NameListReferral does not say what the entry is"
    if (textsOf(entry).some((text) => text?.includes("\0"))) return "a name contains a NUL"
    const minimum = entry.versionNumber === 1
      ? 8 + entry.shareName.length * 2 + 2
      : minimumSize(entry.versionNumber, isNameList(entry))
    if (entry.size < minimum) return `an entry of version ${entry.versionNumber} needs a Size of ${minimum}`
  }
  return undefined
}

/**
 * Encodes RESP_GET_DFS_REFERRAL as Windows does: first the entries, then the text. Entries with the same DFSPath and
 * DFSAlternatePath share that text.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeReferralResponse = (
  value: ReferralResponse
): Result.Result<Uint8Array<ArrayBuffer>, Unencodable> => {
  const fail = (reason: string) => Result.fail(new Unencodable({ structure, reason }))
  const wrong = problem(value)
  if (wrong !== undefined) return fail(wrong)
  const writer = new Writer()
  writer.u16(value.pathConsumed)
  writer.u16(value.numberOfReferrals)
  writer.u32(value.referralHeaderFlags)
  // Where each entry begins, and its offset fields with the text that each points to.
  const places: Array<{ readonly start: number; readonly at: number; readonly role: string; readonly text: string }> =
    []
  const reference = (start: number, role: string, text: string | undefined) => {
    if (text !== undefined) places.push({ start, at: writer.offset, role, text })
    writer.u16(0)
  }
  for (const entry of value.referralEntries) {
    const start = writer.offset
    writer.u16(entry.versionNumber)
    writer.u16(entry.size)
    writer.u16(entry.serverType)
    writer.u16(entry.referralEntryFlags)
    if (isNameList(entry)) {
      writer.u32(entry.timeToLive)
      reference(start, "", entry.specialName)
      writer.u16(entry.expandedNames.length)
      reference(start, "", entry.expandedNames.length === 0 ? undefined : entry.expandedNames.join("\0"))
    } else if (entry.versionNumber === 1) {
      Codec.utf16z.write(writer, entry.shareName)
    } else {
      if (entry.versionNumber === 2) writer.u32(entry.proximity)
      writer.u32(entry.timeToLive)
      reference(start, "DFSPath", entry.dfsPath)
      reference(start, "DFSAlternatePath", entry.dfsAlternatePath)
      reference(start, "", entry.networkAddress)
    }
    writer.zeros(start + entry.size - writer.offset)
  }
  const shared = new Map<string, number>()
  for (const { at, role, start, text } of places) {
    const key = `${role}\0${text}`
    const known = role === "" ? undefined : shared.get(key)
    const place = known ?? writer.offset
    if (place - start > 0xffff) return fail("its text lies further away than a 16-bit offset reaches")
    if (known === undefined) {
      Codec.utf16z.write(writer, text)
      shared.set(key, place)
    }
    writer.patch(at, (w) => w.u16(place - start))
  }
  return Result.succeed(writer.finish())
}

type Unsized<E extends ReferralEntry> = E extends unknown ? Omit<E, "size"> & { readonly size?: number | undefined }
  : never

/**
 * Makes a response from its essential values: counts the entries, and computes the Size of each.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeReferralResponse = (options: {
  readonly pathConsumed: number
  readonly referralHeaderFlags?: number | undefined
  readonly referralEntries: ReadonlyArray<Unsized<ReferralEntry>>
}): ReferralResponse => ({
  pathConsumed: options.pathConsumed,
  numberOfReferrals: options.referralEntries.length,
  referralHeaderFlags: options.referralHeaderFlags ?? 0,
  referralEntries: options.referralEntries.map((entry) => {
    const size = "shareName" in entry
      ? 8 + entry.shareName.length * 2 + 2
      : minimumSize(entry.versionNumber, "expandedNames" in entry)
    return { ...entry, size: entry.size ?? size } as ReferralEntry
  })
})

/**
 * RESP_GET_DFS_REFERRAL between bytes and value, for composition with other Schemas.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ReferralResponseFromBytes = fromBytes(ReferralResponse, decodeReferralResponse, encodeReferralResponse)
