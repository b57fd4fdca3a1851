/**
 * Channel sequences (MS-SMB2 3.3.5.2.10): a client that lost a channel counts on, and sends again what it had under way
 * there. What comes late by the lost channel must not undo what was sent again, and what is sent again must not run
 * beside the first: STATUS_FILE_NOT_AVAILABLE, and the client tries once more.
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { Command, Dialect, HeaderFlags } from "../../../Smb2/Message/Constants.ts"
import type { Incoming } from "../Connection/Incoming.ts"
import { type Refusal, refuse, type Reply } from "../Connection/Reply.ts"
import type { FileOpen } from "./Open.ts"

/** The requests that change something, of an open: those of its present sequence, and of those before. */
export interface Outstanding {
  sequence: number
  present: number
  before: number
}

/** The sequence that a request was sent in; 0 before 3.0. */
export const of = (incoming: Incoming): number =>
  incoming.connection.dialect >= Dialect.SMB_3_0 ? incoming.header.status & 0xffff : 0

/** Whether a command changes what is open, so that its order counts. */
const modifies = (command: number): boolean =>
  command === Command.WRITE || command === Command.SET_INFO || command === Command.IOCTL

/** Runs a request on an open, unless it comes from a sequence that is over, or before the first of its kind is done. */
export const guard = (
  incoming: Incoming,
  open: FileOpen,
  run: Effect.Effect<Reply | undefined, Refusal>
): Effect.Effect<Reply | undefined, Refusal> => {
  const { outstanding } = open
  const again = (incoming.header.flags & HeaderFlags.SMB2_FLAGS_REPLAY_OPERATION) !== 0
  // Whoever has used the open knows of it: its CREATE is not sent again (3.3.5.9.10).
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
