/** The entries that a file inherits from the list of its folder (MS-DTYP 2.5.3.4.3). Pure. */
import * as Codec from "./Codec.ts"
import { type Ace, AceFlags as F, AceType, type Acl, Sid } from "./SecurityDescriptor.ts"

const creatorOwner = "S-1-3-0"
const creatorGroup = "S-1-3-1"

/**
 * What the new entries depend on, as well as the list of the folder.
 *
 * @category models
 * @since 0.2.0
 */
export interface Heir {
  readonly isDirectory: boolean
  /** The owner and the group, which take the places of CREATOR OWNER and CREATOR GROUP. */
  readonly owner: Sid
  readonly group: Sid
  /** The specific rights that the generic bits of a mask stand for. */
  readonly mapGeneric: (mask: number) => number
  /** Whether the new entries say that they are inherited. */
  readonly marked: boolean
}

/** The types of entries with a mask, a SID, and maybe more, such as a condition (2.4.4.2, 2.4.4.3, 2.4.4.6, 2.4.4.7). */
const plain: ReadonlySet<number> = new Set([
  AceType.ACCESS_ALLOWED_ACE_TYPE,
  AceType.ACCESS_DENIED_ACE_TYPE,
  AceType.ACCESS_ALLOWED_CALLBACK_ACE_TYPE,
  AceType.ACCESS_DENIED_CALLBACK_ACE_TYPE
])

const sidOf = Codec.decode("SID", Sid)
const sidBytes = Codec.encode(Sid)

/** An entry that can be inherited: its mask and its SID, and the same entry with others and with other flags. */
interface Heritable {
  readonly mask: number
  readonly sid: Sid
  readonly passedOn: (aceFlags: number, mask?: number, sid?: Sid) => Ace
}

const heritable = (entry: Ace): Heritable | undefined => {
  if (entry._tag === "Basic") {
    const { mask: own, sid: ownSid } = entry
    const passedOn = (aceFlags: number, mask = own, sid = ownSid): Ace => ({ ...entry, sid, mask, aceFlags })
    return { mask: own, sid: ownSid, passedOn }
  }
  if (entry._tag !== "Raw" || !plain.has(entry.aceType)) return undefined
  const { data } = entry
  // The second byte of a SID is the count of its numbers (2.4.2.2). The condition begins behind them.
  const end = 12 + 4 * (data[5] ?? 0)
  const found = end > data.length ? undefined : sidOf(data.subarray(4, end))
  // An entry that denies must not get lost, even if it is damaged: its bytes are passed on as they are.
  if (found?._tag !== "Success") return { mask: 0, sid: "", passedOn: (aceFlags) => ({ ...entry, aceFlags }) }
  const own = new DataView(data.buffer, data.byteOffset).getUint32(0, true)
  const passedOn = (aceFlags: number, mask = own, sid = found.success): Ace => {
    const head = new Uint8Array(4)
    new DataView(head.buffer).setUint32(0, mask, true)
    return { ...entry, aceFlags, data: Buffer.concat([head, sidBytes(sid), data.subarray(end)]) }
  }
  return { mask: own, sid: found.success, passedOn }
}

/**
 * The entries that a file or a directory inherits from the list of its folder, also conditional ones. Object entries are
 * not inherited: they are for directories of objects, not of files.
 *
 * @since 0.2.0
 */
export const inheritedAces = (
  folder: Acl | undefined,
  { group, isDirectory, mapGeneric, marked, owner }: Heir
): Array<Ace> => {
  const aces: Array<Ace> = []
  const inherited = marked ? F.INHERITED_ACE : 0
  for (const entry of folder?.aces ?? []) {
    const heir = heritable(entry)
    if (heir === undefined) continue
    const { aceFlags } = entry
    const toObjects = (aceFlags & F.OBJECT_INHERIT_ACE) !== 0
    const toContainers = (aceFlags & F.CONTAINER_INHERIT_ACE) !== 0
    const stops = (aceFlags & F.NO_PROPAGATE_INHERIT_ACE) !== 0
    const sid = heir.sid === creatorOwner ? owner : heir.sid === creatorGroup ? group : heir.sid
    const mask = mapGeneric(heir.mask)
    if (!isDirectory) {
      if (toObjects) aces.push(heir.passedOn(inherited, mask, sid))
      continue
    }
    const passedOn = aceFlags & (F.OBJECT_INHERIT_ACE | F.CONTAINER_INHERIT_ACE)
    if (toContainers) {
      // An entry for the creator, or with generic rights, is mapped for this directory, and passed on unmapped to those
      // below.
      const differs = sid !== heir.sid || mask !== heir.mask
      if (stops) {
        aces.push(heir.passedOn(inherited, mask, sid))
      } else if (differs) {
        aces.push(heir.passedOn(inherited, mask, sid))
        aces.push(heir.passedOn(passedOn | F.INHERIT_ONLY_ACE | inherited))
      } else {
        aces.push(heir.passedOn(passedOn | inherited))
      }
    } else if (toObjects && !stops) {
      aces.push(heir.passedOn(passedOn | F.INHERIT_ONLY_ACE | inherited))
    }
  }
  return aces
}
