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
import { isWithin, keyOf } from "../State/FileTable.ts"
import type { FileOpen } from "../State/Open.ts"
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
  const { link, share, stream, table } = open
  const { file } = stream
  if (stream.name !== "" || fileName.startsWith(":")) return yield* refuse(NtStatus.STATUS_NOT_SUPPORTED)
  const name = target(incoming, fileName)
  if (typeof name === "number") return yield* refuse(name)
  if (name.stream !== undefined || name.path.length === 0) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  if (open.path.length === 0 || isWithin(name.path, open.path) && keyOf(name.path) !== keyOf(open.path)) {
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
    for (const _ of table.below(open.path)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  // A directory that somebody may delete keeps what is in it, and takes nothing in.
  const parents = new Set([open.path, name.path].flatMap((path) => table.at(path.slice(0, -1))))
  for (const parent of parents) {
    if (!parent.file.directory) continue
    for (const { grantedAccess, shareAccess } of parent.file.opens()) {
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
  const from = open.path
  const replaced = keyOf(name.path) === keyOf(from)
    ? undefined
    : yield* mayTake(incoming, open, name.path, replace, from)
  // What has taken either name since was not asked about.
  const naming = { replace: replaced !== undefined, replaced, expected: file.identity }
  yield* stored(share.store.rename(from, name.path, naming))
  table.renamed(link, name.path)
  table.forgetEntry(from)
  for (const path of [from, name.path]) DirectoryCaching.changed(table, path, open)
  const filter = file.directory ? N.FILE_NOTIFY_CHANGE_DIR_NAME : N.FILE_NOTIFY_CHANGE_FILE_NAME
  const same = keyOf(from.slice(0, -1)) === keyOf(name.path.slice(0, -1))
  Watch.report(table, filter, [
    { action: same ? NotifyAction.FILE_ACTION_RENAMED_OLD_NAME : NotifyAction.FILE_ACTION_REMOVED, path: from },
    { action: same ? NotifyAction.FILE_ACTION_RENAMED_NEW_NAME : NotifyAction.FILE_ACTION_ADDED, path: name.path }
  ])
})

/** The identity of the file that is there to be replaced, if any; refused where the user may not give a file that name. */
const mayTake = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  path: StorePath,
  replace: boolean,
  from: StorePath | undefined
): Effect.fn.Return<string | undefined, Refusal> {
  const { share, stream: { file: { directory } } } = open
  const folder = path.slice(0, -1)
  const user = incoming.session!.user!
  const stays = from !== undefined && keyOf(folder) === keyOf(from.slice(0, -1))
  if (stays && !replace) return undefined
  const parent = yield* FileRights.ofDirectory(share, folder)
  // Within its directory a name is only changed.
  if (!stays) yield* FileRights.checkAdding(parent, user, directory)
  if (!replace) return undefined
  const there = yield* FileRights.checkReplacing(share, path, parent, user)
  if (there === undefined) return undefined
  // What is open keeps its name, also where it is open by another one.
  for (const other of share.table.files.get(there.identity)?.opens() ?? []) {
    if (other !== open) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  return there.identity
})

/** Gives an open file one more name. */
export const link = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  fileName: string,
  replace: boolean
): Effect.fn.Return<void, Refusal> {
  const { share, stream: { file }, table } = open
  // A name keeps a file from being deleted: that is no business of who may only look at it.
  if (!open.may(A.FILE_WRITE_ATTRIBUTES)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (share.store.link === undefined) return yield* refuse(NtStatus.STATUS_NOT_SUPPORTED)
  if (share.readOnly) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  if (file.directory) return yield* refuse(NtStatus.STATUS_FILE_IS_A_DIRECTORY)
  const name = target(incoming, fileName)
  if (typeof name === "number") return yield* refuse(name)
  if (name.stream !== undefined || name.path.length === 0) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  const replaced = yield* mayTake(incoming, open, name.path, replace, undefined)
  const naming = { replace: replaced !== undefined, replaced, expected: file.identity }
  yield* stored(share.store.link(open.path, name.path, naming))
  DirectoryCaching.changed(table, name.path, open)
  Watch.report(table, N.FILE_NOTIFY_CHANGE_FILE_NAME, [{ action: NotifyAction.FILE_ACTION_ADDED, path: name.path }])
})
