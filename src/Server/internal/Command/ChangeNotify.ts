/**
 * CHANGE_NOTIFY (MS-SMB2 3.3.5.19).
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import type * as Message from "../../../Smb2/Message/ChangeNotify.ts"
import { AccessMask, ChangeNotifyFlags } from "../../../Smb2/Message/Constants.ts"
import * as ChangesByOthers from "../State/ChangesByOthers.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { ChangesFound } from "../State/OpenFiles.ts"
import * as Watch from "../State/Watch.ts"
import { type Refusal, refuse, type Reply, reply } from "../Wire/Reply.ts"
import { limitReached } from "./LimitRefusal.ts"

/** Handles CHANGE_NOTIFY. */
export const handle = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => {
    const { open } = incoming
    if (open?._tag !== "File" || !open.directory) return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    // It can wait without end, and would hold up the requests behind it. Windows refuses it in the same way.
    if (!incoming.last) return refuse(NtStatus.STATUS_INTERNAL_ERROR)
    const { connection } = incoming
    if (
      body.outputBufferLength > connection.negotiated.maxTransactSize ||
      !connection.allows(incoming, body.outputBufferLength)
    ) {
      return refuse(NtStatus.STATUS_INVALID_PARAMETER)
    }
    if (!open.may(AccessMask.FILE_LIST_DIRECTORY)) return refuse(NtStatus.STATUS_ACCESS_DENIED)
    if (open.deletePending) return refuse(NtStatus.STATUS_DELETE_PENDING)
    let { watch } = open
    if (watch === undefined) {
      const session = incoming.session!
      const { limits, watches } = incoming.server
      // A new watch has no changes yet: a request that cannot wait for them leaves no watch behind.
      if (!incoming.mayWait) return refuse(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
      if (session.watches >= limits.watches) return refuse(NtStatus.STATUS_INSUFFICIENT_RESOURCES)
      if (open.usage.watches >= limits.userWatches) {
        return limitReached(incoming, "userWatches", NtStatus.STATUS_INSUFFICIENT_RESOURCES)
      }
      if (watches >= limits.serverWatches) {
        return limitReached(incoming, "serverWatches", NtStatus.STATUS_INSUFFICIENT_RESOURCES)
      }
      const recursive = (body.flags & ChangeNotifyFlags.SMB2_WATCH_TREE) !== 0
      const room = Math.min(body.outputBufferLength, incoming.server.limits.notifications)
      watch = new Watch.DirectoryWatch(open, session, body.completionFilter, recursive, room)
      Watch.begin(watch)
      ChangesByOthers.forWatch(incoming.server, watch)
    }
    const already = watch.take()
    if (already !== undefined) return answer(already, body.outputBufferLength)
    const waited = watch
    return Effect.matchEffect(incoming.wait<ChangesFound>((resume) => waited.next(resume)), {
      onSuccess: (heard) => answer(heard, body.outputBufferLength),
      // The end of the open is no failure: the response has its usual form (3.3.4.4).
      onFailure: (refusal) =>
        refusal.status === NtStatus.STATUS_NOTIFY_CLEANUP
          ? Effect.succeed(nothing(refusal.status))
          : Effect.fail(refusal)
    })
  })

/** A response without changes. */
const nothing = (status: number): Reply => reply({ _tag: "CHANGE_NOTIFY", body: { buffer: new Uint8Array(0) } }, status)

const answer = (heard: ChangesFound, room: number): Effect.Effect<Reply, Refusal> => {
  const buffer = heard.changes === undefined ? undefined : Watch.encodeChanges(heard.changes, room)
  return Effect.succeed(
    buffer === undefined
      ? nothing(NtStatus.STATUS_NOTIFY_ENUM_DIR)
      : reply({ _tag: "CHANGE_NOTIFY", body: { buffer } })
  )
}
