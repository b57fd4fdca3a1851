/**
 * Security descriptors by QUERY_INFO and SET_INFO (MS-SMB2 3.3.5.20.3, 3.3.5.21.3; MS-FSA 2.1.5.14, 2.1.5.17): which
 * part requires which right, and which parts are kept.
 */
import * as Effect from "effect/Effect"
import * as Codec from "../../../Codec/Codec.ts"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import * as Sd from "../../../Codec/SecurityDescriptor.ts"
import {
  AccessMask as A,
  CompletionFilter as N,
  NotifyAction,
  SecurityInformation as S
} from "../../../Smb2/Message/Constants.ts"
import * as Access from "../State/Access.ts"
import * as DirectoryCaching from "../State/DirectoryCaching.ts"
import type { Identity } from "../State/Identity.ts"
import type { FileOpen } from "../State/Model.ts"
import * as Watch from "../State/Watch.ts"
import { kept, type Refusal, refuse, stored } from "../Wire/Reply.ts"

interface Part {
  readonly flag: number
  /** All of these rights are required to read it. */
  readonly toQuery: number
  /** All of these rights are required to write it. */
  readonly toSet: number
  /** Whether this server keeps the part. A query finds the other parts empty, and they cannot be set. */
  readonly isKept: boolean
}

const part = (flag: number, toQuery: number, toSet: number, isKept: boolean): Part => ({ flag, toQuery, toSet, isKept })

/** Other flags mean nothing. */
const parts: ReadonlyArray<Part> = [
  part(S.SACL_SECURITY_INFORMATION, A.ACCESS_SYSTEM_SECURITY, A.ACCESS_SYSTEM_SECURITY, true),
  part(S.DACL_SECURITY_INFORMATION, A.READ_CONTROL, A.WRITE_DAC, true),
  part(S.OWNER_SECURITY_INFORMATION, A.READ_CONTROL, A.WRITE_OWNER, true),
  part(S.GROUP_SECURITY_INFORMATION, A.READ_CONTROL, A.WRITE_OWNER, true),
  part(S.LABEL_SECURITY_INFORMATION, A.READ_CONTROL, A.WRITE_OWNER, false),
  part(S.ATTRIBUTE_SECURITY_INFORMATION, A.READ_CONTROL, A.WRITE_DAC, false),
  part(S.SCOPE_SECURITY_INFORMATION, A.READ_CONTROL, A.ACCESS_SYSTEM_SECURITY, false),
  // All of the parts at once.
  part(
    S.BACKUP_SECURITY_INFORMATION,
    A.READ_CONTROL | A.ACCESS_SYSTEM_SECURITY,
    A.WRITE_DAC | A.WRITE_OWNER | A.ACCESS_SYSTEM_SECURITY,
    false
  )
]

const isNamed = (flags: number) => (one: Part): boolean => (flags & one.flag) !== 0

const mayAll = (open: FileOpen, rights: number): boolean => (rights & ~open.grantedAccess) === 0

// -----------------------------------------------------------------------------
// reading
// -----------------------------------------------------------------------------

const daclShown = Sd.Control.SE_DACL_PRESENT | Sd.Control.SE_DACL_AUTO_INHERITED | Sd.Control.SE_DACL_PROTECTED |
  Sd.Control.SE_DACL_DEFAULTED | Sd.Control.SE_DACL_AUTO_INHERIT_REQ
const saclShown = Sd.Control.SE_SACL_PRESENT | Sd.Control.SE_SACL_AUTO_INHERITED | Sd.Control.SE_SACL_PROTECTED |
  Sd.Control.SE_SACL_DEFAULTED | Sd.Control.SE_SACL_AUTO_INHERIT_REQ

/** The parts of a file's descriptor that `flags` name, self-relative. Parts that are not kept are missing. */
export const query = Effect.fnUntraced(function*(
  open: FileOpen,
  flags: number
): Effect.fn.Return<Uint8Array, Refusal> {
  if (!parts.filter(isNamed(flags)).every(({ toQuery }) => mayAll(open, toQuery))) {
    return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  const all = Access.decode(yield* stored(kept(open.file, "SecurityDescriptor")))
  const has = (flag: number): boolean => (flags & (flag | S.BACKUP_SECURITY_INFORMATION)) !== 0
  const dacl = has(S.DACL_SECURITY_INFORMATION)
  const sacl = has(S.SACL_SECURITY_INFORMATION)
  return Access.encode({
    sbz1: 0,
    control: Sd.Control.SE_SELF_RELATIVE | (all.control & ((dacl ? daclShown : 0) | (sacl ? saclShown : 0))),
    owner: has(S.OWNER_SECURITY_INFORMATION) ? all.owner : undefined,
    group: has(S.GROUP_SECURITY_INFORMATION) ? all.group : undefined,
    sacl: sacl ? all.sacl : undefined,
    dacl: dacl ? all.dacl : undefined
  })
})

// -----------------------------------------------------------------------------
// writing
// -----------------------------------------------------------------------------

const daclKept = Sd.Control.SE_DACL_PRESENT | Sd.Control.SE_DACL_PROTECTED | Sd.Control.SE_DACL_AUTO_INHERITED
const saclKept = Sd.Control.SE_SACL_PRESENT | Sd.Control.SE_SACL_PROTECTED | Sd.Control.SE_SACL_AUTO_INHERITED

/** Refuses an owner that the user has no right to set. */
const checkOwner = (user: Identity, owner: string | undefined): Effect.Effect<void, Refusal> =>
  owner === undefined || Access.mayOwn(user, owner) ? Effect.void : refuse(NtStatus.STATUS_INVALID_OWNER)

/**
 * Refuses a descriptor in a CREATE for which the user lacks privileges: they are the same as for setting it afterwards.
 */
export const checkInitial = (
  user: Identity,
  asked: Sd.SecurityDescriptor | undefined
): Effect.Effect<void, Refusal> =>
  asked?.sacl !== undefined && !user.administrator
    ? refuse(NtStatus.STATUS_PRIVILEGE_NOT_HELD)
    : checkOwner(user, asked?.owner)

const decode = (bytes: Uint8Array): Effect.Effect<Sd.SecurityDescriptor, Refusal> => {
  if (bytes.length < Sd.SecurityDescriptor.minimumSize) return refuse(NtStatus.STATUS_INFO_LENGTH_MISMATCH)
  const decoded = Codec.decode("SET_INFO buffer", Sd.SecurityDescriptor)(bytes)
  return decoded._tag === "Failure" ? refuse(NtStatus.STATUS_INVALID_PARAMETER) : Effect.succeed(decoded.success)
}

/** Replaces the parts of a file's descriptor that `flags` name; without any flag, does nothing. */
export const set = Effect.fnUntraced(function*(
  open: FileOpen,
  user: Identity,
  flags: number,
  bytes: Uint8Array
): Effect.fn.Return<void, Refusal> {
  const named = parts.filter(isNamed(flags))
  if (named.length === 0) return
  if (open.share.readOnly) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (!named.every(({ toSet }) => mayAll(open, toSet))) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (!named.every(({ isKept }) => isKept)) return yield* refuse(NtStatus.STATUS_NOT_SUPPORTED)
  const given = yield* decode(bytes)
  const has = (flag: number): boolean => (flags & flag) !== 0
  const owner = has(S.OWNER_SECURITY_INFORMATION)
  const group = has(S.GROUP_SECURITY_INFORMATION)
  const dacl = has(S.DACL_SECURITY_INFORMATION)
  const sacl = has(S.SACL_SECURITY_INFORMATION)
  if (owner && given.owner === undefined || group && given.group === undefined) {
    return yield* refuse(NtStatus.STATUS_INVALID_OWNER)
  }
  if (owner) yield* checkOwner(user, given.owner)
  yield* open.stream.file.changing(Effect.gen(function*() {
    const before = Access.decode(yield* stored(kept(open.file, "SecurityDescriptor")))
    const requested = (given.control & Sd.Control.SE_DACL_AUTO_INHERIT_REQ) !== 0
    const newBits = given.control & (Sd.Control.SE_DACL_PRESENT | Sd.Control.SE_DACL_PROTECTED |
      (requested ? Sd.Control.SE_DACL_AUTO_INHERITED : 0))
    const next: Sd.SecurityDescriptor = {
      sbz1: 0,
      control: (before.control & ~((dacl ? daclKept : 0) | (sacl ? saclKept : 0))) |
        (dacl ? newBits | Sd.Control.SE_DACL_PRESENT : 0) | (sacl ? given.control & saclKept : 0),
      owner: owner ? given.owner : before.owner,
      group: group ? given.group : before.group,
      sacl: sacl ? given.sacl : before.sacl,
      dacl: dacl ? mapped(given.dacl) : before.dacl
    }
    yield* stored(open.file.setBlob("SecurityDescriptor", Access.encode(next)))
  }))
  Watch.report(open.table, N.FILE_NOTIFY_CHANGE_SECURITY, [
    { action: NotifyAction.FILE_ACTION_MODIFIED, path: open.path }
  ])
  DirectoryCaching.changed(open.table, open.path, open)
})

/** Generic rights are stored as the specific rights that they stand for, except in entries that are only inherited. */
const mapped = (acl: Sd.Acl | undefined): Sd.Acl | undefined =>
  acl === undefined ? undefined : {
    ...acl,
    aces: acl.aces.map((one) =>
      one._tag === "Basic" && (one.aceFlags & Sd.AceFlags.INHERIT_ONLY_ACE) === 0
        ? { ...one, mask: Access.mapGeneric(one.mask) }
        : one
    )
  }
