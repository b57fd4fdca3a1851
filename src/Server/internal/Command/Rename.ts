/**
 * Renames and hard links (MS-FSA 2.1.5.15.6, 2.1.5.15.11).
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { AccessMask as A, CompletionFilter as N, NotifyAction, ShareAccess } from "../../../Smb2/Message/Constants.ts"
import type { StoreError, StoreNaming, StorePath } from "../../ShareStore.ts"
import * as Access from "../State/Access.ts"
import * as ChangesByOthers from "../State/ChangesByOthers.ts"
import * as DirectoryCaching from "../State/DirectoryCaching.ts"
import { isWithin, keyOf } from "../State/FileTable.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { FileNode, FileOpen, Link, Share } from "../State/Model.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import * as Watch from "../State/Watch.ts"
import { fromStoreError, kept, type Refusal, refuse, stored } from "../Wire/Reply.ts"
import * as FileRights from "./FileRights.ts"
import * as HandleRelease from "./HandleRelease.ts"
import * as Names from "./Names.ts"
import * as OpensByName from "./OpensByName.ts"
import type * as Pathname from "./Pathname.ts"
import * as StreamRename from "./StreamRename.ts"

/** The new name of a file. Unlike the name of a CREATE, it can begin with a backslash. */
const target = (incoming: Incoming, share: Share, sent: string): Effect.Effect<Pathname.Name, Refusal> =>
  Effect.suspend(() => {
    const name = Names.read(incoming, sent, (below) => below.replace(/^\\+/, ""))
    return typeof name === "number" ? refuse(name) : Names.resolve(incoming, share, name)
  })

/**
 * Which file may be replaced by a rename or a new link: none; one that no client has open; or, by POSIX semantics
 * (MS-FSCC 2.4.43), also an open one, whose handles continue without a name.
 */
export type Replace = "none" | "closed" | "open"

/** Gives an open file another name. */
export const rename = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  fileName: string,
  replace: Replace
): Effect.fn.Return<void, Refusal> {
  if (!open.may(A.DELETE)) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  // As Windows does: a rename that waits for a break has only its final response, so that it keeps a compound together.
  incoming.sendsInterim = false
  const { link, share, stream, table } = open
  const { file } = stream
  if (fileName.startsWith(":")) return yield* StreamRename.rename(open, fileName, replace !== "none")
  if (stream.name !== "") return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  const name = yield* target(incoming, share, fileName)
  if (name.stream !== undefined || name.path.length === 0) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  if (name.endsInBackslash && !file.directory) return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  if (open.path.length === 0 || isWithin(name.path, open.path) && keyOf(name.path) !== keyOf(open.path)) {
    return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  // The other clients that have the file open must allow its renaming, as they must for its deletion.
  const forbids = (other: FileOpen) =>
    other !== open && (other.shareAccess & ShareAccess.FILE_SHARE_DELETE) === 0 &&
    (other.grantedAccess & 0x0001_0027) !== 0
  if (!(yield* HandleRelease.released(incoming, () => Array.from(stream.opens).filter(forbids)))) {
    return yield* refuse(NtStatus.STATUS_SHARING_VIOLATION)
  }
  if (file.directory && !(yield* isClearBelow(incoming, share, open.path))) {
    return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  }
  // A directory that a client may delete keeps its entries, and gets no new ones.
  for (const path of [open.path, name.path]) {
    for (const { file } of yield* OpensByName.at(share, path.slice(0, -1), keepsEntries)) {
      const keeping = () => Array.from(file.opens()).filter(keepsEntriesOf)
      if (!(yield* HandleRelease.released(incoming, keeping))) return yield* refuse(NtStatus.STATUS_SHARING_VIOLATION)
    }
  }
  yield* releaseHandles(incoming, file, open)
  const from = open.path
  const isCase = keyOf(name.path) === keyOf(from)
  const { kept } = incoming.server
  // A server that starts after a crash finds the file by one of the two names.
  if (kept !== undefined) yield* stored(kept.renaming(link, name.path))
  yield* giving(
    open,
    name.path,
    replace,
    isCase ? Effect.succeed(undefined) : mayTake(incoming, open, name.path, replace, from),
    (naming) => share.store.rename(from, name.path, naming)
  ).pipe(Effect.onError(() => kept === undefined ? Effect.void : Effect.ignore(kept.renaming(link, undefined))))
  // The replaced file has lost its name: a pending deletion has nothing to remove any more.
  for (const lost of table.at(name.path)) if (lost.file !== file) lost.deletePending = false
  table.renamed(link, name.path)
  kept?.renamed(link)
  for (const other of stream.opens) ChangesByOthers.renamed(other)
  table.forgetEntry(from)
  for (const path of [from, name.path]) DirectoryCaching.changed(table, path, open)
  const filter = file.directory ? N.FILE_NOTIFY_CHANGE_DIR_NAME : N.FILE_NOTIFY_CHANGE_FILE_NAME
  const same = keyOf(from.slice(0, -1)) === keyOf(name.path.slice(0, -1))
  Watch.report(table, filter, [
    { action: same ? NotifyAction.FILE_ACTION_RENAMED_OLD_NAME : NotifyAction.FILE_ACTION_REMOVED, path: from },
    { action: same ? NotifyAction.FILE_ACTION_RENAMED_NEW_NAME : NotifyAction.FILE_ACTION_ADDED, path: name.path }
  ])
  if (file.directory) return
  // Windows reports this to those that do not wait for names: its file system writes the attributes under the new name.
  Watch.report(
    table,
    N.FILE_NOTIFY_CHANGE_ATTRIBUTES | N.FILE_NOTIFY_CHANGE_CREATION,
    [{ action: NotifyAction.FILE_ACTION_MODIFIED, path: name.path }],
    N.FILE_NOTIFY_CHANGE_FILE_NAME
  )
})

/** Has clients close the handles that they only cache, for a file that loses a name. `except` and its lease stay. */
const releaseHandles = Effect.fnUntraced(function*(
  incoming: Incoming,
  file: FileNode,
  except?: FileOpen
): Effect.fn.Return<void, Refusal> {
  const all = except === undefined ? Array.from(file.streams.values()) : [except.stream]
  for (;;) {
    const leases = all.flatMap((stream) => Array.from(stream.leases)).filter((lease) =>
      lease !== except?.lease && (lease.state & OplocksAndLeases.HANDLE) !== 0
    )
    for (const lease of leases) OplocksAndLeases.breakTo(incoming.server, lease, lease.state & ~OplocksAndLeases.HANDLE)
    const breaking = leases.filter((lease) => lease.breaking !== undefined)
    if (breaking.length === 0) return
    yield* OplocksAndLeases.waitFor(incoming, breaking)
  }
})

/** How often a name that others change is looked up again. */
const mostTurns = 20

/** Whether an open of a directory keeps its entries unchanged: one for deletion, or without sharing writes. */
const keepsEntriesOf = ({ grantedAccess, shareAccess }: FileOpen): boolean =>
  (grantedAccess & A.DELETE) !== 0 ||
  (shareAccess & ShareAccess.FILE_SHARE_WRITE) === 0 && (grantedAccess & 0x0001_0027) !== 0

const keepsEntries = ({ file }: Link): boolean => file.directory && Array.from(file.opens()).some(keepsEntriesOf)

/**
 * Whether no file below a directory is open, after clients have closed the handles that they only cached (MS-FSA
 * 2.1.5.15.11). As on Windows, a file that a client opens while the server waits prevents the renaming.
 */
const isClearBelow = Effect.fnUntraced(function*(
  incoming: Incoming,
  share: Share,
  directory: StorePath
): Effect.fn.Return<boolean, Refusal> {
  let waited = false
  for (const link of Array.from(share.table.below(directory))) {
    if (!(yield* OpensByName.isOpen(share, link))) continue
    // A name that is about to be removed keeps its path until then.
    if (link.deletePending || !(yield* HandleRelease.released(incoming, () => Array.from(link.opens)))) return false
    waited = true
  }
  return !waited || !(yield* OpensByName.isOpenBelow(share, directory))
})

/**
 * Gives an open file a name, after `may` has said which file it may replace. If another file has taken the name since,
 * it is checked again. The handle is dead only if the open file itself has lost its own name.
 */
const giving = Effect.fnUntraced(function*(
  open: FileOpen,
  path: StorePath,
  replace: Replace,
  may: Effect.Effect<string | undefined, Refusal>,
  give: (naming: StoreNaming) => Effect.Effect<void, StoreError>
): Effect.fn.Return<void, Refusal> {
  const { share, stream: { file: { identity } }, table } = open
  for (let turn = 0;; turn++) {
    const replaced = yield* may
    const taking = give({ replace: replaced !== undefined, replaced, expected: identity })
    const run = table.adding(
      path.slice(0, -1),
      Effect.result(replaced === undefined ? taking : table.replacing(replaced, taking))
    )
    // The directory is being made a link.
    if (run === undefined) return yield* refuse(NtStatus.STATUS_SHARING_VIOLATION)
    const done = yield* run
    if (Result.isSuccess(done)) return
    const { failure } = done
    const changed = failure.reason._tag === "Stale" || failure.reason._tag === "Exists" && replace !== "none"
    if (!changed || turn >= mostTurns) return yield* Effect.fail(fromStoreError(failure))
    const own = yield* Effect.result(share.store.stat(open.path))
    if (Result.isFailure(own) || own.success.identity !== identity) return yield* Effect.fail(fromStoreError(failure))
  }
})

/** The identity of the file to replace, if one exists. Refuses a user without the right to give a file that name. */
const mayTake = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  path: StorePath,
  replace: Replace,
  from: StorePath | undefined
): Effect.fn.Return<string | undefined, Refusal> {
  const { share, stream: { file: { directory } } } = open
  const folder = path.slice(0, -1)
  const bearer = FileRights.bearerOf(incoming)
  const stays = from !== undefined && keyOf(folder) === keyOf(from.slice(0, -1))
  if (stays && replace === "none") return undefined
  const parent = yield* FileRights.ofDirectory(share, folder)
  // A rename within the directory adds no entry.
  if (!stays) yield* FileRights.checkAdding(parent, bearer, directory)
  if (replace === "none") return undefined
  const there = yield* FileRights.checkReplacing(share, path, parent, bearer)
  if (there === undefined) return undefined
  const file = share.table.files.get(there.identity)
  const others = () => Array.from(file?.opens() ?? []).filter((other) => other !== open)
  if (file === undefined || others().length === 0) return there.identity
  // An open file keeps its name, also if it was opened by another name.
  if (replace === "closed") {
    if (yield* HandleRelease.released(incoming, others)) return there.identity
    // A rename tells of a name that is about to go (MS-FSA 2.1.5.15.11, TargetLink.IsDeleted).
    const goes = from !== undefined && (yield* OpensByName.isPending(share, path))
    return yield* refuse(goes ? NtStatus.STATUS_DELETE_PENDING : NtStatus.STATUS_ACCESS_DENIED)
  }
  yield* releaseHandles(incoming, file)
  if (others().some(({ shareAccess }) => (shareAccess & ShareAccess.FILE_SHARE_DELETE) === 0)) {
    return yield* refuse(NtStatus.STATUS_SHARING_VIOLATION)
  }
  return there.identity
})

/**
 * Refuses a user without the right to give a file another name. MS-FSA requires no right of the open for that, and
 * Linux opens with FILE_READ_ATTRIBUTES alone. But a further name keeps a file from being deleted, and in the user's
 * own directory only that user can remove it. So the file's descriptor must allow the user to change the file's
 * attributes, no matter which access this open asked for.
 */
const checkLinking = (incoming: Incoming, { file }: FileOpen): Effect.Effect<void, Refusal> =>
  Effect.flatMap(
    stored(kept(file, "SecurityDescriptor")),
    (bytes) =>
      (FileRights.rightsOf(Access.decode(bytes), FileRights.bearerOf(incoming)) & A.FILE_WRITE_ATTRIBUTES) === 0
        ? refuse(NtStatus.STATUS_ACCESS_DENIED)
        : Effect.void
  )

/** Gives an open file a further name (MS-FSA 2.1.5.15.6). */
export const link = Effect.fnUntraced(function*(
  incoming: Incoming,
  open: FileOpen,
  fileName: string,
  replace: Replace
): Effect.fn.Return<void, Refusal> {
  const { share, stream: { file, name: streamName }, table } = open
  if (streamName !== "") return yield* refuse(NtStatus.STATUS_INVALID_PARAMETER)
  if (file.directory) return yield* refuse(NtStatus.STATUS_FILE_IS_A_DIRECTORY)
  if (share.store.link === undefined) return yield* refuse(NtStatus.STATUS_NOT_SUPPORTED)
  if (share.readOnly || open.link.deletePending) return yield* refuse(NtStatus.STATUS_ACCESS_DENIED)
  yield* checkLinking(incoming, open)
  const name = yield* target(incoming, share, fileName)
  // A directory has one name, so the new name is that of a file.
  if (name.stream !== undefined || name.path.length === 0 || name.endsInBackslash) {
    return yield* refuse(NtStatus.STATUS_OBJECT_NAME_INVALID)
  }
  const { link: make } = share.store
  yield* giving(
    open,
    name.path,
    replace,
    mayTake(incoming, open, name.path, replace, undefined),
    (naming) => make(open.path, name.path, naming)
  )
  ChangesByOthers.linked(open)
  DirectoryCaching.changed(table, name.path, open)
  Watch.report(table, N.FILE_NOTIFY_CHANGE_FILE_NAME, [{ action: NotifyAction.FILE_ACTION_ADDED, path: name.path }])
})
