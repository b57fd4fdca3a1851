/**
 * Renames and hard links (MS-FSA 2.1.5.14.6, 2.1.5.14.11).
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, CompletionFilter as N, NotifyAction, ShareAccess } from "../../../Smb2/Message/Constants.ts"
import type { StorePath } from "../../ShareStore.ts"
import type { Incoming } from "../Connection/Incoming.ts"
import { type Refusal, refuse, stored } from "../Connection/Reply.ts"
import * as Caching from "../State/Caching.ts"
import * as DfsHost from "../State/DfsHost.ts"
import * as DirectoryCaching from "../State/DirectoryCaching.ts"
import type { FileOpen } from "../State/Open.ts"
import { isWithin, keyOf, type ShareState } from "../State/ShareState.ts"
import * as Watch from "../State/Watch.ts"
import * as FileRights from "./FileRights.ts"
import * as Names from "./Names.ts"

const target = (incoming: Incoming, sent: string): Names.Name | number => {
  const below = DfsHost.nameOf(incoming, sent)
  if (typeof below === "number") return below
  const name = Names.parse(below.replace(/^\\+/, ""))
  return typeof name !== "number" && DfsHost.leadsAway(incoming, name.path) ? NtStatus.STATUS_PATH_NOT_COVERED : name
}

/** Gives an open file another name. */
export const rename = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  fileName: string,
  replace: boolean
): Effect.fn.Return<void, Refusal> {
  if (!open.may(A.DELETE)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  const { stream } = open
  const { file } = stream
  const { share } = file
  if (stream.name !== "" || fileName.startsWith(":")) return yield* refuse(NtStatus.STATUS_NOT_SUPPORTED)
  const name = target(incoming, fileName)
  if (typeof name === "number") return yield* refuse(name)
  if (name.stream !== undefined || name.path.length === 0) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  if (file.path.length === 0 || isWithin(name.path, file.path) && keyOf(name.path) !== keyOf(file.path)) {
    return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  const others = [...stream.opens].filter((other) => other !== open)
  // Who else has it open must agree to its being renamed, as to its being deleted.
  if (
    others.some((other) =>
      (other.shareAccess & ShareAccess.FILE_SHARE_DELETE) === 0 && (other.grantedAccess & 0x0001_0027) !== 0
    )
  ) return yield* refuse(NtStatus.STATUS_SHARING_VIOLATION)
  if (file.directory) {
    for (const _ of share.opensBelow(file.path)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  // A directory that somebody may delete keeps what is in it, and takes nothing in.
  const parents = new Set([keyOf(file.path.slice(0, -1)), keyOf(name.path.slice(0, -1))])
  for (const other of share.files.values()) {
    if (!other.directory || !parents.has(keyOf(other.path))) continue
    for (const { grantedAccess, shareAccess } of other.opens()) {
      // Nor does one that is open for oneself alone.
      const alone = (shareAccess & ShareAccess.FILE_SHARE_WRITE) === 0 && (grantedAccess & 0x0001_0027) !== 0
      if ((grantedAccess & A.DELETE) !== 0 || alone) return yield* refuse(NtStatus.STATUS_SHARING_VIOLATION)
    }
  }
  for (;;) {
    const holders = [...stream.holders].filter((holder) =>
      holder !== open.holder && (holder.state & Caching.HANDLE) !== 0
    )
    for (const holder of holders) Caching.breakTo(incoming.server, holder, holder.state & ~Caching.HANDLE)
    const breaking = holders.filter((holder) => holder.breaking !== undefined)
    if (breaking.length === 0) break
    yield* Caching.waitFor(incoming, breaking)
  }
  const from = file.path
  const replaces = keyOf(name.path) !== keyOf(from) &&
    (yield* mayTake(incoming, share, name.path, replace, file.directory, from))
  // What has taken the name since was not asked about.
  yield* stored(share.store.rename(from, name.path, { replace: replaces }))
  share.renamed(from, name.path)
  share.forgetEntry(from)
  for (const path of [from, name.path]) DirectoryCaching.changed(share, path, open)
  const filter = file.directory ? N.FILE_NOTIFY_CHANGE_DIR_NAME : N.FILE_NOTIFY_CHANGE_FILE_NAME
  const same = keyOf(from.slice(0, -1)) === keyOf(name.path.slice(0, -1))
  Watch.report(share, filter, [
    { action: same ? NotifyAction.FILE_ACTION_RENAMED_OLD_NAME : NotifyAction.FILE_ACTION_REMOVED, path: from },
    { action: same ? NotifyAction.FILE_ACTION_RENAMED_NEW_NAME : NotifyAction.FILE_ACTION_ADDED, path: name.path }
  ])
})

/** Whether a name is there to be replaced; refused where the user may not give a file that name. */
const mayTake = Effect.fnUntraced(function*(
  incoming: Incoming,
  share: ShareState,
  path: StorePath,
  replace: boolean,
  directory: boolean,
  from: StorePath | undefined
): Effect.fn.Return<boolean, Refusal> {
  const folder = path.slice(0, -1)
  const user = incoming.session!.user!
  const stays = from !== undefined && keyOf(folder) === keyOf(from.slice(0, -1))
  if (stays && !replace) return false
  const parent = yield* FileRights.ofDirectory(share, folder)
  // Within its directory a name is only changed.
  if (!stays) yield* FileRights.checkAdding(parent, user, directory)
  if (!replace || !(yield* FileRights.checkReplacing(share, path, parent, user))) return false
  for (const other of share.files.values()) {
    if (keyOf(other.path) !== keyOf(path)) continue
    if ([...other.opens()].length > 0) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  return true
})

/** Gives an open file one more name. */
export const link = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  fileName: string,
  replace: boolean
): Effect.fn.Return<void, Refusal> {
  const { file } = open.stream
  const { share } = file
  // A name keeps a file from being deleted: that is no business of who may only look at it.
  if (!open.may(A.FILE_WRITE_ATTRIBUTES)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (share.store.link === undefined) return yield* refuse(NtStatus.STATUS_NOT_SUPPORTED)
  if (share.readOnly) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (file.directory) return yield* refuse(NtStatus.STATUS_FILE_IS_A_DIRECTORY)
  const name = target(incoming, fileName)
  if (typeof name === "number") return yield* refuse(name)
  if (name.stream !== undefined || name.path.length === 0) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  const replaces = yield* mayTake(incoming, share, name.path, replace, false, undefined)
  yield* stored(share.store.link(file.path, name.path, { replace: replaces }))
  DirectoryCaching.changed(share, name.path, open)
  Watch.report(share, N.FILE_NOTIFY_CHANGE_FILE_NAME, [{ action: NotifyAction.FILE_ACTION_ADDED, path: name.path }])
})
