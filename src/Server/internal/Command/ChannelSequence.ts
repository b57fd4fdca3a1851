/**
 * Channel sequences (MS-SMB2 3.3.5.2.10): after a client loses a channel, it increases its sequence number, and sends
 * the requests again that were under way there. Late requests from the lost channel must not undo the repeated ones,
 * and a repeated request must not run at the same time as its first copy: the server refuses both with
 * STATUS_FILE_NOT_AVAILABLE, and the client retries.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { Command, Dialect, HeaderFlags } from "../../../Smb2/Message/Constants.ts"
import type { Incoming } from "../State/Incoming.ts"
import type { FileOpen } from "../State/Model.ts"
import { type Refusal, refuse, type Reply } from "../Wire/Reply.ts"

/** The sequence in which a request was sent; 0 before 3.0. */
export const of = (incoming: Incoming): number =>
  incoming.connection.dialect >= Dialect.SMB_3_0 ? incoming.header.status & 0xffff : 0

/** Whether a command changes the open file, so that its order matters. */
const modifies = (command: number): boolean =>
  command === Command.WRITE || command === Command.SET_INFO || command === Command.IOCTL

/**
 * Runs a request on an open. Refuses one from an earlier sequence, and a repeated one while earlier ones are under way.
 */
export const guard = (
  incoming: Incoming,
  open: FileOpen,
  run: Effect.Effect<Reply | undefined, Refusal>
): Effect.Effect<Reply | undefined, Refusal> => {
  const { outstanding } = open
  const again = (incoming.header.flags & HeaderFlags.SMB2_FLAGS_REPLAY_OPERATION) !== 0
  // A client that uses the open has received its CREATE's response, and does not send the CREATE again (3.3.5.9.10).
  if (!again && incoming.relatedFileId === undefined) open.mayBeReplayed = false
  const sequence = of(incoming)
  const ahead = (sequence - outstanding.sequence) & 0xffff
  const isOld = ahead > 0x7fff
  if (ahead !== 0 && !isOld) {
    outstanding.before += outstanding.present
    outstanding.present = 0
    outstanding.sequence = sequence
  }
  if (!modifies(incoming.header.command)) return run
  if (isOld || again && outstanding.before > 0) return refuse(NtStatus.STATUS_FILE_NOT_AVAILABLE)
  outstanding.present++
  return Effect.ensuring(
    run,
    Effect.sync(() => {
      if (outstanding.sequence === sequence) outstanding.present--
      else outstanding.before--
    })
  )
}
