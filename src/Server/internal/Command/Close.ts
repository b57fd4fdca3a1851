/** CLOSE (MS-SMB2 3.3.5.10, MS-FSA 2.1.5.5), also of opens that end with their tree, session or connection. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type * as Message from "../../../Smb2/Message/Close.ts"
import { AccessMask, CloseFlags, CompletionFilter, NotifyAction } from "../../../Smb2/Message/Constants.ts"
import * as Events from "../../Events.ts"
import type { StoreError, StoreNode } from "../../ShareStore.ts"
import * as DirectoryCaching from "../State/DirectoryCaching.ts"
import type { Incoming } from "../State/Incoming.ts"
import * as Locks from "../State/Locks.ts"
import type { AnyOpen, FileOpen } from "../State/Model.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import * as Watch from "../State/Watch.ts"
import { type Refusal, refusal, type Reply, reply, stored } from "../Wire/Reply.ts"
import * as DeletionCheck from "./DeletionCheck.ts"
import * as NodeInformation from "./NodeInformation.ts"

/** Handles CLOSE. */
export const handle = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.gen(function*() {
    const open = incoming.open!
    const wants = (body.flags & CloseFlags.SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB) !== 0
    const node = wants && open._tag === "File"
      ? yield* Effect.orElseSucceed(stored(open.file.stat), () => undefined)
      : undefined
    if (open.closed) return yield* Effect.fail(refusal(NtStatus.STATUS_FILE_CLOSED))
    const completed = open._tag === "File" && !open.deleteOnClose ? yield* Effect.exit(complete(open)) : Exit.void
    yield* stored(close(open, NtStatus.STATUS_NOTIFY_CLEANUP))
    // The open has ended in any case.
    yield* completed
    return reply({ _tag: "CLOSE", body: node === undefined ? nothing(0) : after(node) })
  })

/** Brings what the client has written to the storage: if that fails, the client is told. */
const complete = ({ file }: FileOpen): Effect.Effect<void, Refusal> =>
  file.complete === undefined ? Effect.void : stored(file.complete)

const nothing = (flags: number) => ({
  flags,
  creationTime: 0n,
  lastAccessTime: 0n,
  lastWriteTime: 0n,
  changeTime: 0n,
  allocationSize: 0n,
  endOfFile: 0n,
  fileAttributes: 0
})

const after = (node: StoreNode) => ({
  flags: CloseFlags.SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB,
  ...NodeInformation.networkOpen(node)
})

/**
 * Closes an open: completes the requests that wait on it and releases its locks. With the last open it also removes a
 * name or stream that is marked for deletion. Fails with the store's error for that deletion; the open is closed in any
 * case.
 */
export const close = (open: AnyOpen, notifyStatus: number): Effect.Effect<void, StoreError> =>
  Effect.suspend(() => {
    if (open.closed) return Effect.void
    open.closed = true
    const { session } = open
    session?.opens.delete(open.id)
    open.usage.opens--
    open.usage.release()
    if (open._tag === "Pipe") {
      open.server.pipes--
      for (const pending of Array.from(open.waiting)) pending.abort(NtStatus.STATUS_PIPE_BROKEN)
      return Effect.void
    }
    for (const pending of Array.from(open.waiting)) {
      pending.abort(open.watch === undefined ? NtStatus.STATUS_RANGE_NOT_LOCKED : notifyStatus)
    }
    return closeFile(open)
  })

/** Closes an open without a CLOSE request. If the store refuses a deletion, the log says so. */
export const end = (open: AnyOpen, notifyStatus: number): Effect.Effect<void> =>
  Effect.ignore(close(open, notifyStatus))

/** Closes the store's part of an open. */
const releaseFile = (open: FileOpen): Effect.Effect<void> =>
  Effect.ignore(open.server.storeTimeout.run(Scope.close(open.scope, Exit.void), "close"))

/** Gives up an open without closing it for its client: the next server has it. */
export const release = (open: FileOpen): Effect.Effect<void> =>
  Effect.suspend(() => {
    open.closed = true
    open.stopWaiting?.()
    open.endWaiting()
    open.server.opens.delete(open.id)
    return releaseFile(open)
  })

const closeFile = (open: FileOpen): Effect.Effect<void, StoreError> =>
  Effect.suspend(() => {
    const { link, stream, table } = open
    const { file } = stream
    open.server.opens.delete(open.id)
    open.endWaiting()
    open.stopWaiting?.()
    open.server.replays.forget(open)
    Watch.end(open)
    Locks.releaseAll(open)
    table.leave(open)
    if (open.may(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)) file.delayed = undefined
    // A directory is first checked for entries: if it has any, it stays, and that is no error (MS-FSA 2.1.5.5).
    const asks = open.deleteOnClose && open.directory && !link.deletePending
    if (open.deleteOnClose && !asks) markDeleted(open)
    // Requests that wait for this break look again at once, so the open must have left the tables before.
    OplocksAndLeases.release(open.server, open)
    if (open.written) DirectoryCaching.changed(table, open.path, open)
    return Effect.andThen(
      releaseFile(open),
      asks
        ? Effect.flatMap(Effect.orElseSucceed(DeletionCheck.isClearable(open), () => true), (empty) => {
          if (empty) markDeleted(open)
          return settle(open)
        })
        : settle(open)
    )
  })

/**
 * After an open has left: removes what is marked for deletion and has lost its last open, and forgets the names and
 * streams that no client has open any more.
 */
const settle = (open: FileOpen): Effect.Effect<void, StoreError> =>
  Effect.suspend(() => {
    const { link, stream, table } = open
    const goes = link.deletePending && link.opens.size === 0
    const streamGoes = !goes && stream.deletePending && stream.opens.size === 0
    return Effect.ensuring(
      goes || streamGoes ? remove(open, goes) : Effect.void,
      Effect.sync(() => {
        if (goes) link.deletePending = false
        if (streamGoes) stream.deletePending = false
        table.release(stream, link)
        // Until here, the next server would have carried out the deletion.
        open.server.kept?.forget(open)
      })
    )
  })

/** Removes the name that an open was opened by, or only its stream. */
const remove = (open: FileOpen, wholly: boolean): Effect.Effect<void, StoreError> => {
  const { link, path, server, share, stream, table } = open
  const { file } = stream
  const expected = file.identity
  const told = Effect.sync(() => {
    if (wholly) {
      table.forgetEntry(path)
      // Two clients can have a part in it: one marks the name, another has the last open. A listing stays cached only if
      // it belongs to both.
      DirectoryCaching.changed(table, path, link.deletedUnder === open.parentLeaseKey ? open : undefined)
    }
    Watch.report(
      table,
      !wholly
        ? CompletionFilter.FILE_NOTIFY_CHANGE_STREAM_NAME
        : file.directory
        ? CompletionFilter.FILE_NOTIFY_CHANGE_DIR_NAME
        : CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME,
      [{
        action: wholly ? NotifyAction.FILE_ACTION_REMOVED : NotifyAction.FILE_ACTION_REMOVED_STREAM,
        path,
        ...wholly ? {} : { stream: stream.name }
      }]
    )
  })
  return share.store.remove(path, wholly ? { expected } : { expected, stream: stream.name }).pipe(
    // Another program removed the name first: it is gone, as the client wanted.
    Effect.catchIf(({ reason }) => reason._tag === "NotFound" || reason._tag === "PathNotFound", () => Effect.void),
    Effect.andThen(told),
    Effect.tapError((error) =>
      server.logRates.deletions.tell((more) => Events.notDeleted(share.name, path, error, more))
    )
  )
}

/** Every open of a name, or of a stream, carries out its deletion if it is the last one. */
export const deletionChanged = ({ link, server: { kept }, stream }: FileOpen): void => {
  if (kept === undefined) return
  kept.linkChanged(link)
  if (stream.name !== "") { for (const other of stream.opens) kept.changed(other) }
}

/**
 * Marks an open for deletion: the name that it was opened by, or its named stream. The name or stream cannot be opened
 * any more, and its watchers are told. The file's other names stay.
 */
export const markDeleted = (open: FileOpen): void => {
  if (open.deletePending) return
  const { link, stream } = open
  const isFile = stream.name === ""
  if (isFile) {
    link.deletePending = true
    link.deletedUnder = open.parentLeaseKey
  } else stream.deletePending = true
  deletionChanged(open)
  // Clients with cached handles close them now.
  for (const lease of Array.from(stream.leases)) {
    const concerned = !isFile || Array.from(lease.opens).some((other) => other.link === link)
    if (concerned && lease !== open.lease && (lease.state & OplocksAndLeases.HANDLE) !== 0) {
      OplocksAndLeases.breakTo(open.server, lease, lease.state & ~OplocksAndLeases.HANDLE)
    }
  }
  if (!open.directory) return
  for (const other of link.opens) {
    if (other.watch === undefined) continue
    for (const pending of Array.from(other.waiting)) pending.abort(NtStatus.STATUS_DELETE_PENDING)
  }
}
