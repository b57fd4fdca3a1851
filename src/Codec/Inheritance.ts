/** The entries that a file inherits from the list of its folder (MS-DTYP 2.5.3.4.3). Pure. */
import { type Ace, AceFlags as F, type Acl, type Sid } from "./SecurityDescriptor.ts"

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

/**
 * The entries that a file or a directory inherits from the list of its folder. Object entries and those that are kept
 * as bytes are not inherited: they are for directories of objects, not of files.
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
    if (entry._tag !== "Basic") continue
    const { aceFlags } = entry
    const toObjects = (aceFlags & F.OBJECT_INHERIT_ACE) !== 0
    const toContainers = (aceFlags & F.CONTAINER_INHERIT_ACE) !== 0
    const stops = (aceFlags & F.NO_PROPAGATE_INHERIT_ACE) !== 0
    const sid = entry.sid === creatorOwner ? owner : entry.sid === creatorGroup ? group : entry.sid
    if (!isDirectory) {
      if (toObjects) aces.push({ ...entry, sid, mask: mapGeneric(entry.mask), aceFlags: inherited })
      continue
    }
    const passedOn = aceFlags & (F.OBJECT_INHERIT_ACE | F.CONTAINER_INHERIT_ACE)
    if (toContainers) {
      // An entry for the creator, or with generic rights, is mapped for this directory, and passed on unmapped to those
      // below.
      const differs = sid !== entry.sid || mapGeneric(entry.mask) !== entry.mask
      if (stops) {
        aces.push({ ...entry, sid, mask: mapGeneric(entry.mask), aceFlags: inherited })
      } else if (differs) {
        aces.push({ ...entry, sid, mask: mapGeneric(entry.mask), aceFlags: inherited })
        aces.push({ ...entry, aceFlags: passedOn | F.INHERIT_ONLY_ACE | inherited })
      } else {
        aces.push({ ...entry, aceFlags: passedOn | inherited })
      }
    } else if (toObjects && !stops) {
      aces.push({ ...entry, aceFlags: passedOn | F.INHERIT_ONLY_ACE | inherited })
    }
  }
  return aces
}
