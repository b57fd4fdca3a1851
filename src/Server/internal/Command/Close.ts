/**
 * CLOSE (MS-SMB2 3.3.5.10, MS-FSA 2.1.5.5), also of what ends with its tree, session or connection.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type * as Message from "../../../Smb2/Message/Close.ts"
import { AccessMask, CloseFlags, CompletionFilter, NotifyAction } from "../../../Smb2/Message/Constants.ts"
import * as Events from "../../Events.ts"
import type { StoreError, StoreNode } from "../../ShareStore.ts"
import type { Incoming } from "../Connection/Incoming.ts"
import { type Refusal, refusal, type Reply, reply, stored } from "../Connection/Reply.ts"
import * as Caching from "../State/Caching.ts"
import * as DirectoryCaching from "../State/DirectoryCaching.ts"
import * as Locks from "../State/Locks.ts"
import { type AnyOpen, type FileOpen, releaseFile } from "../State/Open.ts"
import * as Watch from "../State/Watch.ts"
import * as Deletion from "./Deletion.ts"
import * as Shown from "./Shown.ts"

/** Handles CLOSE. */
export const handle = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.gen(function*() {
    const open = incoming.open!
    const wants = (body.flags & CloseFlags.SMB2_CLOSE_FLAG_POSTQUERY_ATTRIB) !== 0
    const node = wants && open._tag === "File"
      ? yield* Effect.orElseSucceed(stored(open.file.stat), () => undefined)
      : undefined
    if (open.closed) return yield* Effect.fail(refusal(NtStatus.STATUS_FILE_CLOSED))
    yield* stored(close(open, NtStatus.STATUS_NOTIFY_CLEANUP))
    return reply({ _tag: "CLOSE", body: node === undefined ? nothing(0) : after(node) })
  })

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
  ...Shown.networkOpen(node)
})

/**
 * Closes an open: what waits on it is answered, its locks go, and with its last open what is to be deleted. Fails with what
 * the store says to such a deletion; the open is closed all the same.
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

/** Closes an open whose client does not ask for it. A deletion that the store refuses stands in the log. */
export const end = (open: AnyOpen, notifyStatus: number): Effect.Effect<void> =>
  Effect.ignore(close(open, notifyStatus))

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
    // Of a directory it has to be seen first whether it is empty: else it stays, and nothing is wrong (MS-FSA 2.1.5.5).
    const asks = open.deleteOnClose && open.directory && !link.deletePending
    if (open.deleteOnClose && !asks) markDeleted(open)
    // What waited for this looks at once: what is closed must be out of the way by now.
    Caching.release(open.server, open)
    if (open.written) DirectoryCaching.changed(table, open.path, open)
    return Effect.andThen(
      releaseFile(open),
      asks
        ? Effect.flatMap(Effect.orElseSucceed(Deletion.isClearable(open), () => true), (empty) => {
          if (empty) markDeleted(open)
          return settle(open)
        })
        : settle(open)
    )
  })

/** After an open has left: what is to be deleted and has lost its last open goes, and what is not open is forgotten. */
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
      })
    )
  })

/** Removes the name that an open was opened by, or its stream alone. */
const remove = (open: FileOpen, wholly: boolean): Effect.Effect<void, StoreError> => {
  const { path, server, share, stream, table } = open
  const { file } = stream
  const expected = file.identity
  const told = Effect.sync(() => {
    if (wholly) {
      table.forgetEntry(path)
      DirectoryCaching.changed(table, path, open)
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
    // Another program was faster: the name is gone, as it should be.
    Effect.catchIf(({ reason }) => reason === "NotFound" || reason === "PathNotFound", () => Effect.void),
    Effect.andThen(told),
    Effect.tapError((error) =>
      server.logRates.deletions.tell((more) => Events.notDeleted(share.name, path, error, more))
    )
  )
}

/**
 * From now on what is open is to be deleted: the name that it is open by, or its named stream. It is opened no more, and its
 * watchers hear of it. The file's other names stay.
 */
export const markDeleted = (open: FileOpen): void => {
  if (open.deletePending) return
  const { link, stream } = open
  const isFile = stream.name === ""
  if (isFile) link.deletePending = true
  else stream.deletePending = true
  // Clients that keep handles to themselves close them now.
  for (const holder of Array.from(stream.holders)) {
    const concerned = !isFile || Array.from(holder.opens).some((other) => other.link === link)
    if (concerned && holder !== open.holder && (holder.state & Caching.HANDLE) !== 0) {
      Caching.breakTo(open.server, holder, holder.state & ~Caching.HANDLE)
    }
  }
  if (!open.directory) return
  for (const other of link.opens) {
    if (other.watch === undefined) continue
    for (const pending of Array.from(other.waiting)) pending.abort(NtStatus.STATUS_DELETE_PENDING)
  }
}
