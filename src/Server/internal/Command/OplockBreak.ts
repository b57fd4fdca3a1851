/**
 * Acknowledgments of broken oplocks and leases (MS-SMB2 3.3.5.22).
 */
import * as Effect from "effect/Effect"
import { NtStatus } from "../../../Codec/NtStatus.ts"
import { OplockLevel } from "../../../Smb2/Message/Constants.ts"
import type * as Message from "../../../Smb2/Message/OplockBreak.ts"
import type { Incoming } from "../State/Incoming.ts"
import * as OplocksAndLeases from "../State/OplocksAndLeases.ts"
import { type Refusal, refuse, type Reply, reply } from "../Wire/Reply.ts"

/** Handles OPLOCK_BREAK. */
export const acknowledge = (incoming: Incoming, body: Message.Request): Effect.Effect<Reply, Refusal> =>
  Effect.suspend(() => (body._tag === "LeaseBreakAcknowledgment" ? lease(incoming, body) : oplock(incoming, body)))

type Of<T extends Message.Request["_tag"]> = Extract<Message.Request, { readonly _tag: T }>

const lease = (incoming: Incoming, body: Of<"LeaseBreakAcknowledgment">): Effect.Effect<Reply, Refusal> => {
  const lease = incoming.server.leases.find(incoming.connection.negotiated.clientGuid, body.leaseKey)
  if (lease === undefined) return refuse(NtStatus.STATUS_OBJECT_NAME_NOT_FOUND)
  if (lease.breaking === undefined) return refuse(NtStatus.STATUS_UNSUCCESSFUL)
  if ((body.leaseState & ~lease.breaking) !== 0) return refuse(NtStatus.STATUS_REQUEST_NOT_ACCEPTED)
  const { leaseKey, leaseState } = body
  return Effect.succeed({
    ...reply({
      _tag: "OPLOCK_BREAK",
      body: { _tag: "LeaseBreakResponse", leaseKey: Uint8Array.from(leaseKey), leaseState }
    }),
    sent: () => OplocksAndLeases.settle(incoming.server, lease, leaseState)
  })
}

const oplock = (incoming: Incoming, body: Of<"OplockBreakAcknowledgment">): Effect.Effect<Reply, Refusal> => {
  const open = incoming.session!.opens.get(body.fileId.volatile)
  if (open === undefined || open._tag !== "File" || open.id !== body.fileId.persistent) {
    return refuse(NtStatus.STATUS_FILE_CLOSED)
  }
  const { lease } = open
  if (lease?.kind === "lease") return refuse(NtStatus.STATUS_INVALID_PARAMETER)
  if (lease?.breaking === undefined) return refuse(NtStatus.STATUS_INVALID_OPLOCK_PROTOCOL)
  const state = OplocksAndLeases.stateOf(body.oplockLevel)
  // A wrong level ends the break too: otherwise the clients that wait for it would wait until its timeout.
  if (body.oplockLevel > OplockLevel.SMB2_OPLOCK_LEVEL_II || (state & ~lease.breaking) !== 0) {
    OplocksAndLeases.settle(incoming.server, lease, 0)
    return refuse(
      body.oplockLevel > OplockLevel.SMB2_OPLOCK_LEVEL_II
        ? NtStatus.STATUS_INVALID_PARAMETER
        : NtStatus.STATUS_INVALID_OPLOCK_PROTOCOL
    )
  }
  return Effect.succeed({
    ...reply({
      _tag: "OPLOCK_BREAK",
      body: { _tag: "OplockBreak", oplockLevel: body.oplockLevel, fileId: body.fileId }
    }),
    sent: () => OplocksAndLeases.settle(incoming.server, lease, state)
  })
}
