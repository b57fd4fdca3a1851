/**
 * CLOSE (MS-SMB2 3.3.5.10, MS-FSA 2.1.5.5), also of what ends with its tree, session or connection.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type * as Message from "../../../Smb2/Message/Close.ts"
import { AccessMask, CloseFlags, CompletionFilter, NotifyAction } from "../../../Smb2/Message/Constants.ts"
import type { StoreNode } from "../../ShareStore.ts"
import type { Incoming } from "../Connection/Incoming.ts"
import { type Refusal, refusal, type Reply, reply, stored } from "../Connection/Reply.ts"
import * as Caching from "../State/Caching.ts"
import * as DirectoryCaching from "../State/DirectoryCaching.ts"
import * as Locks from "../State/Locks.ts"
import { type AnyOpen, type FileOpen, releaseFile } from "../State/Open.ts"
import * as Watch from "../State/Watch.ts"
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
    yield* close(open, NtStatus.STATUS_NOTIFY_CLEANUP)
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

/** Closes an open: what waits on it is answered, its locks go, and with the last one the file, if it is to be deleted. */
export const close = (open: AnyOpen, notifyStatus: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (open.closed) return Effect.void
    open.closed = true
    const { session } = open
    session?.opens.delete(open.id)
    if (open._tag === "Pipe") {
      for (const pending of Array.from(open.waiting)) pending.abort(NtStatus.STATUS_PIPE_BROKEN)
      return Effect.void
    }
    for (const pending of Array.from(open.waiting)) {
      pending.abort(open.watch === undefined ? NtStatus.STATUS_RANGE_NOT_LOCKED : notifyStatus)
    }
    return closeFile(open)
  })

const closeFile = (open: FileOpen): Effect.Effect<void> =>
  Effect.suspend(() => {
    const { stream } = open
    const { file } = stream
    const { share } = file
    open.server.opens.delete(open.id)
    open.server.absent.delete(open)
    open.server.replays.forget(open)
    if (open.watch !== undefined) share.watches.delete(open.watch)
    Locks.releaseAll(open)
    stream.opens.delete(open)
    if (open.may(AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)) file.delayed = undefined
    if (open.deleteOnClose) markDeleted(open)
    // Whoever waited for this looks at once: what is closed must be out of the way by now.
    Caching.release(open.server, open)
    if (open.written) DirectoryCaching.changed(share, file.path, open)
    const last = stream.opens.size === 0
    const isFile = stream.name === ""
    // The file goes when nobody has it or any of its streams open.
    const goes = last && stream.deletePending && (!isFile || [...file.opens()].length === 0) ||
      last && !isFile && file.deletePending && [...file.opens()].length === 0
    const { path } = file
    const whole = goes && file.deletePending
    const name = whole ? undefined : stream.name
    const remove = goes
      ? share.store.remove(path, name === undefined ? undefined : { stream: name }).pipe(
        Effect.andThen(Effect.sync(() => {
          if (name === undefined) {
            share.forgetEntry(path)
            DirectoryCaching.changed(share, path, open)
          }
          Watch.report(
            share,
            name !== undefined
              ? CompletionFilter.FILE_NOTIFY_CHANGE_STREAM_NAME
              : file.directory
              ? CompletionFilter.FILE_NOTIFY_CHANGE_DIR_NAME
              : CompletionFilter.FILE_NOTIFY_CHANGE_FILE_NAME,
            [{
              action: name === undefined ? NotifyAction.FILE_ACTION_REMOVED : NotifyAction.FILE_ACTION_REMOVED_STREAM,
              path,
              ...name === undefined ? {} : { stream: name }
            }]
          )
        })),
        Effect.catch(() => Effect.void)
      )
      : Effect.void
    return releaseFile(open).pipe(
      Effect.andThen(remove),
      Effect.andThen(Effect.sync(() => {
        if (whole) { for (const other of Array.from(file.streams.values())) other.deletePending = false }
        stream.deletePending = goes ? false : stream.deletePending
        if (goes && !isFile) file.stream(stream.name).deletePending = false
        share.release(stream)
        const base = file.streams.get("")
        if (base !== undefined) share.release(base)
      }))
    )
  })

/** From now on the file is to be deleted: nobody opens it any more, and its watchers hear of it. */
export const markDeleted = (open: FileOpen): void => {
  const { stream } = open
  if (stream.deletePending) return
  stream.deletePending = true
  // Who keeps handles to themselves closes them now.
  for (const holder of Array.from(stream.holders)) {
    if (holder !== open.holder && (holder.state & Caching.HANDLE) !== 0) {
      Caching.breakTo(open.server, holder, holder.state & ~Caching.HANDLE)
    }
  }
  if (!open.directory) return
  for (const other of stream.opens) {
    if (other.watch === undefined) continue
    for (const pending of Array.from(other.waiting)) pending.abort(NtStatus.STATUS_DELETE_PENDING)
  }
}
