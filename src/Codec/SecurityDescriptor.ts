/**
 * Security descriptors in their self-relative form (MS-DTYP 2.4): SIDs, ACLs, and the entries in them.
 *
 * SIDs are text (`S-1-5-32-544`). Entries whose layout this module does not need (callback, resource attribute) keep
 * their bytes unchanged, as views of the buffer that was read. Text for people is in `Sddl.ts`; other modules check
 * access.
 */
import * as Codec from "./Codec.ts"

// -----------------------------------------------------------------------------
// SID
// -----------------------------------------------------------------------------

/**
 * A security identifier as text (MS-DTYP 2.4.2.1): `S-1-`, the authority (hexadecimal from 2^32 on), up to 15 numbers.
 *
 * @category models
 * @since 0.1.0
 */
export type Sid = string

const sidPattern = /^S-1-(\d{1,10}|0x[0-9A-F]{12})((?:-\d{1,10}){0,15})$/i

const sidParts = (
  sid: Sid
): { readonly authority: bigint; readonly subAuthorities: ReadonlyArray<number> } | undefined => {
  const match = sidPattern.exec(sid)
  if (match === null) return undefined
  const authority = BigInt(match[1]!)
  const subAuthorities = match[2]!.split("-").slice(1).map(Number)
  return subAuthorities.every((number) => number <= 0xffffffff) ? { authority, subAuthorities } : undefined
}

/**
 * Whether the text is a SID.
 *
 * @since 0.1.0
 */
export const isSid = (text: string): text is Sid => sidParts(text) !== undefined

/**
 * A SID (MS-DTYP 2.4.2.2). Writing throws `RangeError` for text that is no SID: see `isSid`.
 *
 * @since 0.1.0
 */
export const Sid: Codec.Codec<Sid> = Codec.make(
  8,
  (r) => {
    const at = r.offset
    const revision = r.u8()
    if (revision !== 1) r.fail(`SID Revision 1, not ${revision}`, at)
    const count = r.u8()
    if (count > 15) r.fail(`SubAuthorityCount of at most 15, not ${count}`, at + 1)
    const high = r.view.getUint16(r.claim(2))
    const low = r.view.getUint32(r.claim(4))
    const authority = high === 0
      ? String(low)
      : `0x${high.toString(16).padStart(4, "0")}${low.toString(16).padStart(8, "0")}`.toUpperCase().replace("X", "x")
    return ["S-1", authority, ...Codec.readMany(r, Codec.u32, count)].join("-")
  },
  (w, sid) => {
    const parts = sidParts(sid)
    if (parts === undefined) throw new RangeError("not the text of a SID")
    w.u8(1)
    w.u8(parts.subAuthorities.length)
    for (let shift = 40n; shift >= 0n; shift -= 8n) w.u8(Number((parts.authority >> shift) & 0xffn))
    for (const number of parts.subAuthorities) w.u32(number)
  }
)

// -----------------------------------------------------------------------------
// ACE
// -----------------------------------------------------------------------------

/**
 * AceType (MS-DTYP 2.4.4.1).
 *
 * @since 0.1.0
 */
export const AceType = {
  ACCESS_ALLOWED_ACE_TYPE: 0x00,
  ACCESS_DENIED_ACE_TYPE: 0x01,
  SYSTEM_AUDIT_ACE_TYPE: 0x02,
  ACCESS_ALLOWED_OBJECT_ACE_TYPE: 0x05,
  ACCESS_DENIED_OBJECT_ACE_TYPE: 0x06,
  SYSTEM_AUDIT_OBJECT_ACE_TYPE: 0x07,
  ACCESS_ALLOWED_CALLBACK_ACE_TYPE: 0x09,
  ACCESS_DENIED_CALLBACK_ACE_TYPE: 0x0a,
  ACCESS_ALLOWED_CALLBACK_OBJECT_ACE_TYPE: 0x0b,
  ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE: 0x0c,
  SYSTEM_AUDIT_CALLBACK_ACE_TYPE: 0x0d,
  SYSTEM_AUDIT_CALLBACK_OBJECT_ACE_TYPE: 0x0f,
  SYSTEM_MANDATORY_LABEL_ACE_TYPE: 0x11,
  SYSTEM_RESOURCE_ATTRIBUTE_ACE_TYPE: 0x12,
  SYSTEM_SCOPED_POLICY_ID_ACE_TYPE: 0x13
} as const

/**
 * AceFlags (MS-DTYP 2.4.4.1).
 *
 * @since 0.1.0
 */
export const AceFlags = {
  OBJECT_INHERIT_ACE: 0x01,
  CONTAINER_INHERIT_ACE: 0x02,
  NO_PROPAGATE_INHERIT_ACE: 0x04,
  INHERIT_ONLY_ACE: 0x08,
  INHERITED_ACE: 0x10,
  /** Of Windows' winnt.h; MS-DTYP leaves this bit out. */
  CRITICAL_ACE_FLAG: 0x20,
  SUCCESSFUL_ACCESS_ACE_FLAG: 0x40,
  FAILED_ACCESS_ACE_FLAG: 0x80
} as const

/**
 * An entry that is an access mask and a SID: allowed, denied, audit, label, policy (2.4.4.2 and others).
 *
 * @since 0.1.0
 */
export interface BasicAce {
  readonly _tag: "Basic"
  readonly aceType: number
  readonly aceFlags: number
  readonly mask: number
  readonly sid: Sid
}

/**
 * The same for a property or a kind of child of a directory object (2.4.4.3 and others). GUIDs as 16 bytes.
 *
 * @since 0.1.0
 */
export interface ObjectAce {
  readonly _tag: "Object"
  readonly aceType: number
  readonly aceFlags: number
  readonly mask: number
  readonly objectType: Uint8Array | undefined
  readonly inheritedObjectType: Uint8Array | undefined
  readonly sid: Sid
}

/**
 * An entry of another type, or with further data: all bytes after its header.
 *
 * @since 0.1.0
 */
export interface RawAce {
  readonly _tag: "Raw"
  readonly aceType: number
  readonly aceFlags: number
  readonly data: Uint8Array
}

/**
 * @category models
 * @since 0.1.0
 */
export type Ace = BasicAce | ObjectAce | RawAce

const isBasic = (type: number): boolean => type <= 2 || type === 0x11 || type === 0x13
const isObject = (type: number): boolean => type >= 5 && type <= 7

/** AceSize is a multiple of 4 (2.4.4.1). An entry of another size is padded here, as it is when it is written. */
const padded = (data: Uint8Array): Uint8Array => {
  if (data.length % 4 === 0) return data
  const longer = new Uint8Array(data.length + 4 - (data.length % 4))
  longer.set(data)
  return longer
}

/**
 * An entry of an ACL (2.4.4).
 *
 * @since 0.1.0
 */
export const Ace: Codec.Codec<Ace> = Codec.make<Ace>(
  4,
  (r) => {
    const at = r.offset
    const aceType = r.u8()
    const aceFlags = r.u8()
    const size = r.u16()
    if (size < 4) r.fail(`AceSize of at least 4, not ${size}`, at + 2)
    const body = r.window(r.offset, size - 4, "an ACE inside its ACL")
    r.offset = body.end
    if (isBasic(aceType)) {
      const mask = body.u32()
      const sid = Sid.read(body)
      if (body.remaining === 0) return { _tag: "Basic", aceType, aceFlags, mask, sid }
    } else if (isObject(aceType)) {
      const mask = body.u32()
      const flags = body.u32()
      const objectType = (flags & 1) === 0 ? undefined : body.take(16)
      const inheritedObjectType = (flags & 2) === 0 ? undefined : body.take(16)
      const sid = Sid.read(body)
      if (body.remaining === 0) return { _tag: "Object", aceType, aceFlags, mask, objectType, inheritedObjectType, sid }
    }
    body.offset = body.start
    return { _tag: "Raw", aceType, aceFlags, data: padded(body.rest()) }
  },
  (w, ace) => {
    const start = w.offset
    w.u8(ace.aceType)
    w.u8(ace.aceFlags)
    w.u16(0)
    if (ace._tag === "Raw") {
      w.put(ace.data)
    } else {
      w.u32(ace.mask)
      if (ace._tag === "Object") {
        w.u32((ace.objectType === undefined ? 0 : 1) | (ace.inheritedObjectType === undefined ? 0 : 2))
        if (ace.objectType !== undefined) w.put(ace.objectType)
        if (ace.inheritedObjectType !== undefined) w.put(ace.inheritedObjectType)
      }
      Sid.write(w, ace.sid)
    }
    w.align(4, start)
    const size = w.offset - start
    if (size > 0xffff) throw new RangeError(`an ACE has at most 65535 bytes, not ${size}`)
    w.patch(start + 2, (patch) => patch.u16(size))
  }
)

// -----------------------------------------------------------------------------
// ACL and descriptor
// -----------------------------------------------------------------------------

/**
 * An access control list (2.4.5). Revision 2, or 4 if it has object entries. An empty list grants nothing.
 *
 * @since 0.1.0
 */
export interface Acl {
  readonly aclRevision: number
  readonly aces: ReadonlyArray<Ace>
}

export const Acl: Codec.Codec<Acl> = Codec.make<Acl>(
  8,
  (r) => {
    const at = r.offset
    const aclRevision = r.u8()
    r.u8()
    const size = r.u16()
    const count = r.u16()
    r.u16()
    if (size < 8) r.fail(`AclSize of at least 8, not ${size}`, at + 2)
    const body = r.window(r.offset, size - 8, "an ACL inside its descriptor")
    r.offset = body.end
    return { aclRevision, aces: Codec.readMany(body, Ace, count) }
  },
  (w, { aces, aclRevision }) => {
    const start = w.offset
    w.u8(aclRevision)
    w.u8(0)
    w.u16(0)
    w.u16(aces.length)
    w.u16(0)
    for (const ace of aces) Ace.write(w, ace)
    const size = w.offset - start
    if (size > 0xffff) throw new RangeError(`an ACL has at most 65535 bytes, not ${size}`)
    w.patch(start + 2, (patch) => patch.u16(size))
  }
)

/**
 * Control (2.4.6).
 *
 * @since 0.1.0
 */
export const Control = {
  SE_OWNER_DEFAULTED: 0x0001,
  SE_GROUP_DEFAULTED: 0x0002,
  SE_DACL_PRESENT: 0x0004,
  SE_DACL_DEFAULTED: 0x0008,
  SE_SACL_PRESENT: 0x0010,
  SE_SACL_DEFAULTED: 0x0020,
  SE_DACL_TRUSTED: 0x0040,
  SE_SERVER_SECURITY: 0x0080,
  SE_DACL_AUTO_INHERIT_REQ: 0x0100,
  SE_SACL_AUTO_INHERIT_REQ: 0x0200,
  SE_DACL_AUTO_INHERITED: 0x0400,
  SE_SACL_AUTO_INHERITED: 0x0800,
  SE_DACL_PROTECTED: 0x1000,
  SE_SACL_PROTECTED: 0x2000,
  SE_RM_CONTROL_VALID: 0x4000,
  SE_SELF_RELATIVE: 0x8000
} as const

/**
 * A security descriptor (2.4.6). `dacl` undefined with SE_DACL_PRESENT in `control` grants everybody everything;
 * without it, the descriptor says nothing about access. `sbz1` counts with SE_RM_CONTROL_VALID only.
 *
 * @category models
 * @since 0.1.0
 */
export interface SecurityDescriptor {
  readonly sbz1: number
  readonly control: number
  readonly owner: Sid | undefined
  readonly group: Sid | undefined
  readonly sacl: Acl | undefined
  readonly dacl: Acl | undefined
}

/**
 * Written in the order owner, group, SACL, DACL. Sets SE_SELF_RELATIVE, and PRESENT for each ACL of the value.
 *
 * @category codecs
 * @since 0.1.0
 */
export const SecurityDescriptor: Codec.Codec<SecurityDescriptor> = Codec.make(
  20,
  (r) => {
    const start = r.offset
    const revision = r.u8()
    if (revision !== 1) r.fail(`a descriptor's Revision 1, not ${revision}`, start)
    const sbz1 = r.u8()
    const control = r.u16()
    if ((control & Control.SE_SELF_RELATIVE) === 0) r.fail("SE_SELF_RELATIVE", start + 2)
    const offsets = [r.u32(), r.u32(), r.u32(), r.u32()] as const
    let end = r.offset
    const part = <A>(offset: number, codec: Codec.Codec<A>): A | undefined => {
      if (offset === 0) return undefined
      if (offset < 20) r.fail(`an offset after the descriptor's header, not ${offset}`, start)
      const window = r.window(start + offset, r.end - start - offset, "a descriptor's part inside it")
      const value = codec.read(window)
      end = Math.max(end, window.offset)
      return value
    }
    const owner = part(offsets[0], Sid)
    const group = part(offsets[1], Sid)
    const sacl = (control & Control.SE_SACL_PRESENT) === 0 ? undefined : part(offsets[2], Acl)
    const dacl = (control & Control.SE_DACL_PRESENT) === 0 ? undefined : part(offsets[3], Acl)
    r.offset = end
    return { sbz1, control, owner, group, sacl, dacl }
  },
  (w, value) => {
    const start = w.offset
    w.u8(1)
    w.u8(value.sbz1)
    w.u16(
      value.control | Control.SE_SELF_RELATIVE
        | (value.sacl === undefined ? 0 : Control.SE_SACL_PRESENT)
        | (value.dacl === undefined ? 0 : Control.SE_DACL_PRESENT)
    )
    const places = w.offset
    w.zeros(16)
    const part = <A>(index: number, codec: Codec.Codec<A>, content: A | undefined): void => {
      if (content === undefined) return
      // SIDs and ACLs are multiples of 4 bytes, so that each part is aligned as the document wants it.
      const offset = w.offset - start
      w.patch(places + index * 4, (patch) => patch.u32(offset))
      codec.write(w, content)
    }
    part(0, Sid, value.owner)
    part(1, Sid, value.group)
    part(2, Acl, value.sacl)
    part(3, Acl, value.dacl)
  }
)
